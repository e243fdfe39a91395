/** Jobs that wait: adding, the one that is next, asking again. */
import type { Database } from 'better-sqlite3';
import type { JobId, NewJob } from '../../../jobs/job.ts';

interface Due {
  readonly id: number;
  readonly priority: number;
  readonly notBefore: number;
}

/** A waiting job is held up by a running one of the same key. */
const isFree =
  "NOT EXISTS (SELECT 1 FROM jobs r WHERE r.state = 'running' AND r.kind = j.kind AND r.key = j.key)";

/** Every method throws what SQLite throws; the caller makes transactions. */
export function createJobQueue(db: Database) {
  const insert = db
    .prepare<unknown[], number>(`
    INSERT INTO jobs (kind, key, arguments, state, priority, not_before, cause, created)
    VALUES (?, ?, ?, 'pending', ?, ?, ?, ?)
    ON CONFLICT (kind, key) WHERE state IN ('pending', 'failed') DO UPDATE SET
      not_before = iif(state = 'failed', excluded.not_before, min(not_before, excluded.not_before)),
      priority = iif(state = 'failed', excluded.priority, min(priority, excluded.priority)),
      arguments = excluded.arguments, cause = iif(state = 'pending' AND cause = 'manual', cause, excluded.cause),
      failures = 0, lost = 0, state = 'pending'
    RETURNING id`)
    .pluck();
  const priority = db
    .prepare<[string, number], number>(
      "SELECT priority FROM jobs WHERE state = 'pending' AND kind = ? AND priority > ? ORDER BY priority LIMIT 1",
    )
    .pluck();
  const due = db.prepare<[string, number, number], Due>(`
    SELECT id, priority, not_before AS notBefore FROM jobs j
    WHERE state = 'pending' AND kind = ? AND priority = ? AND not_before <= ? AND ${isFree}
    ORDER BY not_before, id LIMIT 1`);
  const first = db
    .prepare<[string, number], number>(`
    SELECT not_before FROM jobs j WHERE state = 'pending' AND kind = ? AND priority = ? AND ${isFree}
    ORDER BY not_before LIMIT 1`)
    .pluck();
  const lease = db
    .prepare<[string], number>(
      "SELECT expires FROM jobs WHERE state = 'running' AND kind = ? ORDER BY expires LIMIT 1",
    )
    .pluck();
  const again = "state = 'pending', not_before = ?, failures = 0, lost = 0, cause = 'retry'";
  const retryOne = db.prepare<[number, number]>(`
    UPDATE jobs SET ${again} WHERE id = ? AND (state IN ('failed', 'pending') OR (state = 'cancelled' AND NOT EXISTS (
      SELECT 1 FROM jobs r WHERE r.kind = jobs.kind AND r.key = jobs.key AND r.state IN ('pending', 'failed'))))`);
  const retryFailed = db.prepare<[number, number]>(
    `UPDATE jobs SET ${again} WHERE id IN (SELECT id FROM jobs WHERE state = 'failed' ORDER BY id LIMIT ?)`,
  );
  const retryWaiting = db.prepare<[number, string, number, number, number]>(`
    UPDATE jobs SET ${again} WHERE id IN (
      SELECT id FROM jobs WHERE state = 'pending' AND kind = ? AND priority = ? AND not_before > ? LIMIT ?)`);
  const recall = db.prepare<[number, number, number, number]>(`
    UPDATE jobs SET not_before = ? WHERE state = 'pending' AND not_before > ? AND (created > ? OR ended > ?)`);
  const kinds = db
    .prepare<[], string>("SELECT kind FROM job_counts WHERE state = 'pending' AND jobs > 0")
    .pluck();
  const cancel = db.prepare<[number, number]>(`
    UPDATE jobs SET state = 'cancelled', ended = ?, owner = NULL, expires = NULL
    WHERE id = ? AND state IN ('pending', 'running', 'failed')`);

  /** The priorities of the jobs of a kind that wait, highest first. There are few. */
  function* priorities(kind: string): Generator<number> {
    for (let one = priority.get(kind, Number.MIN_SAFE_INTEGER); one !== undefined; ) {
      yield one;
      one = priority.get(kind, one);
    }
  }

  function dueOf(kind: string, now: number): Due | undefined {
    for (const one of priorities(kind)) {
      const next = due.get(kind, one, now);
      if (next) return next;
    }
    return undefined;
  }

  return {
    add({ kind, key, arguments: args, priority: wanted, notBefore, cause }: NewJob, now: number): JobId {
      const id = insert.get(kind, key, JSON.stringify(args), wanted, notBefore, cause, now);
      return id as JobId;
    },
    /** The number of the job that is next. */
    due(kinds: readonly string[], now: number): number | undefined {
      const all = kinds.flatMap((kind) => dueOf(kind, now) ?? []);
      return all.sort((a, b) => a.priority - b.priority || a.notBefore - b.notBefore || a.id - b.id)[0]?.id;
    },
    nextDue(kinds: readonly string[]): number | undefined {
      const times = kinds.flatMap((kind) => [
        lease.get(kind) ?? [],
        ...[...priorities(kind)].map((one) => first.get(kind, one) ?? []),
      ]);
      const all = times.flat();
      return all.length === 0 ? undefined : Math.min(...all);
    },
    retryOne: (id: number, now: number) => retryOne.run(now, id).changes,
    retryFailed: (now: number, limit: number) => retryFailed.run(now, limit).changes,
    retryWaiting(now: number, limit: number): number {
      let count = 0;
      for (const kind of kinds.all())
        for (const one of priorities(kind))
          count += retryWaiting.run(now, kind, one, now, Math.max(0, limit - count)).changes;
      return count;
    },
    recall: (now: number) => recall.run(now, now, now, now).changes,
    cancel: (id: number, now: number) => cancel.run(now, id).changes > 0,
  };
}
