/** One delivery as SQLite has it. */
import type { OutboxEvent } from './outbox-event.ts';
import type { Delivery, DeliveryState, ListedDelivery } from './outbox-store.ts';

export interface DeliveryRow {
  readonly number: number;
  readonly id: string;
  readonly at: number;
  readonly event: string;
  readonly sink: string;
  readonly lane: string;
  readonly state: DeliveryState;
  readonly since: number;
  readonly tries: number;
  readonly refusals: number;
  readonly reason: string | null;
}

/** Of `outbox_deliveries d` and `outbox_events e`, for `DeliveryRow`. */
export const deliveryColumns =
  'e.number, e.id, e.at, e.event, d.sink, d.lane, d.state, d.since, d.tries, d.refusals, d.reason';

/** Throws for JSON that is damaged. */
export function asDelivery({ event, state: _state, reason: _reason, ...row }: DeliveryRow): Delivery {
  return { ...row, event: JSON.parse(event) as OutboxEvent };
}

/** The same, with all that a list shows. */
export function asListedDelivery(row: DeliveryRow): ListedDelivery {
  return { ...asDelivery(row), state: row.state, reason: row.reason ?? undefined };
}
