/**
 * Jobs that notices from outside ask for. The same notice counts once, and no sender can fill the queue:
 *
 *   a notice that was taken before ............... nothing
 *   a job of its key waits already ............... it joins that one
 *   the sender has few jobs that wait ............ its own job
 *   it has many .................................. a coarser job, which covers it and many others
 *
 * What was taken is remembered in the same transaction that adds the job, so that a crash between the two loses nothing.
 */
import type { NewJob } from './job.ts';

export interface Notice {
  /** Tells it from all others, of all senders: at most 64 characters. Undefined: nothing does, and it counts each time. */
  readonly fingerprint: string | undefined;
  /** From the finest to the coarsest. Their `cause` names the sender. The last one is always added. */
  readonly jobs: readonly [NewJob, ...NewJob[]];
}

export interface InboxBounds {
  /** Jobs of one cause that may wait as they are; twice as many with those one step coarser, and so on. */
  readonly waiting: number;
  /** Notices that are remembered: ms, and how many. */
  readonly age: number;
  readonly remembered: number;
}

/** `known`: it was taken before. `gathered`: a coarser job than its first covers it. */
export type Taken = 'added' | 'gathered' | 'known';

export interface JobInbox {
  /**
   * All or nothing, in one transaction; what became of each, in order. The oldest of what is remembered goes meanwhile. `now`: epoch
   * ms. Rejects when the store cannot be written.
   */
  take(notices: readonly Notice[], bounds: InboxBounds, now: number): Promise<readonly Taken[]>;
}
