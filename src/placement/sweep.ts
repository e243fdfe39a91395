/**
 * Removes from buckets what is not needed there: by a job (`sweep-job.ts`) and for `entrepot gc`, never on the way of a request. It lists
 * the bucket, and touches only keys that are those of contents.
 *
 *   sweep_after   what no image can be served by any more goes. It stays while the index knows its digest (it is stored here, an image
 *                 links it, or a manifest lists it), and so long after its object was written, after this server has placed it, and after
 *                 its last link was taken away or any replica has used it
 *   max_size      of what is left, the least recently used goes (`trim.ts`)
 *
 * What other replicas need must be known (`shared-bucket.ts`). Where it is not, nothing is removed, and the reason is told.
 */
import type { PlacementStore } from '../cache/index/placements/placement-store.ts';
import { Unavailable } from '../cache/shared/unavailable.ts';
import type { StoreSweep } from '../config/store-config.ts';
import type { Clock } from '../lib/clock.ts';
import { reasonOf } from '../lib/thrown.ts';
import type { Digest } from '../oci/digest.ts';
import { contentKey, digestOfKey } from '../stores/content-key.ts';
import { type ObjectInfo, StoreError } from '../stores/object-store.ts';
import type { Bucket } from './bucket.ts';
import type { SharedBucket } from './shared-bucket.ts';
import { type Candidate, createTrim, type Trim } from './trim.ts';

export interface SweptBucket {
  readonly store: string;
  readonly removed: number;
  readonly bytes: number;
  /** Objects with keys of another form: left alone. */
  readonly foreign: number;
  /** Bytes above `max_size` that stay: they are hosted, pinned, or young. */
  readonly over?: number;
  /** Why nothing, or not all, was looked at. */
  readonly refused?: string;
}

export interface SweepDeps {
  readonly buckets: readonly Bucket[];
  readonly placements: Pick<PlacementStore, 'standing' | 'forget' | 'skip' | 'repair'>;
  readonly clock: Clock;
  /** Why what other replicas need cannot be known, whatever happens; undefined: it can be. */
  readonly never: string | undefined;
  /** Undefined where no other replica needs anything. */
  readonly shared: Pick<SharedBucket, 'unsure' | 'usesOf'> | undefined;
  readonly stop: AbortSignal;
}

export interface Sweep {
  /** Each bucket from which anything may be removed. */
  all(): Promise<readonly SweptBucket[]>;
  /** One of them; undefined where it is none. Rejects with the reason of the signal, too. */
  one(store: string, signal: AbortSignal): Promise<SweptBucket | undefined>;
}

interface Swept {
  removed: number;
  bytes: number;
  foreign: number;
}

interface Run {
  readonly bucket: Bucket;
  readonly settings: StoreSweep;
  readonly swept: Swept;
  readonly trim: Trim;
  readonly signal: AbortSignal;
  /** What other replicas need is known, and was at most so many ms ago. Rejects with `Unavailable` where it is not. */
  readonly known: (age: number) => Promise<void>;
}

/** ms for which others are not asked again. A store that is slow takes minutes for one page. */
const knownFor = 10_000;
const nothing: ReadonlyMap<Digest, number> = new Map();

/** Both functions reject when the index cannot be read or written. */
export function createSweep(deps: SweepDeps): Sweep {
  const { placements, clock, shared } = deps;

  function createKnown(): Run['known'] {
    let knownAt = Number.NEGATIVE_INFINITY;
    return async (age) => {
      const now = clock.monotonic();
      if (now - knownAt < age) return;
      const reason = deps.never ?? (await shared?.unsure());
      if (reason !== undefined) throw new Unavailable(reason);
      knownAt = now;
    };
  }

  async function sweep(bucket: Bucket, signal: AbortSignal): Promise<SweptBucket | undefined> {
    const settings = bucket.settings.sweep;
    if (!settings) return undefined;
    const { name: store } = bucket;
    const swept = { removed: 0, bytes: 0, foreign: 0 };
    const trim = createTrim(settings.maxSize, clock.now());
    try {
      await sweepPages({ bucket, settings, swept, trim, signal, known: createKnown() });
      const over = Math.max(0, trim.excess());
      return { store, ...swept, ...(over > 0 && { over }) };
    } catch (error) {
      if (!(error instanceof StoreError || error instanceof Unavailable)) throw error;
      return { store, ...swept, refused: reasonOf(error) };
    }
  }

  async function sweepPages(run: Run): Promise<void> {
    const { bucket, signal } = run;
    let from: string | undefined;
    do {
      await run.known(0);
      const page = await bucket.store.list('', from, signal);
      await sweepPage(run, page.objects);
      from = page.next;
    } while (from !== undefined);
    for (const digest of run.trim.oldest()) {
      if (run.trim.excess() <= 0) break;
      await removeUsed(run, digest);
    }
  }

  async function sweepPage(
    run: Run,
    objects: readonly (ObjectInfo & { readonly key: string })[],
  ): Promise<void> {
    const { bucket, settings, swept, trim, signal, known } = run;
    const found = objects.flatMap((object) => {
      const digest = digestOfKey(object.key);
      return digest ? [{ ...object, digest }] : [];
    });
    swept.foreign += objects.length - found.length;
    const others = (await shared?.usesOf(found.map(({ digest }) => digest))) ?? nothing;
    const since = clock.now() - (settings.after ?? 0);
    for (const { digest, size, modified } of found) {
      signal.throwIfAborted();
      await known(knownFor);
      const place = { digest, store: bucket.name };
      const standing = await placements.standing(place, since);
      const used = Math.max(standing.used, others.get(digest) ?? 0);
      const isOld = modified <= since && used <= since;
      if (settings.after !== undefined && isOld && !standing.isNeeded) {
        await bucket.store.delete(contentKey(digest), signal);
        // A push may have found the object a moment ago.
        if ((await placements.standing(place, since)).isNeeded) {
          await placements.repair(place, 'wanted', size, clock.now());
        } else {
          await placements.forget(place);
          count(swept, size);
        }
      } else {
        trim.met(digest, { size, modified, used, isKept: standing.isKept });
      }
    }
  }

  /** Of what may be used, the least recently used. */
  async function removeUsed({ bucket, swept, trim, signal, known }: Run, { digest, size, used }: Candidate) {
    await known(knownFor);
    const place = { digest, store: bucket.name };
    const before = await placements.standing(place, 0);
    if (before.isKept || before.used > used) return;
    await bucket.store.delete(contentKey(digest), signal);
    trim.gone(size);
    const { isKept, isStored } = await placements.standing(place, 0);
    if (isKept) return placements.repair(place, 'wanted', size, clock.now());
    // What is on the disk as well is not uploaded again.
    await (isStored ? placements.skip(place, clock.now()) : placements.forget(place));
    count(swept, size);
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

function count(swept: Swept, size: number): void {
  swept.removed += 1;
  swept.bytes += size;
}
