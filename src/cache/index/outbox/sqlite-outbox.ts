/** The outbox over the rows of SQLite. */
import { setImmediate as turn } from 'node:timers/promises';
import type { IndexRows } from '../index-rows.ts';
import type { OutboxEvent } from './outbox-event.ts';
import type { OutboxQueue, OutboxStore } from './outbox-store.ts';

export interface SqliteOutbox extends OutboxStore, OutboxQueue {
  /** Adds an event within the transaction that is open. Throws what SQLite throws. */
  write(event: OutboxEvent, sinks: readonly string[], at: number): void;
}

/** Requests share the connection: they get their turn after so many. */
const atOnce = 500;

/** Rejects as the interface says. */
export function createSqliteOutbox(rows: IndexRows): SqliteOutbox {
  let added = () => {};

  function write(event: OutboxEvent, sinks: readonly string[], at: number): void {
    rows.addEvent(event, sinks, at);
    // After the transaction: what is not committed must not be sent.
    queueMicrotask(added);
  }

  /** Calls `slice`, which gives how many of at most `atOnce` it has done, until nothing is left. */
  async function inSlices(slice: () => { readonly seen: number; readonly done: number }): Promise<number> {
    let count = 0;
    for (;;) {
      const { seen, done } = slice();
      count += done;
      if (seen < atOnce) return count;
      await turn();
    }
  }

  return {
    write,
    async add(event, sinks, now) {
      if (sinks.length > 0) write(event, sinks, now);
    },
    whenAdded(listener) {
      added = listener;
    },
    due: async (sink, now, limit) => rows.dueDeliveries(sink, now, limit),
    nextDue: async (sink, now) => rows.nextLaneDue(sink, now),
    leave: async () => {},
    delivered: async (delivery, now) => rows.endDelivery(delivery, now),
    postpone: async (delivery, { reason, isRefusal }, until) =>
      rows.postponeDelivery(delivery, reason, isRefusal, until),
    bury: async (delivery, reason, now) => rows.buryDelivery(delivery, reason, now),
    list: async ({ sink, state, after, limit }) => rows.deliveriesIn(state, sink, after, limit),
    counts: async () => rows.deliveryCounts(),
    async replay(which, now) {
      let count = 0;
      if ('dead' in which) {
        const dead = rows
          .deliveryCounts()
          .filter((one) => one.dead > 0 && one.sink === (which.sink ?? one.sink));
        for (const { sink } of dead) {
          count += await inSlices(() => {
            const done = rows.replayDead(sink, now, atOnce);
            return { seen: done, done };
          });
        }
      } else {
        let after = 0;
        count += await inSlices(() => {
          const some = rows.eventsSince(which.since, after, atOnce);
          after = some.at(-1)?.number ?? after;
          const wanted = some.filter(({ event }) => which.wants(event));
          return { seen: some.length, done: rows.replayEvents(which.sink, wanted, now) };
        });
      }
      if (count > 0) queueMicrotask(added);
      return count;
    },
    queued: async (limit) => rows.queuedEvents(limit),
    moved: async (events, now) => rows.removeQueued(events, now),
    async tidy(bounds, now, limit) {
      const { died, changed } = rows.cutOutbox(bounds, now, limit);
      return { died, isDone: changed < limit };
    },
  };
}
