/**
 * Keeps the cache within `max_size`, its quotas, and the disk. Transfers in flight reserve their bytes; room is
 * made for them by eviction, a few milliseconds at once and the rest in the background.
 *
 * A file system may refuse a write though it has free bytes: there are no inodes, or a quota of the system is used up. From
 * then on it counts as full for a minute: as many bytes are evicted as come, and with the first of them a little more. A cache
 * with nothing to evict tries again at once.
 */
import { setImmediate as turn } from 'node:timers/promises';
import type { Clock } from '../../lib/clock.ts';
import { KeyedLock } from '../../lib/flow/keyed-lock.ts';
import type { Cache, Reservation } from '../cache.ts';
import type { Position } from '../index/eviction-order.ts';
import type { Inventory } from '../index/inventory.ts';
import type { Eviction, Progress, Search } from './eviction.ts';
import type { Leftovers } from './partial-downloads.ts';
import type { Quota, Quotas } from './quotas.ts';

export interface RoomDeps {
  readonly clock: Clock;
  readonly inventory: Pick<Inventory, 'totals'>;
  readonly eviction: Eviction;
  readonly quotas: Quotas;
  readonly leftovers: Pick<Leftovers, 'bytes'>;
  /** Those in force now. */
  readonly limits: () => RoomLimits;
  /** Bytes that are free on the disk. */
  readonly free: () => number;
  /** Bytes of evicted files that are still to be removed. */
  readonly leaving: () => number;
  readonly onError: (error: unknown) => void;
  /** So many bytes were refused: for want of this quota, or of the whole cache. */
  readonly onFull: (bytes: number, quota: string | undefined) => void;
}

export interface RoomLimits {
  readonly maxSize: number | undefined;
  readonly minFree: number;
}

export interface Room {
  reserve: Cache['reserve'];
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

/** A quota that is full is emptied a little further, so that not every blob starts a search. */
const quotaSlack = 0.05;
/** ms for which a refused write counts. */
const refusalTime = 60_000;
/** Share of the cache that goes after a refused write: it was refused for something that bytes do not tell. */
const refusalShare = 0.01;

export function createRoom(deps: RoomDeps): Room {
  const { inventory, eviction, quotas, leftovers } = deps;
  const searches = new Map<Quota, { after: Position | undefined; hopeless: number }>();
  /** For each reservation, the bytes that are still to come. */
  const coming = new Set<() => number>();
  const admissions = new KeyedLock();
  let reserved = 0;
  let running: Promise<void> | undefined;
  let isDue = false;
  let isStopped = false;
  /** Monotonic. */
  let fullUntil = Number.NEGATIVE_INFINITY;
  /** Bytes that were evicted since the refused write, and that nothing has taken yet. */
  let credit = 0;
  /** Bytes that must go in addition before the first ones come after a refused write. */
  let owed = 0;

  const used = () => inventory.totals().bytes + leftovers.bytes;

  /** Bytes that must go before `more` can come; not above 0 where there is room. */
  function missing(more: number): number {
    const { maxSize, minFree } = deps.limits();
    const onDisk = isFull() ? more - credit + (more > 0 ? owed : 0) : missingOnDisk(more, minFree);
    const inSize = maxSize === undefined ? 0 : used() + reserved + more - maxSize;
    return Math.max(onDisk, inSize);
  }

  const isFull = () => deps.clock.monotonic() < fullUntil && used() > 0;

  function missingOnDisk(more: number, minFree: number): number {
    let missing = more + minFree - deps.free() - deps.leaving();
    for (const left of coming) missing += left();
    return missing;
  }

  async function search(wanted: Omit<Search, 'freed'>): Promise<{ progress: Progress; state: Search }> {
    const state: Search = { ...wanted, freed: 0 };
    let progress = await eviction.slice(state);
    while (progress === 'paused' && !isStopped) {
      await turn();
      progress = await eviction.slice(state);
    }
    credit += state.freed;
    return { progress, state };
  }

  /**
   * A quota's own are few among many: a search goes on where the last one ended, and where even one from the start
   * did not free enough, there is none until the quota has grown.
   */
  async function keepQuota(quota: Quota): Promise<void> {
    const past = searches.get(quota);
    if (past && quota.bytes <= past.hopeless) return;
    const needed = quota.bytes - quota.maxSize * (1 - quotaSlack);
    const { progress, state } = await search({ quota, needed, after: past?.after });
    if (progress === 'enough') {
      searches.set(quota, { after: state.after, hopeless: 0 });
    } else if (past?.after) {
      searches.delete(quota);
      isDue = true;
    } else {
      searches.set(quota, { after: undefined, hopeless: quota.bytes });
    }
  }

  async function run(): Promise<void> {
    while (isDue && !isStopped) {
      isDue = false;
      const needed = missing(0);
      if (needed > 0) await search({ needed, after: undefined });
      for (const quota of quotas.exceeded()) await keepQuota(quota);
    }
  }

  function check(): void {
    isDue = true;
    running ??= turn()
      .then(run)
      .catch(deps.onError)
      .finally(() => {
        running = undefined;
        if (isDue && !isStopped) check();
      });
  }

  async function makeRoom(bytes: number): Promise<boolean> {
    const needed = missing(bytes);
    if (needed <= 0) return true;
    if (needed > used()) return false;
    const state: Search = { needed, allOrNothing: true, freed: 0, after: undefined };
    const progress = await eviction.slice(state);
    credit += state.freed;
    if (progress === 'paused') check();
    if (progress === 'exhausted') return false;
    owed = 0;
    return true;
  }

  async function makeRoomIn(quota: Quota, bytes: number): Promise<boolean> {
    const needed = quota.bytes + quota.reserved + bytes - quota.maxSize;
    if (needed <= 0) return true;
    if (needed > quota.bytes) return false;
    const search = { quota, needed, allOrNothing: true, freed: 0, after: undefined };
    return (await eviction.slice(search)) !== 'exhausted';
  }

  async function admit(bytes: number, charged: readonly Quota[]): Promise<boolean> {
    try {
      for (const quota of charged) {
        if (await makeRoomIn(quota, bytes)) continue;
        deps.onFull(bytes, quota.match);
        return false;
      }
      const isThere = await makeRoom(bytes);
      if (!isThere) deps.onFull(bytes, undefined);
      return isThere;
    } catch (error) {
      // An index that cannot be written gives no room; what is here can be served all the same.
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
    if (!(await admit(bytes, charged))) return undefined;
    const take = (more: number) => {
      reserved += more;
      for (const quota of charged) quota.reserved += more;
    };
    take(bytes);
    credit = Math.max(0, credit - bytes);
    const left = () => bytes - written();
    coming.add(left);
    return {
      release() {
        if (coming.delete(left)) take(-bytes);
      },
    };
  }

  return {
    // One after the other: what was freed for one must not be taken by another.
    reserve: (bytes, images = [], written = () => 0) =>
      admissions.run('', () => reserve(bytes, images, written)),
    check,
    refused() {
      fullUntil = deps.clock.monotonic() + refusalTime;
      credit = 0;
      owed = used() * refusalShare;
    },
    async settled() {
      check();
      while (running) await running;
    },
    limitsChanged() {
      searches.clear();
      check();
    },
    get reserved() {
      return reserved + leftovers.bytes;
    },
    async stop() {
      isStopped = true;
      await running;
    },
  };
}
