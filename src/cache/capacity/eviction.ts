/**
 * What goes when room is needed: the root that was used least lately (a manifest that no stored index lists, a
 * blob that no stored manifest lists), and with it what only it brought.
 *
 *   - A use of what only a root brought counts as a use of the root. It is found out when the turn of the root comes: it is
 *     then moved up to that time instead.
 *   - A pinned root is marked, and out of the order from then on, until a tag leaves it or the pins change.
 *   - What a transfer has left is as old as that, and goes in the same order.
 *   - A last use later than now, from a clock that was ahead, counts as long ago.
 *   - What is being read, or on its way in, stays. So does what a root brought if it is pinned, read, or was
 *     used later: it becomes a root itself.
 */
import type { Clock } from '../../lib/clock.ts';
import type { NamePattern } from '../../lib/name-patterns.ts';
import type { Digest } from '../../oci/digest.ts';
import type { Contents } from '../contents.ts';
import type { IndexStore, Root, RootPosition } from '../index/index-store.ts';
import type { Leftovers } from './partial-downloads.ts';
import type { Quota, Quotas } from './quotas.ts';

export interface EvictionDeps {
  readonly index: IndexStore;
  readonly clock: Clock;
  readonly quotas: Quotas;
  readonly leftovers: Pick<Leftovers, 'removeOldest'>;
  /** Last use that the index does not know yet, epoch ms. */
  readonly unwrittenUse: (digest: Digest) => number | undefined;
  readonly contents: Pick<Contents, 'isInUse' | 'evicted'>;
  /** Of names that are pinned now; undefined where none is. */
  readonly pins: () => NamePattern | undefined;
}

/** One search for room, which may take several slices. */
export interface Search {
  /** Bytes that are to be freed. */
  readonly needed: number;
  /** Only what is charged to this quota. */
  readonly quota?: Quota;
  /** If the first slice finds out that there is not enough to be had, nothing is evicted. */
  readonly allOrNothing?: boolean;
  freed: number;
  after: RootPosition | undefined;
}

export type Progress = 'enough' | 'exhausted' | 'paused';

/** What one slice works with; it is over at `deadline`. */
interface Slice {
  readonly search: Search;
  readonly deadline: number;
  readonly victims: Victim[];
  readonly pinned: Digest[];
}

interface Victim {
  readonly digest: Digest;
  readonly size: number;
  readonly charged: readonly Quota[];
}

/** Longest time that one slice keeps everything else waiting, ms. */
const sliceTime = 5;

export interface Eviction {
  slice(search: Search): Progress;
}

export function createEviction(deps: EvictionDeps): Eviction {
  const { index, clock, quotas, contents } = deps;

  const past = (time: number) => (time > clock.now() ? 0 : time);
  const lastUse = ({ digest, used }: Root) => Math.max(past(used), past(deps.unwrittenUse(digest) ?? 0));
  const isPinned = (digest: Digest) => {
    const pattern = deps.pins();
    return pattern !== undefined && index.namesOf(digest).some(pattern);
  };
  const isCharged = (digest: Digest, quota: Quota | undefined) =>
    quota === undefined || quotas.chargedTo(digest).includes(quota);

  /**
   * Evicts a root and what only it brought. After the deadline the rest of that is left behind, as the oldest
   * roots of all.
   */
  function evict(root: Root, { search, deadline, victims }: Slice): void {
    const stays = (orphan: Root) =>
      lastUse(orphan) > root.used ||
      contents.isInUse(orphan.digest) ||
      !isCharged(orphan.digest, search.quota) ||
      isPinned(orphan.digest);
    const going = [root];
    for (let next = going.pop(); next; next = going.pop()) {
      const { digest, size = 0 } = next;
      victims.push({ digest, size, charged: quotas.chargedTo(digest) });
      search.freed += size;
      for (const orphan of index.dropContent(digest)) if (!stays(orphan)) going.push(orphan);
      if (going.length > 0 && clock.monotonic() > deadline) {
        search.after = undefined;
        return;
      }
    }
  }

  function consider(root: Root, slice: Slice): void {
    const { digest, used } = root;
    slice.search.after = root;
    if (contents.isInUse(digest) || !isCharged(digest, slice.search.quota)) return;
    if (isPinned(digest)) {
      slice.pinned.push(digest);
      return;
    }
    const newest = Math.max(lastUse(root), index.newestUseBelow(root, clock.now()));
    if (newest > used) index.touch([[digest, newest]]);
    else evict(root, slice);
  }

  function work(slice: Slice): Progress {
    const { search, deadline } = slice;
    while (search.freed < search.needed) {
      if (clock.monotonic() > deadline) return 'paused';
      const root = index.oldest(search.after);
      // Nobody knows which quota it would count for.
      const left = search.quota ? 0 : deps.leftovers.removeOldest(root?.used ?? Number.POSITIVE_INFINITY);
      search.freed += left;
      if (left > 0) continue;
      if (!root) return 'exhausted';
      consider(root, slice);
    }
    return 'enough';
  }

  return {
    slice(search) {
      const slice: Slice = { search, deadline: clock.monotonic() + sliceTime, victims: [], pinned: [] };
      const { victims, pinned } = slice;
      const { freed, after } = search;
      const inVain = new Error('not enough can be evicted');
      let progress: Progress = 'enough';
      try {
        index.transaction(() => {
          // The index may do this a second time, after it has rolled the first one back.
          victims.length = 0;
          pinned.length = 0;
          Object.assign(search, { freed, after });
          if (search.after === undefined) index.agePastUses(clock.now());
          progress = work(slice);
          if (progress === 'exhausted' && search.allOrNothing) throw inVain;
        });
      } catch (error) {
        if (error !== inVain) throw error;
        victims.length = 0;
        search.freed = 0;
      }
      if (pinned.length > 0) index.transaction(() => pinned.forEach(index.setPinned));
      for (const { digest, size, charged } of victims) {
        quotas.discharge(charged, size);
        contents.evicted(digest, size);
      }
      return progress;
    },
  };
}
