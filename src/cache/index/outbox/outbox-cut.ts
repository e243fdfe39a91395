/** Keeps the outbox within its bounds: what has waited too long is dead, and what is dead or delivered is forgotten after a while. */
import type { Database } from 'better-sqlite3';
import { type Died, type OutboxBounds, tooManyWaited, waitedTooLong } from './outbox-store.ts';

export interface OutboxCut {
  /** One slice of at most `limit` changes. */
  cutOutbox(bounds: OutboxBounds, now: number, limit: number): { died: readonly Died[]; changed: number };
}

/** `advance`: the first delivery of a lane is over. Every method throws what SQLite throws. */
export function createOutboxCut(
  db: Database,
  advance: (sink: string, lane: string, now: number) => void,
): OutboxCut {
  const counts = db.prepare<[], { sink: string; state: string; deliveries: number }>(
    'SELECT sink, state, deliveries FROM outbox_counts WHERE deliveries > 0',
  );
  const oldest = `SELECT event FROM outbox_deliveries WHERE sink = $sink AND state = $state AND since < $before
    ORDER BY since, event LIMIT $limit`;
  const die = db
    .prepare<
      [{ sink: string; state: 'waiting'; before: number; limit: number; now: number; reason: string }],
      string
    >(`
    UPDATE outbox_deliveries SET state = 'dead', since = $now, reason = coalesce($reason || ': ' || reason, $reason)
    WHERE sink = $sink AND event IN (${oldest}) RETURNING lane`)
    .pluck();
  const forget = db.prepare<[{ sink: string; state: 'dead'; before: number; limit: number }]>(
    `DELETE FROM outbox_deliveries WHERE sink = $sink AND event IN (${oldest})`,
  );
  const lastBefore = db
    .prepare<[number], number>('SELECT number FROM outbox_events WHERE at < ? ORDER BY at DESC LIMIT 1')
    .pluck();
  /** Numbers have hardly any gaps. */
  const newest = db.prepare<[], number | null>('SELECT max(number) FROM outbox_events').pluck();
  const forgetEvents = db.prepare<[number, number]>(`
    DELETE FROM outbox_events WHERE number IN (
      SELECT number FROM outbox_events e
      WHERE number <= ? AND NOT EXISTS (SELECT 1 FROM outbox_deliveries WHERE event = e.number)
      ORDER BY number LIMIT ?)`);
  const always = Number.MAX_SAFE_INTEGER;

  function cutWaiting(
    sink: string,
    waiting: number,
    bounds: OutboxBounds,
    now: number,
    limit: number,
  ): number {
    const one = { sink, state: 'waiting', now } as const;
    const aged = die.all({ ...one, before: bounds.waitingSince, limit, reason: waitedTooLong });
    const excess = Math.min(limit - aged.length, waiting - aged.length - bounds.mostWaiting);
    const reason = tooManyWaited;
    const beyond = excess > 0 ? die.all({ ...one, before: always, limit: excess, reason }) : [];
    for (const lane of new Set([...aged, ...beyond])) advance(sink, lane, now);
    return aged.length + beyond.length;
  }

  function cutDead(sink: string, dead: number, bounds: OutboxBounds, limit: number): number {
    const one = { sink, state: 'dead' } as const;
    const aged = forget.run({ ...one, before: bounds.deadSince, limit }).changes;
    const excess = Math.min(limit - aged, dead - aged - bounds.mostDead);
    return aged + (excess > 0 ? forget.run({ ...one, before: always, limit: excess }).changes : 0);
  }

  return {
    cutOutbox: db.transaction((bounds: OutboxBounds, now: number, limit: number) => {
      const died: Died[] = [];
      let changed = 0;
      for (const { sink, state, deliveries } of counts.all()) {
        if (state === 'waiting') {
          const some = cutWaiting(sink, deliveries, bounds, now, limit - changed);
          if (some > 0) died.push({ sink, events: some });
          changed += some;
        } else {
          changed += cutDead(sink, deliveries, bounds, limit - changed);
        }
      }
      const last = Math.max(lastBefore.get(bounds.eventsSince) ?? 0, (newest.get() ?? 0) - bounds.mostEvents);
      changed += forgetEvents.run(last, limit - changed).changes;
      return { died, changed };
    }),
  };
}
