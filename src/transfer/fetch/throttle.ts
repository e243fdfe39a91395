/**
 * Slows down a transfer that only jobs use, to the pace of the job. Client requests go first: once one of them uses the transfer,
 * nothing is held up any more, and what was held up goes on at once.
 */
import type { Pace } from '../../lib/flow/pace.ts';

/** One request's use of the transfer. */
interface Use {
  readonly isForJob?: boolean | undefined;
  readonly pace?: Pace | undefined;
  /** The blob is to be stored, also where another replica keeps it. */
  readonly mustKeep?: boolean | undefined;
}

/** One per transfer. */
export class Throttle {
  readonly #waiting = new Set<() => void>();
  #clients = 0;
  #hadClients = false;
  #mustKeep = false;
  /** Of the job that came last. */
  #pace: Pace | undefined;

  enter({ isForJob, pace, mustKeep = false }: Use): void {
    this.#mustKeep ||= mustKeep;
    if (isForJob) this.#pace = pace;
    else {
      this.#clients += 1;
      this.#hadClients = true;
    }
    if (this.#isFree) this.#release();
  }

  leave({ isForJob }: Use): void {
    if (!isForJob) this.#clients -= 1;
  }

  /** Whether one of the uses wants the blob stored. */
  get mustKeep(): boolean {
    return this.#mustKeep;
  }

  get hasClients(): boolean {
    return this.#clients > 0;
  }

  /** Whether a client has used the transfer: only then it is filled on without a use. A job leaves early where it was told to end. */
  get hadClients(): boolean {
    return this.#hadClients;
  }

  /** Counts bytes that have come. False asks for a pause until `resume` is called. */
  take(bytes: number, resume: () => void): boolean {
    if (this.#isFree || !this.#pace) return true;
    this.#waiting.add(resume);
    void this.#pace.take(bytes).then(() => {
      if (this.#waiting.delete(resume)) resume();
    });
    return false;
  }

  get #isFree(): boolean {
    return this.hasClients || this.#pace === undefined;
  }

  #release(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const resume of waiting) resume();
  }
}
