/**
 * Durable work: what a job is, and what a kind of job must do. A job is one row with a *kind* and a *key*; of one kind there is at most
 * one job with the same key that waits or runs, so adding it again joins it.
 *
 *   pending --claim--> running --settle--> done
 *      ^                  |  \-----------> failed      no further try, until a person or an event asks for one
 *      |                  \--> again: a reason and the time of the next try
 *      \--- a lease that ended: the process that had claimed it is gone
 */
declare const jobIdBrand: unique symbol;

export type JobId = number & { readonly [jobIdBrand]: true };

export type JobState = 'pending' | 'running' | 'done' | 'failed' | 'cancelled';

/** Lower numbers run first. Requests of clients come before all jobs. */
export const jobPriorities = { asked: 0, event: 10, schedule: 20, backfill: 30 } as const;

/** Anything that JSON can hold. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

export interface NewJob {
  readonly kind: string;
  /** What it is about, such as `docker.io/library/alpine:3.20`. */
  readonly key: string;
  readonly arguments: Json;
  readonly priority: number;
  /** Epoch ms before which it does not run. */
  readonly notBefore: number;
  /** In a word, what asked for it: `schedule`, `event`, `manual`, `retry`. */
  readonly cause: string;
}

export interface Job extends NewJob {
  readonly id: JobId;
  readonly state: JobState;
  readonly created: number;
  /** Tries that have begun. */
  readonly attempts: number;
  /** Why the last try did not succeed, in one sentence. */
  readonly reason: string | undefined;
  /** What the running or last try told of itself. */
  readonly progress: Json | undefined;
  /** Of the last try, epoch ms. */
  readonly started: number | undefined;
  readonly ended: number | undefined;
}

export type JobOutcome =
  | { readonly kind: 'done'; readonly report: Json }
  /** To be tried again. `notBefore`: what a registry asked for (`Retry-After`); else the runner's backoff decides. */
  | { readonly kind: 'again'; readonly reason: string; readonly notBefore?: number | undefined }
  | { readonly kind: 'failed'; readonly reason: string; readonly report?: Json };

export interface JobContext {
  readonly job: Job;
  /** Aborted when the job is cancelled, its lease is lost, or the server stops. */
  readonly signal: AbortSignal;
  /** Kept with the job a few times a second at most */
  tell(progress: Json): void;
}

/** One kind of work. `run` may be called again for the same job after a crash: it must not mind. */
export interface JobKind {
  readonly name: string;
  /** Jobs of this kind that may run at once. */
  readonly atOnce: number;
  /** Rejects for a bug only; then the job is tried again. */
  run(context: JobContext): Promise<JobOutcome>;
}
