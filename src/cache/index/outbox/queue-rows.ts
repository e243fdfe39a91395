/** The events of the outbox as a queue of what is moved to the one that replicas share. */
import type { Database } from 'better-sqlite3';
import type { DeliveryState, QueuedDelivery, QueuedEvent } from './outbox-store.ts';

export interface QueueRows {
  /** Those with deliveries, oldest first. */
  queuedEvents(limit: number): QueuedEvent[];
  /** Removes events with their deliveries. */
  removeQueued(events: readonly Pick<QueuedEvent, 'number'>[], now: number): void;
}

interface Row extends Omit<QueuedDelivery, 'reason'> {
  readonly state: DeliveryState;
  readonly reason: string | null;
}

/** `advance`: a delivery of a lane is over. Every method throws what SQLite throws. */
export function createQueueRows(
  db: Database,
  advance: (sink: string, lane: string, now: number) => void,
): QueueRows {
  const next = db
    .prepare<[number], number | null>('SELECT min(event) FROM outbox_deliveries WHERE event > ?')
    .pluck();
  const event = db.prepare<[number], { id: string; at: number; event: string }>(
    'SELECT id, at, event FROM outbox_events WHERE number = ?',
  );
  const ofEvent = db.prepare<[number], Row>(
    'SELECT sink, lane, state, since, tries, refusals, reason FROM outbox_deliveries WHERE event = ?',
  );
  const remove = db.prepare<[number], { sink: string; lane: string }>(
    'DELETE FROM outbox_deliveries WHERE event = ? RETURNING sink, lane',
  );
  const forget = db.prepare<[number]>('DELETE FROM outbox_events WHERE number = ?');

  return {
    queuedEvents(limit) {
      const queued: QueuedEvent[] = [];
      for (let number = next.get(0); number && queued.length < limit; number = next.get(number)) {
        const row = event.get(number);
        if (!row) continue;
        const deliveries = ofEvent.all(number).map((one) => ({ ...one, reason: one.reason ?? undefined }));
        queued.push({ number, id: row.id, at: row.at, event: JSON.parse(row.event), deliveries });
      }
      return queued;
    },
    removeQueued: db.transaction((events: readonly Pick<QueuedEvent, 'number'>[], now: number) => {
      for (const { number } of events) {
        const gone = remove.all(number);
        forget.run(number);
        for (const { sink, lane } of gone) advance(sink, lane, now);
      }
    }),
  };
}
