/**
 * The stop of a part that asks PostgreSQL. It waits for the answers that are under way, so that what the part knows is told; but a server
 * that is frozen must not hold up a stop.
 */
import type { Clock } from '../../lib/clock.ts';
import { unlessAborted } from '../../lib/flow/unless-aborted.ts';
import { serverStops } from './unavailable.ts';

export interface BoundedStop {
  /** Settles as what is asked does; rejects with `Unavailable` once the stop has waited for two seconds. */
  orLate<T>(asked: Promise<T>): Promise<T>;
  /** Waits for the last work of the part, which asks by `orLate`. */
  waitFor(work: Promise<unknown>): Promise<void>;
}

/** ms. What was asked by then may still happen. */
const stopWithin = 2000;

/** No timer runs before `waitFor`. */
export function createBoundedStop(clock: Clock): BoundedStop {
  const late = new AbortController();
  return {
    orLate: (asked) => unlessAborted(asked, late.signal, serverStops),
    async waitFor(work) {
      const timer = clock.after(stopWithin, () => late.abort());
      await work.finally(timer.cancel);
    },
  };
}
