/** How long work waits after it has failed: twice as long with each failure in a row, up to a bound. */

/** ms. */
export interface BackoffBounds {
  /** After the first failure. */
  readonly first: number;
  readonly most: number;
}

/** ms to wait after `failures` (1 or more) in a row. */
export function backoff(failures: number, { first, most }: BackoffBounds): number {
  return Math.min(most, first * 2 ** (failures - 1));
}

/**
 * A random part of `backoff`, from nothing to all of it ("full jitter"): for what often fails in great numbers for one cause.
 * `random` gives 0 or more and less than 1.
 */
export function scatteredBackoff(failures: number, random: () => number, bounds: BackoffBounds): number {
  return Math.round(random() * backoff(failures, bounds));
}
