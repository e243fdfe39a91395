/** Time that stands still until a test moves it. */
import { type Clock, systemClock, type Timer } from '../../src/lib/clock.ts';

/** ms. A timer of Node fires at once for more. */
const longest = 2 ** 31 - 1;

/**
 * Real time for what is done several times a second, and a hundred times as long for what takes half a second or more, as the shortest
 * hedge does: on a busy machine the program then gives nothing up that is only slow.
 */
export const patientClock: Clock = {
  ...systemClock,
  after: (ms, run) => systemClock.after(ms < 500 ? ms : Math.min(ms * 100, longest), run),
};

export interface ManualClock extends Clock {
  /**
   * Moves time on by `ms`. Timers that come due run in the order of their times, at their times, each after what the one before
   * it set off has settled; timers that they set run too when they are due within `ms`.
   */
  advance(ms: number): Promise<void>;
  /** Sets the clock of the machine, ms since the epoch. No time passes. */
  set(now: number): void;
  /** Resolves when a timer is waiting: any, or one that is due in exactly `ms` from now. */
  armed(ms?: number): Promise<void>;
  /** Milliseconds until each waiting timer, the earliest first. */
  readonly pending: readonly number[];
}

interface WaitingTimer {
  readonly due: number;
  readonly run: () => void;
}

/** `start`: milliseconds since the epoch. */
export function createManualClock(start: number = Date.UTC(2026, 0, 1)): ManualClock {
  let elapsed = 0;
  let epoch = start;
  /** In the order of creation. */
  const timers = new Set<WaitingTimer>();
  const waiters = new Set<() => void>();

  function earliest(): WaitingTimer | undefined {
    let first: WaitingTimer | undefined;
    for (const timer of timers) if (!first || timer.due < first.due) first = timer;
    return first;
  }

  const clock: ManualClock = {
    now: () => epoch + elapsed,
    monotonic: () => elapsed,
    after(ms: number, run: () => void): Timer {
      const timer = { due: elapsed + Math.max(0, ms), run };
      timers.add(timer);
      for (const waiter of [...waiters]) waiter();
      return { cancel: () => timers.delete(timer) };
    },
    async advance(ms) {
      const end = elapsed + ms;
      await settle();
      for (let next = earliest(); next && next.due <= end; next = earliest()) {
        elapsed = Math.max(elapsed, next.due);
        timers.delete(next);
        next.run();
        await settle();
      }
      elapsed = end;
    },
    set(now) {
      epoch = now - elapsed;
    },
    armed(ms) {
      const isArmed = () => clock.pending.some((left) => ms === undefined || left === ms);
      if (isArmed()) return Promise.resolve();
      return new Promise((resolve) => {
        const waiter = () => {
          if (!isArmed()) return;
          waiters.delete(waiter);
          resolve();
        };
        waiters.add(waiter);
      });
    },
    get pending() {
      return [...timers].map((timer) => timer.due - elapsed).sort((a, b) => a - b);
    },
  };
  return clock;
}

/** Lets promises that are ready run to their end: two turns of the event loop, with all microtasks in between. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 2; turn++) await new Promise((resolve) => setImmediate(resolve));
}
