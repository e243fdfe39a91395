/**
 * Removes from buckets what no image can be served by any more: by a job (`sweep-job.ts`) and for `entrepot gc`, never on the way of a
 * request. It lists the bucket, and touches only keys that are those of contents. An object stays
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

export interface Sweep {
  /** Each bucket from which anything may be removed. */
  all(): Promise<readonly SweptBucket[]>;
  /** One of them; undefined where it is none. Rejects with the reason of the signal, too. */
  one(store: string, signal: AbortSignal): Promise<SweptBucket | undefined>;
}

/** Both functions reject when the index cannot be read or written. */
export function createSweep(deps: SweepDeps): Sweep {
  const { placements, clock } = deps;

  async function sweep(
    { name, store, settings }: Bucket,
    signal: AbortSignal,
  ): Promise<SweptBucket | undefined> {
    const after = settings.sweep?.after;
    if (after === undefined) return undefined;
    const swept = { store: name, removed: 0, bytes: 0, foreign: 0 };
    const refused = deps.unsure();
    if (refused !== undefined) return { ...swept, refused };
    try {
      for (let from: string | undefined, isFirst = true; isFirst || from !== undefined; isFirst = false) {
        const page = await store.list('', from, signal);
        for (const object of page.objects) {
          const digest = digestOfKey(object.key);
          if (!digest) swept.foreign += 1;
          else if (await removes({ name, store, after }, digest, object, signal)) {
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
    { name: store, store: objects, after }: Pick<Bucket, 'name' | 'store'> & { readonly after: number },
    digest: Digest,
    { modified, size }: ObjectInfo,
    signal: AbortSignal,
  ): Promise<boolean> {
    const since = clock.now() - after;
    if (modified > since || (await placements.isNeeded({ digest, store }, since))) return false;
    await objects.delete(contentKey(digest), signal);
    // A push may have found the object a moment ago.
    if (await placements.isNeeded({ digest, store }, since)) {
      await placements.repair({ digest, store }, 'wanted', size, clock.now());
      return false;
    }
    await placements.forget({ digest, store });
    return true;
  }

  return {
    async all() {
      const swept: SweptBucket[] = [];
      for (const bucket of deps.buckets) swept.push(...[(await sweep(bucket, deps.stop)) ?? []].flat());
      return swept;
    },
    async one(store, signal) {
      const bucket = deps.buckets.find(({ name }) => name === store);
      return bucket && sweep(bucket, AbortSignal.any([signal, deps.stop]));
    },
  };
}
