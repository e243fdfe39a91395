/**
 * Keeps work to a rate. Each piece is paid for by a wait before the next one: the first piece starts at once, and any period sees at
 * most what the rate allows plus one piece.
 */
import type { Clock } from '../clock.ts';
import { pause } from './pause.ts';

export interface Pace {
  /** Resolves when `amount` more may be done, or as soon as the signal is aborted. */
  take(amount: number): Promise<void>;
}

/** Waits of fewer ms are added up: timers are no finer, and small pieces come by the thousand. */
const grain = 5;

/** `perSecond`: units of `amount` in a second; undefined for no bound. */
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
