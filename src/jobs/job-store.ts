/**
 * Where jobs are kept. An implementation is shared by replicas one day, so claims are leases: a process that dies leaves nothing
 * running. Every method rejects when the store cannot be read or written; each write is one transaction. All times are epoch ms.
 */
import type { Job, JobId, JobOutcome, JobState, Json, NewJob } from './job.ts';

export interface JobFilter {
  readonly states?: readonly JobState[] | undefined;
  readonly kind?: string | undefined;
  /** Jobs from before this one. */
  readonly before?: JobId | undefined;
  readonly limit: number;
}

/** The claim of one process on one job. */
export interface Claim {
  readonly id: JobId;
  /** What claimed the job: each run has another one. */
  readonly owner: string;
}

export interface Settlement {
  readonly outcome: JobOutcome;
  /** With `again` and `later`: when the next run may begin. */
  readonly notBefore?: number | undefined;
}

/** History that `forget` leaves. */
export interface Kept {
  /** Jobs that were over before this time go. */
  readonly since: number;
  /** Of the others, only so many newest ones stay. */
  readonly most: number;
}

export interface JobStore {
  /**
   * Adds a job. It joins the one of the same kind and key that waits or has failed: the earlier time, the higher priority, and the new
   * arguments and cause hold, and its failures are forgiven. But what a person asked for and waits stays `manual`. While one of this key
   * runs, the new one waits until that is over.
   */
  add(job: NewJob, now: number): Promise<JobId>;
  /**
   * A job that is due, by priority and then the one that has been due the longest, of one of `kinds`. It runs for `owner` until
   * `now + lease` (ms). Before that, runs with a lease that has ended count as lost: their jobs wait again (`lostRunDelay`).
   */
  claim(kinds: readonly string[], owner: string, lease: number, now: number): Promise<Job | undefined>;
  /** Extends the lease and keeps progress. False: the lease was lost, or the job was cancelled; its run must end. */
  beat(claim: Claim, lease: number, progress: Json | undefined, now: number): Promise<boolean>;
  /** Ends a run. Gives the state of the job from then on; undefined, and nothing happens, where the claim does not hold any more. */
  settle(claim: Claim, settlement: Settlement, now: number): Promise<JobState | undefined>;
  /** Hands a job back, due at once: the run does not count as an attempt. Nothing happens where the claim does not hold any more. */
  release(claim: Claim, now: number): Promise<void>;
  /**
   * Makes jobs due now that have failed, or wait for their time, some at a time. With an id, a cancelled one as well, unless another
   * one of its key waits or has failed. Gives how many.
   */
  retry(
    which: { readonly id: JobId } | { readonly states: readonly ('failed' | 'pending')[] },
    now: number,
  ): Promise<number>;
  /**
   * Makes jobs due now that were put off, or added for later, at a time that is still to come: the clock of the machine was set back, and
   * they would wait for as long. Gives how many.
   */
  recall(now: number): Promise<number>;
  /** Also dismisses a job that has failed. False where it was done or cancelled already, or is unknown. */
  cancel(id: JobId, now: number): Promise<boolean>;
  find(id: JobId): Promise<Job | undefined>;
  /** The newest job of the kind and key. */
  last(kind: string, key: string): Promise<Job | undefined>;
  /** Newest first. */
  list(filter: JobFilter): Promise<readonly Job[]>;
  /** Of each kind and state, without those of which there is none. */
  counts(): Promise<readonly { readonly kind: string; readonly state: JobState; readonly jobs: number }[]>;
  /** When the oldest of the failed jobs failed; undefined where none has. */
  oldestFailure(): Promise<number | undefined>;
  /** When `claim` may next give a job: one is due, or the lease of a run ends. Undefined where nothing waits or runs. */
  nextDue(kinds: readonly string[]): Promise<number | undefined>;
  /** Removes old jobs that are over; at most `limit`. Gives how many. */
  forget(kept: Kept, limit: number): Promise<number>;
}

/** What `reason` says of a run whose process went away. */
export const lostRun = 'the process that ran it ended before the job was over';

const minute = 60_000;

/**
 * ms that a job waits after runs were lost, `lost` of them in a row: nothing after the first, then a minute more each time, an hour
 * at most. Work that ends its process must not end each next one at once.
 */
export function lostRunDelay(lost: number): number {
  return Math.min(60, lost - 1) * minute;
}

/** The `reason` of a cancelled run that a later job of the same key has replaced. */
export function succeededReason(reason: string): string {
  return `a later job took its place after: ${reason}`;
}
