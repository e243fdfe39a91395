/**
 * Keeps work to a rate. What was taken is paid for by waiting before the next: so the first is had at once, and in any
 * time no more than the rate allows and one piece beyond it.
 */
import type { Clock } from '../clock.ts';
import { pause } from './pause.ts';

export interface Pace {
  /** Resolves when so much more may be done, or at once when the signal is aborted. */
  take(amount: number): Promise<void>;
}

/** Less than this many ms is not waited for but added up: timers are no finer, and small pieces come by the thousand. */
const grain = 5;

/** `perSecond` undefined: no bound. */
export function createPace(
  clock: Clock,
  options: { readonly perSecond: number | undefined; readonly signal: AbortSignal },
): Pace {
  const { perSecond, signal } = options;
  let due = clock.monotonic();

  return {
    async take(amount) {
      if (perSecond === undefined || signal.aborted) return;
      const ms = due - clock.monotonic();
      if (ms >= grain) await pause(clock, ms, signal);
      due = Math.max(due, clock.monotonic()) + (amount / perSecond) * 1000;
    },
  };
}
