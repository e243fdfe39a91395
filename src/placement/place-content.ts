/**
 * What one placement needs:
 *
 *   wanted ... a copy: the file that is here, verified; else the object of another bucket, hashed on the way
 *   placed ... a look for what another replica may have removed, once the others know that it is needed here
 *   doubted .. a look: the object is read and hashed. If it is wrong, it is replaced once there is a right copy
 *
 * Where no copy is left anywhere there is nothing to do: the placement is forgotten. A wrong object is looked at again before that, since
 * what a reader then fetched from an endpoint is not stored yet, and it is removed, so that it does not stand for what comes later. An
 * object of hosted content stays: it may be right, and wrong on the way.
 */
import type { Copies } from '../cache/copies.ts';
import type { Placement, PlacementStore } from '../cache/index/placements/placement-store.ts';
import type { Clock } from '../lib/clock.ts';
import { backoff } from '../lib/flow/backoff.ts';
import type { Pace } from '../lib/flow/pace.ts';
import { reasonOf, systemCode } from '../lib/thrown.ts';
import { contentKey } from '../stores/content-key.ts';
import { type ObjectSource, StoreError } from '../stores/object-store.ts';
import type { Log } from '../telemetry/log.ts';
import type { Bucket } from './bucket.ts';
import type { PutContent } from './put-content.ts';
import type { QueueDeps } from './queue.ts';
import type { Stage, Staged } from './stage.ts';

export interface PlaceContentDeps {
  /** Nearest first. */
  readonly buckets: readonly Bucket[];
  readonly placements: PlacementStore;
  readonly copies: Copies;
  readonly stage: Stage;
  readonly put: PutContent;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Pick<Log, 'info' | 'warn' | 'error'>;
  /** Why other replicas may not know what this one needs. */
  readonly untold: () => Promise<string | undefined>;
  /** Of uploads to the bucket. */
  readonly paceOf: (bucket: Bucket) => Pace;
  readonly stop: AbortSignal;
}

const waits = { first: 5_000, most: 3_600_000 };
/** At a wrong object of cached content without a right copy, before it is removed. */
const looks = 3;

/** A verified copy of a content. */
type Source = ObjectSource & { close(): void | Promise<void> };

/** The function rejects when the index cannot be read or written. */
export function createPlaceContent(deps: PlaceContentDeps): QueueDeps['place'] {
  const { placements, copies, stage, put, clock, log, stop } = deps;

  async function place(bucket: Bucket, placement: Placement): Promise<void> {
    const { digest } = placement;
    if (placement.state === 'placed') return lookFor(bucket, placement);
    if (!bucket.isFor(await copies.imagesOf(digest))) return placements.skip(placement, clock.now());
    const isDoubted = placement.state === 'doubted';
    let isWrong = false;
    if (isDoubted) {
      const own = await stage.bring(bucket, digest, stop);
      if (own === 'noRoom') throw new StoreError('unreachable', 'there is no room to look at the object');
      if (typeof own === 'object') {
        await own.close();
        return placements.placed(placement, own.size, clock.now());
      }
      isWrong = own === 'wrong';
    }
    const source = await copyOf(bucket, placement);
    if (!source) return nowhere(bucket, placement, isWrong);
    try {
      await deps.paceOf(bucket).take(source.size);
      await put(bucket, digest, source);
      if (isDoubted)
        log.info({ event: 'placement.replaced', digest, store: bucket.name }, 'a wrong object was replaced');
    } finally {
      await source.close();
    }
  }

  async function lookFor({ store }: Bucket, placement: Placement): Promise<void> {
    const untold = await deps.untold();
    if (untold !== undefined) throw new StoreError('unreachable', untold);
    const found = await store.head(contentKey(placement.digest), stop);
    if (found) return placements.placed(placement, found.size, clock.now());
    const { digest, store: name } = placement;
    log.warn({ event: 'placement.missing', store: name, digest }, 'a content is not in the bucket any more');
    await placements.repair(placement, 'wanted', placement.size, clock.now());
  }

  async function copyOf(bucket: Bucket, { digest }: Placement): Promise<Source | undefined> {
    const here = await copies.open(digest);
    if (here) {
      let isRight = false;
      try {
        isRight = await here.verify(stop);
      } finally {
        if (!isRight) here.close();
      }
      if (isRight) return here;
    }
    const known = await placements.of(digest);
    const having = new Set(known.filter(({ state }) => state === 'placed').map(({ store }) => store));
    let failure: unknown;
    for (const other of deps.buckets) {
      if (other === bucket || !having.has(other.name)) continue;
      const brought = await bring(other, digest).catch((error: unknown) => {
        failure = error;
        return undefined;
      });
      if (brought) return brought;
    }
    if (failure !== undefined) throw failure;
    return undefined;
  }

  /** From another bucket. What it has not, or has wrong, is noted there. */
  async function bring(other: Bucket, digest: Placement['digest']): Promise<Staged | undefined> {
    const brought = await stage.bring(other, digest, stop);
    if (typeof brought === 'object') return brought;
    if (brought === 'noRoom') throw new StoreError('unreachable', 'there is no room for a copy on the way');
    const state = brought === 'absent' ? 'wanted' : 'doubted';
    await placements.repair({ digest, store: other.name }, state, 0, clock.now());
    return undefined;
  }

  async function nowhere(bucket: Bucket, placement: Placement, isWrong: boolean): Promise<void> {
    const { digest, store, tries } = placement;
    const isHosted = await copies.isHosted(digest);
    if (isHosted && tries === 0)
      log.error(
        { event: 'placement.nowhere', digest, store },
        'a hosted content is neither here nor in a bucket',
      );
    if (isWrong && (isHosted || tries < looks))
      throw new StoreError('invalid', 'its object is wrong, and there is no right copy');
    if (isWrong) await bucket.store.delete(contentKey(digest), stop);
    await placements.forget(placement);
  }

  return async (bucket, placement) => {
    try {
      await place(bucket, placement);
    } catch (error) {
      if (stop.aborted) return;
      // A failure of the index is told to the caller; of files and buckets, the next try may know better.
      if (!(error instanceof StoreError) && !/^E[A-Z]+$/.test(systemCode(error) ?? '')) throw error;
      const wait = backoff(placement.tries + 1, waits) * (1 + deps.random() / 4);
      const due = clock.now() + Math.round(wait);
      await placements.failed(placement, reasonOf(error), due);
    }
  };
}
