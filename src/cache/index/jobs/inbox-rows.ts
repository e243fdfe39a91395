/** Notices that were taken, and the jobs that they add: the part of `IndexRows` below `JobInbox`. */
import type { Database } from 'better-sqlite3';
import type { NewJob } from '../../../jobs/job.ts';
import type { InboxBounds, Notice, Taken } from '../../../jobs/job-inbox.ts';
import type { createJobQueue } from './job-queue.ts';

export interface InboxRows {
  takeNotices(notices: readonly Notice[], bounds: InboxBounds, now: number): readonly Taken[];
}

/** Every method throws what SQLite throws. */
export function createInboxRows(db: Database, queue: ReturnType<typeof createJobQueue>): InboxRows {
  const remember = db.prepare<[string, number]>(
    'INSERT INTO inbox (fingerprint, taken) VALUES (?, ?) ON CONFLICT DO NOTHING',
  );
  // Numbers grow, so the newest one tells how many there are at most.
  const forget = db.prepare<[number, number, number]>(`
    DELETE FROM inbox WHERE id IN (SELECT id FROM inbox ORDER BY id LIMIT ?)
      AND (taken < ? OR id <= (SELECT max(id) FROM inbox) - ?)`);
  const waiting = db
    .prepare<[string, string], 1>(
      "SELECT 1 FROM jobs INDEXED BY jobs_waiting WHERE kind = ? AND key = ? AND state IN ('pending', 'failed')",
    )
    .pluck();
  const atLeast = db
    .prepare<[string, number], 1>(
      "SELECT 1 FROM jobs INDEXED BY jobs_cause WHERE state = 'pending' AND cause = ? LIMIT 1 OFFSET ?",
    )
    .pluck();

  /** `full`: what was found to have so many; within one transaction they only grow. */
  function fits({ kind, key, cause }: NewJob, most: number, full: Set<string>): boolean {
    if (waiting.get(kind, key) !== undefined) return true;
    const bound = `${most} ${cause}`;
    if (!full.has(bound) && atLeast.get(cause, most - 1) !== undefined) full.add(bound);
    return !full.has(bound);
  }

  function take(
    { fingerprint, jobs }: Notice,
    { bounds, now, full }: { bounds: InboxBounds; now: number; full: Set<string> },
  ): Taken {
    if (fingerprint !== undefined && remember.run(fingerprint, now).changes === 0) return 'known';
    const found = jobs.findIndex((job, at) => fits(job, bounds.waiting * (at + 1), full));
    const level = found < 0 ? jobs.length - 1 : found;
    queue.add(jobs[level] ?? jobs[0], now);
    return level === 0 ? 'added' : 'gathered';
  }

  return {
    takeNotices: db.transaction((notices: readonly Notice[], bounds: InboxBounds, now: number) => {
      forget.run(2 * notices.length, now - bounds.age, bounds.remembered);
      const full = new Set<string>();
      return notices.map((notice) => take(notice, { bounds, now, full }));
    }),
  };
}
