/**
 * Keeps the cache within `max_size`, its quotas, and the disk. Transfers in flight reserve their bytes. Space for them is freed by
 * eviction: a few milliseconds at once, the rest in the background.
 */
import { setImmediate as turn } from 'node:timers/promises';
import type { Clock } from '../../lib/clock.ts';
import { KeyedLock } from '../../lib/flow/keyed-lock.ts';
import type { Cache, Reservation } from '../cache.ts';
import type { Inventory } from '../index/inventory.ts';
import { BackgroundCheck } from './background-check.ts';
import type { Eviction, Progress, Search } from './eviction.ts';
import { FreeSpace } from './free-space.ts';
import type { PartialDownloads } from './partial-downloads.ts';
import { createQuotaSearches } from './quota-searches.ts';
import type { Quota, Quotas } from './quotas.ts';

export interface CapacityDeps {
  readonly clock: Clock;
  readonly inventory: Pick<Inventory, 'totals' | 'keptBytes'>;
  readonly eviction: Pick<Eviction, 'slice'>;
  readonly quotas: Quotas;
  readonly partialDownloads: Pick<PartialDownloads, 'bytes'>;
  /** Those in force now. */
  readonly limits: () => CapacityLimits;
  /** Bytes that are free on the disk. */
  readonly free: () => number;
  /** Bytes of evicted files that are still to be removed. */
  readonly leaving: () => number;
  /** Waited for between two slices of a search, so that the index can keep up with what is written. */
  readonly pace: () => Promise<void>;
  readonly onError: (error: unknown) => void;
  /** So many bytes for these images were refused: for want of this quota, or of the whole cache. */
  readonly onFull: (bytes: number, quota: string | undefined, images: readonly string[]) => void;
}

export interface CapacityLimits {
  readonly maxSize: number | undefined;
  readonly minFree: number;
}

export interface Capacity {
  /** The most bytes that these images can have in the cache by its settings, whatever is stored now. */
  most(images: readonly string[]): number;
  reserve: Cache['reserve'];
  /** The quota of these images that has no room for so many bytes more, whatever eviction gives; undefined: none lacks it. */
  quotaWithoutRoom(bytes: number, images: readonly string[]): Promise<string | undefined>;
  /** Looks whether something must go, and sees to it in the background. */
  check(): void;
  /** The same; resolves when it is done. */
  settled(): Promise<void>;
  /** Limits, quotas or pins are other ones now: looks again, at what was in vain before, too. */
  limitsChanged(): void;
  /** The file system had no room for a write. */
  refused(): void;
  /** For transfers in flight, and for what others have left. */
  readonly reserved: number;
  /** Starts no more; resolves when what was begun is over. */
  stop(): Promise<void>;
}

/** Starts nothing by itself. */
export function createCapacity(deps: CapacityDeps): Capacity {
  const { inventory, eviction, quotas, partialDownloads, limits } = deps;
  const used = () => inventory.totals().bytes + partialDownloads.bytes;
  /** Hosted content that is in no bucket stays whatever comes. */
  const evictable = () => used() - inventory.keptBytes();
  const disk = new FreeSpace({ ...deps, evictable });
  const searches = createQuotaSearches(search);
  const background = new BackgroundCheck(keepWithin, deps.onError);
  const admissions = new KeyedLock();
  let reserved = 0;

  /** Bytes that must go before `more` can come; not above 0 if there is space. */
  function missing(more: number): number {
    const { maxSize, minFree } = limits();
    const inSize = maxSize === undefined ? 0 : used() + reserved + more - maxSize;
    return Math.max(disk.missing(more, minFree), inSize);
  }

  async function search(wanted: Omit<Search, 'freed'>): Promise<{ progress: Progress; state: Search }> {
    const state: Search = { ...wanted, freed: 0 };
    let progress = await eviction.slice(state);
    while (progress === 'paused' && !background.isStopped) {
      await turn();
      await deps.pace();
      progress = await eviction.slice(state);
    }
    disk.freed(state.freed);
    return { progress, state };
  }

  async function keepWithin(): Promise<void> {
    const needed = missing(0);
    if (needed > 0) await search({ needed, after: undefined });
    for (const quota of quotas.exceeded()) if (await searches.keep(quota)) background.start();
  }

  async function makeRoom(bytes: number): Promise<boolean> {
    const needed = missing(bytes);
    if (needed <= 0) return true;
    if (needed > evictable()) return false;
    const state: Search = { needed, allOrNothing: true, freed: 0, after: undefined };
    const progress = await eviction.slice(state);
    disk.freed(state.freed);
    if (progress === 'paused') background.start();
    if (progress === 'exhausted') return false;
    disk.settled();
    return true;
  }

  async function admit(
    bytes: number,
    images: readonly string[],
    charged: readonly Quota[],
  ): Promise<boolean> {
    try {
      if ((await fullQuota(deps, charged, bytes, images)) !== undefined) return false;
      const isThere = await makeRoom(bytes);
      if (!isThere) deps.onFull(bytes, undefined, images);
      return isThere;
    } catch (error) {
      // An index that cannot be written frees no space; what is stored can be served all the same.
      deps.onError(error);
      return false;
    }
  }

  async function reserve(
    bytes: number,
    images: readonly string[],
    written: () => number,
  ): Promise<Reservation | undefined> {
    const charged = quotas.of(images);
    if (!(await admit(bytes, images, charged))) return undefined;
    const take = (more: number) => {
      reserved += more;
      for (const quota of charged) quota.reserved += more;
    };
    take(bytes);
    const end = disk.take(bytes, written);
    return {
      release() {
        if (end()) take(-bytes);
      },
    };
  }

  return {
    most: (images) =>
      Math.min(
        limits().maxSize ?? Number.POSITIVE_INFINITY,
        ...quotas.of(images).map(({ maxSize }) => maxSize),
      ),
    // One after the other: what was freed for one must not be taken by another.
    reserve: (bytes, images = [], written = () => 0) =>
      admissions.run('', () => reserve(bytes, images, written)),
    quotaWithoutRoom: (bytes, images) =>
      admissions.run('', () => fullQuota(deps, quotas.of(images), bytes, images)),
    check: () => background.start(),
    refused: () => disk.refused(),
    settled: () => background.settled(),
    limitsChanged() {
      searches.forget();
      background.start();
    },
    get reserved() {
      return reserved + partialDownloads.bytes;
    },
    stop: () => background.stop(),
  };
}

/** The first of `charged` that has no room after what eviction can give. */
async function fullQuota(
  { eviction, onFull }: CapacityDeps,
  charged: readonly Quota[],
  bytes: number,
  images: readonly string[],
): Promise<string | undefined> {
  for (const quota of charged) {
    const needed = quota.bytes + quota.reserved + bytes - quota.maxSize;
    if (needed <= 0) continue;
    const search = { quota, needed, allOrNothing: true, freed: 0, after: undefined };
    if (needed <= quota.bytes && (await eviction.slice(search)) !== 'exhausted') continue;
    onFull(bytes, quota.match, images);
    return quota.match;
  }
  return undefined;
}
