/** The outbox in PostgreSQL, for all replicas. One of them at a time sends to a sink (`sink-leases.ts`). */
import { setImmediate as turn } from 'node:timers/promises';
import { laneOf, type OutboxEvent } from '../../../index/outbox/outbox-event.ts';
import type {
  Delivery,
  DeliveryState,
  Died,
  OutboxBounds,
  OutboxCount,
  OutboxStore,
  QueuedEvent,
} from '../../../index/outbox/outbox-store.ts';
import type { RareLog } from '../../../rare-log.ts';
import { readEvent } from '../../read-event.ts';
import type { Postgres, Query } from '../connection.ts';
import { storable } from '../jobs/job-row.ts';
import { lockSpace, locks } from '../migrations.ts';
import {
  bury,
  counts,
  delivered,
  due,
  eventsSince,
  list,
  nextDue,
  postpone,
  replayDead,
  replayEvents,
  take,
  tidying,
} from './outbox-statements.ts';
import type { SinkLeases } from './sink-leases.ts';

/** Without `add` and `whenAdded`: an event comes here from the index of a replica. */
export interface SharedOutboxStore extends Omit<OutboxStore, 'add' | 'whenAdded'> {
  /** Adds events that are not known by their ids, in their order; all or nothing. */
  take(events: readonly QueuedEvent[]): Promise<void>;
}

interface DeliveryRow extends Omit<Delivery, 'event'> {
  readonly event: string;
}

interface ListedRow extends DeliveryRow {
  readonly state: DeliveryState;
  readonly reason: string | null;
  readonly due: number | null;
}

/** Deliveries that are replayed in one statement. */
const atOnce = 500;
/** Epoch ms that a Date has a text for. */
const lastTime = 8.64e15;
const always = Number.MAX_SAFE_INTEGER;

/** Rejects with `Unavailable` while there is no server. Its times are those of callers. */
export function createPostgresOutbox(
  { query, transaction }: Pick<Postgres, 'query' | 'transaction'>,
  { hold, leave }: Pick<SinkLeases, 'hold' | 'leave'>,
  lines: Pick<RareLog, 'warn'>,
): SharedOutboxStore {
  /** Undefined for a row that is no event: it goes, since it would hold up its image for ever. */
  async function readOrDrop(row: DeliveryRow): Promise<Delivery | undefined> {
    const delivery = asDelivery(row);
    if (delivery) return delivery;
    const { sink, number, since } = row;
    lines.warn(
      { event: 'events.rowIgnored', sink, id: String(row.id).slice(0, 40) },
      'a row of the outbox is no event that this version knows: the sink does not get it',
    );
    await query(delivered, [sink, number, since]);
    return undefined;
  }

  async function replayOfSink(
    sink: string,
    since: number,
    wants: (event: OutboxEvent) => boolean,
    now: number,
  ): Promise<number> {
    let count = 0;
    for (let after = 0; ; await turn()) {
      const some = await query<{ number: number; event: string }>(eventsSince, [since, after, atOnce]);
      const wanted = some.flatMap(({ number, event: text }) => {
        const event = readEvent(text);
        return event && wants(event) ? [{ number, lane: laneOf(event) }] : [];
      });
      const [numbers, lanes] = [wanted.map(({ number }) => number), wanted.map(({ lane }) => storable(lane))];
      if (wanted.length > 0) count += await counted(query, replayEvents, [sink, now, numbers, lanes]);
      if (some.length < atOnce) return count;
      after = some.at(-1)?.number ?? after;
    }
  }

  return {
    async take(events) {
      if (events.length === 0) return;
      const told = events.map(({ id, at, event, deliveries }, place) => ({
        place,
        id,
        at,
        event: JSON.stringify(event),
        deliveries: deliveries.map(({ lane, reason, ...one }) => ({
          ...one,
          lane: storable(lane.toWellFormed()),
          reason: reason === undefined ? null : storable(reason.toWellFormed()),
        })),
      }));
      await query(take, [JSON.stringify(told)]);
    },
    async due(sink, now, limit) {
      if (!(await hold(sink))) return [];
      for (;;) {
        const rows = await query<DeliveryRow>(due, [sink, now, limit]);
        const deliveries = (await Promise.all(rows.map(readOrDrop))).filter((one) => one !== undefined);
        if (deliveries.length > 0 || rows.length === 0) return deliveries;
      }
    },
    async nextDue(sink, now) {
      const [row] = await query<{ due: number | null }>(nextDue, [sink, now]);
      return row?.due ?? undefined;
    },
    leave,
    async delivered({ sink, number }, now) {
      await query(delivered, [sink, number, now]);
    },
    async postpone({ sink, number }, { reason, isRefusal }, until) {
      await query(postpone, [sink, number, until, storable(reason), isRefusal ? 1 : 0]);
    },
    async bury({ sink, number }, reason, now) {
      await query(bury, [sink, number, now, storable(reason)]);
    },
    async list({ sink, state, after, limit }) {
      const before = [after?.sink ?? '', after?.number ?? 0];
      const rows = await query<ListedRow>(list, [state, sink ?? null, ...before, limit]);
      return rows.flatMap(({ due: at, reason, ...row }) => {
        const delivery = asDelivery(row);
        if (!delivery) return [];
        return [{ ...delivery, state: row.state, reason: reason ?? undefined, due: at ?? undefined }];
      });
    },
    async counts() {
      const rows = await query<Omit<OutboxCount, 'oldest'> & { oldest: number | null }>(counts);
      return rows.map((row) => ({ ...row, oldest: row.oldest ?? undefined }));
    },
    async replay(which, now) {
      if (!('dead' in which)) return replayOfSink(which.sink, which.since, which.wants, now);
      let count = 0;
      for (let some = atOnce; some === atOnce; await turn()) {
        some = await counted(query, replayDead, [which.sink ?? null, now, atOnce]);
        count += some;
      }
      return count;
    },
    tidy: (bounds, now, limit) =>
      transaction(async (own) => {
        // Two at once would each end what is too much.
        const [mine] = await own<{ is: boolean }>(
          `select pg_try_advisory_xact_lock(${lockSpace}, ${locks.outbox}) as is`,
        );
        return mine?.is ? tidyOnce(own, bounds, now, limit) : { died: [], isDone: true };
      }),
  };
}

async function tidyOnce(
  query: Query,
  bounds: OutboxBounds,
  now: number,
  limit: number,
): Promise<{ readonly died: readonly Died[]; readonly isDone: boolean }> {
  const died: Died[] = [];
  let left = limit;
  const run = async (statement: string, values: readonly unknown[]): Promise<number> => {
    const some = await counted(query, statement, values);
    left -= some;
    return some;
  };
  for (const { sink, waiting, dead } of await query<OutboxCount>(counts)) {
    const late = await run(tidying.late, [sink, bounds.waitingSince, left, 'waiting', now]);
    const excess = Math.min(left, waiting - late - bounds.mostWaiting);
    const beyond = excess > 0 ? await run(tidying.excess, [sink, always, excess, 'waiting', now]) : 0;
    if (late + beyond > 0) died.push({ sink, events: late + beyond });
    const old = await run(tidying.dead, [sink, bounds.deadSince, left, 'dead']);
    const more = Math.min(left, dead - old - bounds.mostDead);
    if (more > 0) await run(tidying.dead, [sink, always, more, 'dead']);
  }
  await run(tidying.events, [bounds.eventsSince, bounds.mostEvents, left]);
  await query(tidying.lanes, [limit]);
  return { died, isDone: left > 0 };
}

async function counted(query: Query, statement: string, values: readonly unknown[]): Promise<number> {
  const [row] = await query<{ deliveries: number }>(statement, values);
  return row?.deliveries ?? 0;
}

function asDelivery({ number, id, at, event: text, sink, lane, since, tries, refusals }: DeliveryRow) {
  const event = at <= lastTime ? readEvent(text) : undefined;
  return event && { number, id, at, event, sink, lane, since, tries, refusals };
}
