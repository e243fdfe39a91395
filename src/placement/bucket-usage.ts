/** What the index knows of each bucket, for people. */
import type { PlacementStore } from '../cache/index/placements/placement-store.ts';
import type { Bucket } from './bucket.ts';

export interface BucketUsage {
  readonly store: string;
  /** Contents that are there, and their bytes. */
  readonly placed: Amount;
  /** Contents that are to be uploaded, or looked at. */
  readonly waiting: Amount;
  /** Uploads wait, since the last one failed. */
  readonly failing: boolean;
}

export interface Amount {
  readonly contents: number;
  readonly bytes: number;
}

/** Nearest first. Rejects when the index cannot be read. */
export async function usageOfBuckets(
  buckets: readonly Bucket[],
  placements: Pick<PlacementStore, 'counts'>,
): Promise<readonly BucketUsage[]> {
  const counts = await placements.counts();
  return buckets.map((bucket) => {
    const ofState = (...states: readonly string[]): Amount => {
      const its = counts.filter(({ store, state }) => store === bucket.name && states.includes(state));
      return {
        contents: its.reduce((sum, { contents }) => sum + contents, 0),
        bytes: its.reduce((sum, { bytes }) => sum + bytes, 0),
      };
    };
    return {
      store: bucket.name,
      placed: ofState('placed'),
      waiting: ofState('wanted', 'doubted'),
      failing: bucket.pausedFor() > 0,
    };
  });
}
