/**
 * What goes when space is needed: the root that was used least lately (a manifest that no stored index lists, a blob that no
 * stored manifest lists), and with it what only that root referenced.
 *
 *   - A use of what only a root references counts as a use of the root. This is evaluated lazily: when a root comes to the head
 *     of the order and something below it is newer, the root's last use is raised to that time.
 *   - A pinned root is marked, and out of the order from then on, until a tag leaves it or the pins change.
 *   - A partial download is as old as the moment at which its transfer ended, and goes in the same order.
 *   - A last use later than now, from a clock that was ahead, counts as long ago.
 *   - What is being read or written stays. So does what a root referenced if it is pinned, in use, or was used later: it becomes a
 *     root itself.
 *
 * A slice reads batches of the order, decides on a copy (`eviction-plan.ts`), and executes the decision with one command. The size
 * of a batch follows the time that the last ones took.
 */
import type { Clock } from '../../lib/clock.ts';
import type { Digest } from '../../oci/digest.ts';
import type { Catalogue } from '../index/catalogue.ts';
import type { EvictionOrder, Position } from '../index/eviction-order.ts';
import { EvictionPlan } from './eviction-plan.ts';
import type { PartialDownloads } from './partial-downloads.ts';
import type { PinRule } from './pins.ts';
import type { Quota, Quotas } from './quotas.ts';

export interface EvictionDeps {
  readonly order: EvictionOrder;
  readonly catalogue: Pick<Catalogue, 'namesOf'>;
  readonly clock: Clock;
  readonly quotas: Pick<Quotas, 'of' | 'all' | 'counts' | 'exclusively' | 'discharge'>;
  readonly partialDownloads: Pick<PartialDownloads, 'removeOldest'>;
  /** Last use that the index does not know yet, epoch ms. */
  readonly unwrittenUse: (digest: Digest) => number | undefined;
  readonly contents: {
    isInUse(digest: Digest): boolean;
    /** The index has forgotten a stored content of so many bytes. */
    evicted(digest: Digest, bytes: number): void;
  };
  /** What is pinned now; undefined where nothing is. */
  readonly pins: () => PinRule | undefined;
}

/** One search for space, which may take several slices. */
export interface Search {
  /** Bytes that are to be freed. */
  readonly needed: number;
  /** Only what is charged to this quota. */
  readonly quota?: Quota;
  /** If the first slice finds out that there is not enough to be had, nothing is evicted. */
  readonly allOrNothing?: boolean;
  freed: number;
  after: Position | undefined;
}

export type Progress = 'enough' | 'exhausted' | 'paused';

export interface Eviction {
  /** Works for some milliseconds. Rejects when the index cannot be read or written. */
  slice(search: Search): Promise<Progress>;
  /** What would go next, in its order, at most `limit` roots. It changes nothing. Rejects when the index cannot be read. */
  next(limit: number): Promise<readonly NextEviction[]>;
}

/** A root, with what goes with it. */
export interface NextEviction {
  readonly digest: Digest;
  /** Of all of them that are stored. */
  readonly bytes: number;
  readonly contents: number;
  /** Epoch ms. */
  readonly used: number;
}

/** Time after which a slice ends, ms. */
const sliceTime = 5;
/** Roots of one batch. */
const batchSize = { least: 4, first: 32, most: 128 };
/** Contents that one command forgets, for each root of a batch. */
const chosenPerRoot = 4;

/** What one round decides, and what it knows of the contents. */
interface Round {
  readonly plan: EvictionPlan;
  /** Quotas of every content of which the names were read. */
  readonly charged: Map<Digest, readonly Quota[]>;
  readonly pinned: Digest[];
}

/** Deletes no files by itself: `contents` is told of what went. */
export function createEviction(deps: EvictionDeps): Eviction {
  const { order, clock, quotas } = deps;
  let size = batchSize.first;

  function adapt(took: number): void {
    if (took > sliceTime) size = Math.max(batchSize.least, size >> 1);
    else if (took < sliceTime / 2) size = Math.min(batchSize.most, size << 1);
  }

  /**
   * Reads and evicts one batch; if all or nothing is wanted, it reads as many as it takes to decide. Gives undefined where the next
   * batch may have more.
   */
  async function runRound(search: Search, deadline: number): Promise<Progress | undefined> {
    const round = begin(deps, search.quota);
    const choice = { search, deadline, limit: size * chosenPerRoot, planned: 0, isCut: false };
    let last = search.after;
    let progress: Progress | undefined;
    do {
      const batch = await order.oldest(last, size);
      await round.plan.add(batch);
      const end = batch.roots.at(-1);
      last = end?.position ?? last;
      const horizon = batch.isLast ? Number.POSITIVE_INFINITY : (end?.used ?? 0);
      progress = await choose(deps, round.plan, choice, horizon);
      if (!progress && batch.isLast) progress = 'exhausted';
      if (!progress && clock.monotonic() > deadline) progress = 'paused';
    } while (!progress && search.allOrNothing);

    if (progress !== 'exhausted' || !search.allOrNothing) {
      search.after = choice.isCut ? undefined : round.plan.position(search.after);
      search.freed += await evictChosen(deps, round);
      const moved = round.plan.moved();
      if (moved.length > 0) await order.touch(moved, clock.now());
    }
    if (round.pinned.length > 0) await order.pin(round.pinned);
    return progress === 'enough' && search.freed < search.needed ? 'paused' : progress;
  }

  return {
    async next(limit) {
      const { plan } = begin(deps, undefined);
      const batch = await order.oldest(undefined, batchSize.most);
      await plan.add(batch);
      // What was used later than the batch reaches may come after roots that are not in it.
      const horizon = batch.isLast ? Number.POSITIVE_INFINITY : (batch.roots.at(-1)?.used ?? 0);
      const next: NextEviction[] = [];
      for (let used = plan.oldest(); used !== undefined && used <= horizon; used = plan.oldest()) {
        if (next.length >= limit) break;
        const before = plan.chosen.length;
        const { bytes } = await plan.choose(Number.POSITIVE_INFINITY);
        const [root, ...others] = plan.chosen.slice(before);
        if (root) next.push({ digest: root.digest, bytes, contents: 1 + others.length, used });
      }
      return next;
    },
    async slice(search) {
      let from = clock.monotonic();
      const deadline = from + sliceTime;
      if (search.after === undefined) await order.ageFutureUses(clock.now());
      for (;;) {
        const progress = await quotas.exclusively(() => runRound(search, deadline));
        const now = clock.monotonic();
        adapt(now - from);
        if (progress) return progress;
        if (now > deadline) return 'paused';
        from = now;
      }
    },
  };
}

function begin(
  { catalogue, clock, quotas, contents, ...deps }: EvictionDeps,
  quota: Quota | undefined,
): Round {
  const charged = new Map<Digest, readonly Quota[]>();
  const pinned: Digest[] = [];
  const isPinned = deps.pins();
  const past = (time: number, now: number) => (time > now ? 0 : time);

  function lastUse(digest: Digest, used: number): number {
    const now = clock.now();
    return Math.max(past(used, now), past(deps.unwrittenUse(digest) ?? 0, now));
  }

  async function protectedOf(digests: readonly Digest[]): Promise<ReadonlySet<Digest>> {
    const found = new Set(digests.filter((digest) => contents.isInUse(digest)));
    if (digests.length === 0 || (!isPinned && quotas.all().length === 0)) return found;
    const names = await catalogue.namesOf(digests);
    for (const [n, digest] of digests.entries()) {
      const its = names[n] ?? { images: [], tags: [], selectedBy: [] };
      const quotasOfIt = quotas.counts(digest) ? quotas.of(its.images) : [];
      charged.set(digest, quotasOfIt);
      if (found.has(digest)) continue;
      if (quota && !quotasOfIt.includes(quota)) {
        found.add(digest);
      } else if (isPinned?.(its)) {
        found.add(digest);
        pinned.push(digest);
      }
    }
    return found;
  }
  return { plan: new EvictionPlan({ lastUse, protectedOf }), charged, pinned };
}

interface Choice {
  readonly search: Search;
  /** Monotonic, ms. */
  readonly deadline: number;
  /** Most contents that are chosen. */
  readonly limit: number;
  /** Bytes of those that are chosen so far. */
  planned: number;
  /** Some of what should go with the last root is beyond the limit. */
  isCut: boolean;
}

/** Chooses until there is enough, or no root that was used until `horizon` (epoch ms) is left, which gives undefined. */
async function choose(
  { clock, partialDownloads }: EvictionDeps,
  plan: EvictionPlan,
  choice: Choice,
  horizon: number,
): Promise<Progress | undefined> {
  const { search, deadline, limit } = choice;
  while (search.freed + choice.planned < search.needed) {
    const oldest = plan.oldest() ?? Number.POSITIVE_INFINITY;
    // Partial downloads belong to no image, so they are not charged to quotas.
    const left = search.quota ? 0 : partialDownloads.removeOldest(Math.min(oldest, horizon));
    search.freed += left;
    if (left > 0) continue;
    if (oldest > horizon || oldest === Number.POSITIVE_INFINITY) return undefined;
    // Not before something is chosen: a slice always gets on.
    const isOver = plan.chosen.length >= limit || clock.monotonic() > deadline;
    if (isOver && plan.chosen.length > 0) return 'paused';
    const { bytes, isCut } = await plan.choose(limit);
    choice.planned += bytes;
    choice.isCut = isCut;
    if (isCut) return 'paused';
  }
  return 'enough';
}

/** Gives the bytes that went: fewer than planned where a content was used meanwhile. */
async function evictChosen({ order, quotas, contents }: EvictionDeps, round: Round): Promise<number> {
  // In the same turn as the command: what a reader has taken since the plan was made stays.
  const chosen = round.plan.chosen.filter(({ digest }) => !contents.isInUse(digest));
  if (chosen.length === 0) return 0;
  const gone = new Set(await order.evict(chosen.map(({ digest, known }) => [digest, known])));
  let freed = 0;
  for (const { digest, size } of chosen) {
    if (size === undefined || !gone.has(digest)) continue;
    freed += size;
    quotas.discharge(round.charged.get(digest) ?? [], size);
    contents.evicted(digest, size);
  }
  return freed;
}
