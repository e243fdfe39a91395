/**
 * Durable work: what a job is, and what a kind of job must do. A job is one row with a *kind* and a *key*. Of one kind and key at most
 * one job waits (or has failed), and at most one runs:
 *
 *   add --> pending --claim--> running --settle--> done
 *             ^ ^                 |  \-----------> failed      no further try, until a person or an event asks for one
 *             | \-----------------+--> pending again, with a reason and the time of the next try
 *             \--- a lease that ended, or a stop of the server: it is as if the run had not been
 *
 * A running job that would wait again while a later one of its key waits already is `cancelled`: the later one takes its place.
 */
declare const jobIdBrand: unique symbol;

export type JobId = number & { readonly [jobIdBrand]: true };

export const jobStates = ['pending', 'running', 'done', 'failed', 'cancelled'] as const;
export type JobState = (typeof jobStates)[number];

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
  /** Epoch ms. */
  readonly created: number;
  /** Runs that have begun, without those that a stop of the server ended. */
  readonly attempts: number;
  /** Runs in a row that ended with `again`, since the job was added or asked for again. The backoff grows with it. */
  readonly failures: number;
  /** Why the last run did not succeed, in one sentence. */
  readonly reason: string | undefined;
  /** What the running or last run told of itself; once it is over, its report. */
  readonly progress: Json | undefined;
  /** Of the last run, epoch ms. */
  readonly started: number | undefined;
  readonly ended: number | undefined;
}

export type JobOutcome =
  | { readonly kind: 'done'; readonly report: Json }
  /** To be tried again. `at` (epoch ms): exactly then, whatever the backoff says. */
  | { readonly kind: 'again'; readonly reason: string; readonly at?: number | undefined }
  /** To go on at that time (epoch ms), as it was meant to: no failure. */
  | { readonly kind: 'later'; readonly reason: string; readonly at: number }
  | { readonly kind: 'failed'; readonly reason: string; readonly report?: Json };

export interface JobContext {
  readonly job: Job;
  /** Aborted when the job is cancelled, its lease is lost, or the server stops. */
  readonly signal: AbortSignal;
  /** Resolves when a new transfer may begin: clients come first. To be awaited before each one. Rejects when `signal` is aborted. */
  turn(): Promise<void>;
  /** When the backoff would let it run again after this run, epoch ms. For `at` of the outcome. */
  nextTry(): number;
  /** Keeps the progress with the job, once a second at most. */
  tell(progress: Json): void;
}

/** One kind of work. `run` may be called again for the same job after a crash: it must not mind. */
export interface JobKind {
  readonly name: string;
  /** Jobs of this kind that may run at once. */
  readonly atOnce: number;
  /** Whether the configuration in force leaves nothing to be done about a job, so that its run would say just that. */
  isMoot?(job: Job): boolean;
  /** Rejects for a bug only; then the job is tried again. */
  run(context: JobContext): Promise<JobOutcome>;
}
