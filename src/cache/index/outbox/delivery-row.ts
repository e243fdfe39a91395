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

/** A row of a list. */
export interface ListedRow extends DeliveryRow {
  /** Null where another delivery of its lane comes first, and where it is dead. */
  readonly due: number | null;
}

/** Of `outbox_deliveries d` and `outbox_events e`, for `ListedRow`. */
export const listedColumns = `${deliveryColumns}, iif(d.state = 'waiting' AND d.event = (
    SELECT min(event) FROM outbox_deliveries w WHERE w.sink = d.sink AND w.lane = d.lane AND w.state = 'waiting'
  ), (SELECT not_before FROM outbox_lanes l WHERE l.sink = d.sink AND l.lane = d.lane), NULL) AS due`;

/** Throws for JSON that is damaged. */
export function asDelivery({ event, state: _state, reason: _reason, ...row }: DeliveryRow): Delivery {
  return { ...row, event: JSON.parse(event) as OutboxEvent };
}

/** The same, with all that a list shows. */
export function asListedDelivery({ due, ...row }: ListedRow): ListedDelivery {
  return { ...asDelivery(row), state: row.state, reason: row.reason ?? undefined, due: due ?? undefined };
}
