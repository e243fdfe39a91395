/** What is asked about jobs, and the end of their history. */
import type { Database } from 'better-sqlite3';
import type { Job, JobState } from '../../../jobs/job.ts';
import type { Kept } from '../../../jobs/job-store.ts';
import { asJob, type JobRow, jobColumns } from './job-row.ts';

export interface JobLists {
  lastJob(kind: string, key: string): Job | undefined;
  /** Newest first, of one kind or all, in one of the states. */
  jobsIn(states: readonly JobState[], kind: string | undefined, before: number, limit: number): Job[];
  jobCounts(): { kind: string; state: JobState; jobs: number }[];
  oldestFailure(): number | undefined;
  forgetJobs(kept: Kept, limit: number): number;
}

const over = "state IN ('done', 'failed', 'cancelled')";

/** Every method throws what SQLite throws. */
export function createJobLists(db: Database): JobLists {
  const last = db.prepare<[string, string], JobRow>(
    `SELECT ${jobColumns} FROM jobs WHERE kind = ? AND key = ? ORDER BY id DESC LIMIT 1`,
  );
  const inState = db.prepare<[string, number, number], JobRow>(
    `SELECT ${jobColumns} FROM jobs WHERE state = ? AND id < ? ORDER BY id DESC LIMIT ?`,
  );
  const ofKind = db.prepare<[string, string, number, number], JobRow>(
    `SELECT ${jobColumns} FROM jobs WHERE kind = ? AND state = ? AND id < ? ORDER BY id DESC LIMIT ?`,
  );
  const counts = db.prepare<[], { kind: string; state: JobState; jobs: number }>(
    'SELECT kind, state, jobs FROM job_counts WHERE jobs > 0',
  );
  const oldest = db
    .prepare<[], number>(
      "SELECT ended FROM jobs INDEXED BY jobs_failed WHERE state = 'failed' ORDER BY ended LIMIT 1",
    )
    .pluck();
  const removeBefore = db.prepare<[number, number]>(
    `DELETE FROM jobs WHERE id IN (SELECT id FROM jobs INDEXED BY jobs_over WHERE ${over} AND ended < ? ORDER BY ended, id LIMIT ?)`,
  );
  const removeOldest = db.prepare<[number]>(
    `DELETE FROM jobs WHERE id IN (SELECT id FROM jobs INDEXED BY jobs_over WHERE ${over} ORDER BY ended, id LIMIT ?)`,
  );
  const isOver = ({ state }: { state: JobState }) => state !== 'pending' && state !== 'running';

  return {
    lastJob(kind, key) {
      const row = last.get(kind, key);
      return row && asJob(row);
    },
    jobsIn(states, kind, before, limit) {
      const rows = states.flatMap((state) =>
        kind === undefined ? inState.all(state, before, limit) : ofKind.all(kind, state, before, limit),
      );
      return rows
        .sort((a, b) => b.id - a.id)
        .slice(0, limit)
        .map(asJob);
    },
    jobCounts: () => counts.all(),
    oldestFailure: () => oldest.get(),
    forgetJobs: db.transaction(({ since, most }: Kept, limit: number) => {
      const aged = removeBefore.run(since, limit).changes;
      const left = counts.all().filter(isOver);
      const excess = left.reduce((sum, { jobs }) => sum + jobs, 0) - most;
      return aged + removeOldest.run(Math.max(0, Math.min(excess, limit - aged))).changes;
    }),
  };
}
