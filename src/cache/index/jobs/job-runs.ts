/**
 * Jobs that run: claims, leases, ends. Where a run would wait again, or has failed, and a later job of its key waits, that one takes its
 * place.
 */
import type { Database } from 'better-sqlite3';
import type { JobState, Json } from '../../../jobs/job.ts';
import { lostRun, lostRunDelay, type Settlement, succeededReason } from '../../../jobs/job-store.ts';
import { asText, type JobRow, jobColumns } from './job-row.ts';

/** Parameters of the statement that ends a run without success. */
interface EndOfRun {
  readonly id: number;
  readonly owner: string;
  readonly state: JobState;
  readonly reason: string;
  /** The reason where a later job takes its place. */
  readonly succeeded: string;
  readonly report: string | null;
  readonly again: 0 | 1;
  readonly notBefore: number;
  readonly now: number;
}

const hasSuccessor =
  "EXISTS (SELECT 1 FROM jobs w WHERE w.state IN ('pending', 'failed') AND w.kind = jobs.kind AND w.key = jobs.key)";

/** Every method throws what SQLite throws; the caller makes transactions. */
export function createJobRuns(db: Database) {
  const begin = db.prepare<[string, number, number, number], JobRow>(`
    UPDATE jobs SET state = 'running', owner = ?, expires = ?, started = ?, ended = NULL, progress = NULL, attempts = attempts + 1
    WHERE id = ? RETURNING ${jobColumns}`);
  const beat = db.prepare<[number, string | null, number, string]>(`
    UPDATE jobs SET expires = ?, progress = coalesce(?, progress) WHERE id = ? AND state = 'running' AND owner = ?`);
  const done = db.prepare<[string, number, number, string]>(`
    UPDATE jobs SET state = 'done', progress = ?, reason = NULL, failures = 0, lost = 0, ended = ?, owner = NULL, expires = NULL
    WHERE id = ? AND state = 'running' AND owner = ?`);
  const end = db
    .prepare<[EndOfRun], JobState>(`
    UPDATE jobs SET state = iif(${hasSuccessor}, 'cancelled', $state), reason = iif(${hasSuccessor}, $succeeded, $reason),
      progress = coalesce($report, progress), failures = failures + $again, lost = 0, not_before = $notBefore, ended = $now,
      owner = NULL, expires = NULL
    WHERE id = $id AND state = 'running' AND owner = $owner RETURNING state`)
    .pluck();
  const release = db.prepare<[number, number, string]>(`
    UPDATE jobs SET state = iif(${hasSuccessor}, 'cancelled', 'pending'), attempts = attempts - 1, ended = ?, owner = NULL,
      expires = NULL
    WHERE id = ? AND state = 'running' AND owner = ?`);
  const expired = db.prepare<[string, number], { id: number; lost: number }>(
    "SELECT id, lost FROM jobs WHERE state = 'running' AND kind = ? AND expires <= ?",
  );
  const running = db.prepare<[], { id: number; lost: number }>(
    "SELECT id, lost FROM jobs WHERE state = 'running'",
  );
  const lose = db.prepare<[string, number, number, number]>(`
    UPDATE jobs SET state = iif(${hasSuccessor}, 'cancelled', 'pending'), reason = ?, lost = lost + 1, not_before = ?, ended = ?,
      owner = NULL, expires = NULL
    WHERE id = ?`);

  function loseThese(rows: readonly { id: number; lost: number }[], now: number): number {
    for (const { id, lost } of rows) lose.run(lostRun, now + lostRunDelay(lost + 1), now, id);
    return rows.length;
  }

  return {
    begin: (id: number, owner: string, expires: number, now: number) => begin.get(owner, expires, now, id),
    beat: (id: number, owner: string, expires: number, progress: Json | undefined) =>
      beat.run(expires, asText(progress), id, owner).changes > 0,
    settle(id: number, owner: string, settlement: Settlement, now: number): JobState | undefined {
      const { outcome, notBefore = now } = settlement;
      if (outcome.kind === 'done') {
        return done.run(JSON.stringify(outcome.report), now, id, owner).changes > 0 ? 'done' : undefined;
      }
      const { reason } = outcome;
      const succeeded = succeededReason(reason);
      const again = outcome.kind === 'again' ? 1 : 0;
      const report = outcome.kind === 'failed' ? asText(outcome.report) : null;
      const state = outcome.kind === 'failed' ? 'failed' : 'pending';
      return end.get({ id, owner, state, reason, succeeded, report, again, notBefore, now });
    },
    release: (id: number, owner: string, now: number) => release.run(now, id, owner),
    loseExpired: (kind: string, now: number) => loseThese(expired.all(kind, now), now),
    loseAll: (now: number) => loseThese(running.all(), now),
  };
}
