/**
 * Where jobs are kept. An implementation is shared by replicas one day, so claims are leases: a process that dies leaves nothing
 * running. Every method rejects when the store cannot be read or written; each write is one transaction.
 */
import type { Job, JobId, JobOutcome, JobState, Json, NewJob } from './job.ts';

export interface JobFilter {
  readonly states?: readonly JobState[] | undefined;
  readonly kind?: string | undefined;
  /** Jobs from before this one, newest first. */
  readonly before?: JobId | undefined;
  readonly limit: number;
}

export interface JobStore {
  /**
   * Adds a job, or joins the one of the same kind and key that waits or runs: its priority becomes the higher of both, and one that runs
   * runs once more afterwards.
   */
  add(job: NewJob, now: number): Promise<JobId>;
  /** The job that is due, by priority and then by age, of one of `kinds`. It is running for `owner` until `now + lease` (ms). */
  claim(kinds: readonly string[], owner: string, lease: number, now: number): Promise<Job | undefined>;
  /** Extends the lease and keeps progress. False: the lease was lost, or the job was cancelled; its run must end. */
  beat(id: JobId, owner: string, lease: number, progress: Json | undefined, now: number): Promise<boolean>;
  /** Ends a run. `notBefore`: of the next try. Nothing happens where the lease was lost. */
  settle(
    id: JobId,
    owner: string,
    outcome: JobOutcome,
    notBefore: number | undefined,
    now: number,
  ): Promise<void>;
  /** Runs again now what has failed or waits. Gives how many. */
  retry(
    which: { readonly id: JobId } | { readonly states: readonly JobState[] },
    now: number,
  ): Promise<number>;
  /** False where it was over already. */
  cancel(id: JobId, now: number): Promise<boolean>;
  find(id: JobId): Promise<Job | undefined>;
  list(filter: JobFilter): Promise<readonly Job[]>;
  /** Of each kind and state. */
  counts(): Promise<readonly { readonly kind: string; readonly state: JobState; readonly jobs: number }[]>;
  /** Epoch ms at which the next job is due; undefined where none waits. */
  nextDue(kinds: readonly string[]): Promise<number | undefined>;
  /** Removes jobs that were over before `before` (epoch ms); at most `limit`. Gives how many. */
  forget(before: number, limit: number): Promise<number>;
}
