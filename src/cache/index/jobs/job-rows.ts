/** The jobs of the index. Each method runs in one turn; the writes of several statements are transactions. */
import type { Database } from 'better-sqlite3';
import type { Job, JobId, JobState, Json, NewJob } from '../../../jobs/job.ts';
import type { Settlement } from '../../../jobs/job-store.ts';
import { createInboxRows, type InboxRows } from './inbox-rows.ts';
import { createJobLists, type JobLists } from './job-lists.ts';
import { createJobQueue } from './job-queue.ts';
import { asJob, type JobRow, jobColumns } from './job-row.ts';
import { createJobRuns } from './job-runs.ts';

export interface JobRows extends JobLists, InboxRows {
  addJob(job: NewJob, now: number): JobId;
  claimJob(kinds: readonly string[], owner: string, lease: number, now: number): Job | undefined;
  beatJob(id: JobId, owner: string, expires: number, progress: Json | undefined): boolean;
  settleJob(id: JobId, owner: string, settlement: Settlement, now: number): JobState | undefined;
  releaseJob(id: JobId, owner: string, now: number): void;
  /** Hands every running job back: for a process that alone uses the index, when it starts. Gives how many. */
  loseRuns(now: number): number;
  retryJob(id: JobId, now: number): number;
  /** One slice: failed jobs, or pending ones that are not due yet. */
  retryJobs(state: 'failed' | 'pending', now: number, limit: number): number;
  recallJobs(now: number): number;
  cancelJob(id: JobId, now: number): boolean;
  job(id: JobId): Job | undefined;
  nextJobDue(kinds: readonly string[]): number | undefined;
}

/** Every method throws what SQLite throws. */
export function createJobRows(db: Database): JobRows {
  const found = db.prepare<[number], JobRow>(`SELECT ${jobColumns} FROM jobs WHERE id = ?`);
  const queue = createJobQueue(db);
  const runs = createJobRuns(db);
  const listed = createJobLists(db);

  return {
    ...listed,
    ...createInboxRows(db, queue),
    addJob: db.transaction((job: NewJob, now: number) => queue.add(job, now)),
    claimJob: db.transaction((kinds: readonly string[], owner: string, lease: number, now: number) => {
      for (const kind of kinds) runs.loseExpired(kind, now);
      const next = queue.due(kinds, now);
      if (next === undefined) return undefined;
      const row = runs.begin(next, owner, now + lease, now);
      return row && asJob(row);
    }),
    beatJob: (id, owner, expires, progress) => runs.beat(id, owner, expires, progress),
    settleJob: db.transaction(runs.settle),
    releaseJob: db.transaction((id: JobId, owner: string, now: number) => runs.release(id, owner, now)),
    loseRuns: db.transaction((now: number) => runs.loseAll(now)),
    retryJob: (id, now) => queue.retryOne(id, now),
    retryJobs: db.transaction((state: 'failed' | 'pending', now: number, limit: number) =>
      state === 'failed' ? queue.retryFailed(now, limit) : queue.retryWaiting(now, limit),
    ),
    recallJobs: (now) => queue.recall(now),
    cancelJob: (id, now) => queue.cancel(id, now),
    nextJobDue: (kinds) => queue.nextDue(kinds),
    job(id) {
      const row = found.get(id);
      return row && asJob(row);
    },
  };
}
