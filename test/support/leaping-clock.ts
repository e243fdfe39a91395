/** Real time, which a test can make leap: pauses of minutes are over, and nothing else has become quicker. */
import { type Clock, systemClock } from '../../src/lib/clock.ts';

export interface LeapingClock extends Clock {
  /** Moves time on by `ms`; what waits for at most that long is done at once. To be used while nothing is under way. */
  leap(ms: number): void;
  /** ms that it is ahead. */
  readonly ahead: number;
}

interface Waiting {
  readonly ms: number;
  run(): void;
}

export function createLeapingClock(): LeapingClock {
  const waiting = new Set<Waiting>();
  let ahead = 0;
  return {
    ...systemClock,
    now: () => systemClock.now() + ahead,
    monotonic: () => systemClock.monotonic() + ahead,
    after(ms, run) {
      const over = () => {
        waiting.delete(one);
        timer.cancel();
      };
      const one = {
        ms,
        run() {
          over();
          run();
        },
      };
      const timer = systemClock.after(ms, one.run);
      waiting.add(one);
      return { cancel: over };
    },
    leap(ms) {
      ahead += ms;
      for (const one of [...waiting]) if (one.ms <= ms && waiting.has(one)) one.run();
    },
    get ahead() {
      return ahead;
    },
  };
}
