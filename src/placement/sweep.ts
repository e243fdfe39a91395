/**
 * Removes from buckets what no image can be served by any more: for `entrepot gc`, never on the way of a request. It lists the bucket, and
 * touches only keys that are those of contents. An object stays
 *
 *   - while the index knows its digest: it is stored here, an image links it, or a manifest lists it
 *   - until it is older than `sweep_after`, by the clock of the bucket, and so long after this server has placed it
 *
 * What other replicas need must be among what the index knows. Where that is not so, nothing is removed, and the reason is told.
 */
import type { PlacementStore } from '../cache/index/placements/placement-store.ts';
import type { Clock } from '../lib/clock.ts';
import { reasonOf } from '../lib/thrown.ts';
import type { Digest } from '../oci/digest.ts';
import { contentKey, digestOfKey } from '../stores/content-key.ts';
import { type ObjectInfo, StoreError } from '../stores/object-store.ts';
import type { Bucket } from './bucket.ts';

export interface SweptBucket {
  readonly store: string;
  readonly removed: number;
  readonly bytes: number;
  /** Objects with keys of another form: left alone. */
  readonly foreign: number;
  /** Why nothing, or not all, was looked at. */
  readonly refused?: string;
}

export interface SweepDeps {
  readonly buckets: readonly Bucket[];
  readonly placements: Pick<PlacementStore, 'isNeeded' | 'forget' | 'repair'>;
  readonly clock: Clock;
  /** Why what other replicas need cannot be known; undefined: it is known, or there are none. */
  readonly unsure: () => string | undefined;
  readonly stop: AbortSignal;
}

/** Buckets with `sweep_after`. Rejects when the index cannot be read or written. */
export function createSweep(deps: SweepDeps): () => Promise<readonly SweptBucket[]> {
  const { placements, clock, stop } = deps;

  async function sweepOne(bucket: Bucket, keep: number): Promise<SweptBucket> {
    const swept = { store: bucket.name, removed: 0, bytes: 0, foreign: 0 };
    try {
      for (let from: string | undefined, isFirst = true; isFirst || from !== undefined; isFirst = false) {
        const page = await bucket.store.list('', from, stop);
        for (const object of page.objects) {
          const digest = digestOfKey(object.key);
          if (!digest) swept.foreign += 1;
          else if (await removes(bucket, digest, object, keep)) {
            swept.removed += 1;
            swept.bytes += object.size;
          }
        }
        from = page.next;
      }
      return swept;
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      return { ...swept, refused: reasonOf(error) };
    }
  }

  async function removes(
    { name: store, store: objects }: Bucket,
    digest: Digest,
    { modified, size }: ObjectInfo,
    keep: number,
  ): Promise<boolean> {
    const since = clock.now() - keep;
    if (modified > since || (await placements.isNeeded({ digest, store }, since))) return false;
    await objects.delete(contentKey(digest), stop);
    // A push may have found the object a moment ago.
    if (await placements.isNeeded({ digest, store }, since)) {
      await placements.repair({ digest, store }, 'wanted', size, clock.now());
      return false;
    }
    await placements.forget({ digest, store });
    return true;
  }

  return async () => {
    const swept: SweptBucket[] = [];
    for (const bucket of deps.buckets) {
      const { sweepAfter } = bucket.settings;
      if (sweepAfter === undefined) continue;
      const refused = deps.unsure();
      swept.push(
        refused === undefined
          ? await sweepOne(bucket, sweepAfter)
          : { store: bucket.name, removed: 0, bytes: 0, foreign: 0, refused },
      );
    }
    return swept;
  };
}
