/** When a job that did not succeed runs again: full jitter, as many jobs often fail for one and the same cause. */

/** ms that the first wait lasts at most, and that any wait lasts at most. */
export interface BackoffBounds {
  readonly first: number;
  readonly most: number;
}

const ofJobs: BackoffBounds = { first: 15_000, most: 60 * 60_000 };

/**
 * ms to wait after `failures` (1 or more) tries in a row that failed: for jobs a random part of 15 s, of 30 s, of a minute, and so on up
 * to an hour. `random` gives 0 or more and less than 1.
 */
export function backoff(
  failures: number,
  random: () => number,
  { first, most }: BackoffBounds = ofJobs,
): number {
  return Math.round(random() * Math.min(most, first * 2 ** Math.min(failures - 1, 30)));
}
