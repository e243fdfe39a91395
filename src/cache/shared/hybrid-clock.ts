/**
 * A hybrid logical clock (Kulkarni and others, 2014): its stamps follow the time of the machine, and never run backwards. A stamp is
 * later than each one that this replica has given or seen, so what is changed later here counts later everywhere, also where the time
 * of a machine is wrong or is set back.
 *
 * A stamp is a number: milliseconds since the epoch times 1024, plus a count for stamps of one millisecond. The log lets no stamp be
 * more than `mostAhead` ahead of the time of its server, so a machine with a clock in the future wins for a minute, not for a year.
 */
import type { Clock } from '../../lib/clock.ts';

export interface HybridClock {
  /** A stamp later than all before. */
  next(): number;
  /** Stamps from here on are later than this one. */
  saw(stamp: number): void;
}

const perMillisecond = 1024;

/** ms that a stamp may be ahead of the time of the log. */
export const mostAhead = 60_000;

/** The first stamp of a time (epoch ms). */
export function stampOf(ms: number): number {
  return Math.max(0, Math.floor(ms)) * perMillisecond;
}

/** Epoch ms of a stamp. */
export function timeOf(stamp: number): number {
  return Math.floor(stamp / perMillisecond);
}

/** `last`: the latest stamp that is known from an earlier run. */
export function createHybridClock(clock: Pick<Clock, 'now'>, last = 0): HybridClock {
  return {
    next() {
      last = Math.max(last + 1, stampOf(clock.now()));
      return last;
    },
    saw(stamp) {
      last = Math.max(last, stamp);
    },
  };
}
