/** What is asked about deliveries and events. */
import type { Database } from 'better-sqlite3';
import { asListedDelivery, type ListedRow, listedColumns } from './delivery-row.ts';
import { laneOf, type OutboxEvent } from './outbox-event.ts';
import type { DeliveryState, ListedDelivery, OutboxCount } from './outbox-store.ts';

/** An event that may be delivered again. */
export interface KeptEvent {
  readonly number: number;
  readonly lane: string;
  readonly event: OutboxEvent;
}

export interface DeliveryLists {
  /** In the order of sinks and events, after `after`. */
  deliveriesIn(
    state: DeliveryState,
    sink: string | undefined,
    after: { readonly sink: string; readonly number: number } | undefined,
    limit: number,
  ): ListedDelivery[];
  deliveryCounts(): OutboxCount[];
  /** Events of `since` (epoch ms) and later, with numbers above `after`. */
  eventsSince(since: number, after: number, limit: number): KeptEvent[];
}

/** Every method throws what SQLite throws. */
export function createDeliveryLists(db: Database): DeliveryLists {
  const select = `SELECT ${listedColumns} FROM outbox_deliveries d CROSS JOIN outbox_events e ON e.number = d.event`;
  const all = db.prepare<[string, string, number, number], ListedRow>(
    `${select} WHERE d.state = ? AND (d.sink, d.event) > (?, ?) ORDER BY d.sink, d.event LIMIT ?`,
  );
  const ofSink = db.prepare<[string, string, number, number], ListedRow>(
    `${select} WHERE d.state = ? AND d.sink = ? AND d.event > ? ORDER BY d.event LIMIT ?`,
  );
  const counts = db.prepare<[], { sink: string; state: DeliveryState; deliveries: number }>(
    'SELECT sink, state, deliveries FROM outbox_counts WHERE deliveries > 0',
  );
  const oldest = db
    .prepare<[string], number>(
      "SELECT since FROM outbox_deliveries WHERE sink = ? AND state = 'waiting' ORDER BY since LIMIT 1",
    )
    .pluck();
  const since = db.prepare<[number, number, number], { number: number; event: string }>(
    'SELECT number, event FROM outbox_events WHERE number > ? AND at >= ? ORDER BY number LIMIT ?',
  );

  return {
    deliveriesIn(state, sink, after, limit) {
      const rows =
        sink === undefined
          ? all.all(state, after?.sink ?? '', after?.number ?? 0, limit)
          : ofSink.all(state, sink, after?.number ?? 0, limit);
      return rows.map(asListedDelivery);
    },
    deliveryCounts() {
      const bySink = Map.groupBy(counts.all(), ({ sink }) => sink);
      return [...bySink].map(([sink, rows]) => {
        const count = (wanted: DeliveryState) => rows.find(({ state }) => state === wanted)?.deliveries ?? 0;
        return { sink, waiting: count('waiting'), dead: count('dead'), oldest: oldest.get(sink) };
      });
    },
    eventsSince: (from, after, limit) =>
      since.all(after, from, limit).map(({ number, event: text }) => {
        const event = JSON.parse(text) as OutboxEvent;
        return { number, event, lane: laneOf(event) };
      }),
  };
}
