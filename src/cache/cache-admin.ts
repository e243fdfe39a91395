/** What administrators and background jobs ask of the cache, apart from serving. */
import { setImmediate as turn } from 'node:timers/promises';
import type { Clock } from '../lib/clock.ts';
import type { Digest } from '../oci/digest.ts';
import type { StoredContent } from './cache.ts';
import type { AccessTimes } from './capacity/access-times.ts';
import type { Capacity } from './capacity/capacity.ts';
import type { NextEviction } from './capacity/eviction.ts';
import type { Pins } from './capacity/pins.ts';
import { createPurge, type PurgeReport, type PurgeTarget } from './capacity/purge.ts';
import type { QuotaSetting, Quotas } from './capacity/quotas.ts';
import type { Contents } from './contents.ts';
import type { CacheIndex } from './index/cache-index.ts';
import { type Child, isHosted, type Names } from './index/catalogue.ts';
import type { Position } from './index/eviction-order.ts';
import type { ImageSummary, KeptManifest } from './index/listing.ts';
import type { ReconcileReport } from './integrity/reconcile.ts';
import { createScrub, type Scrub, type ScrubDeps } from './integrity/scrub.ts';

export interface CacheAdmin {
  /** Why nothing can be cached; undefined if the data folder is usable. */
  problem(): string | undefined;
  /** Cheap: the sums are kept up to date with every write. */
  usage(): CacheUsage;
  /** Bytes of the file system of the data folder: free for this process, and in all. */
  disk(): { readonly free: number; readonly size: number };
  /** The most that an image can have in the cache, and what limits it, for a sentence. */
  bound(image: string): { readonly bytes: number; readonly what: string };
  /** Images that may serve something, by name, from after `after`. */
  images(after: string, limit: number): Promise<readonly ImageSummary[]>;
  /** The same, all of them, some at a time: other work gets its turn in between. */
  eachImage(): AsyncGenerator<ImageSummary>;
  /** What an image can be pulled by: its tags, and manifests without one. */
  manifests(image: string): Promise<readonly ListedManifest[]>;
  /** What a manifest lists. */
  children(digest: Digest): Promise<readonly Child[]>;
  /** Whether the image can serve the content from the cache. */
  serves(image: string, digest: Digest): Promise<boolean>;
  /** The content if it is stored. */
  content(digest: Digest): Promise<StoredContent | undefined>;
  /** The manifest that a tag of the image points to. */
  taggedBy(image: string, tag: string): Promise<Digest | undefined>;
  /** Where the image's link comes from: `host/repository`, `push`, `bundle` or `fill`. */
  originOf(image: string, digest: Digest): Promise<string | undefined>;
  /** Manifests that are attached to another one of the image, at most `limit`. */
  referrersOf(image: string, subject: Digest, limit: number): Promise<readonly Digest[]>;
  /** Names of contents: the images that link them, and their tags. */
  namesOf(digests: readonly Digest[]): Promise<readonly Names[]>;
  /** As `Eviction.next`. */
  nextEvictions(limit: number): Promise<readonly NextEviction[]>;
  /** Eviction leaves these contents alone until the function that it gives is called. */
  hold(digests: readonly Digest[]): () => void;
  /** Resolves when the files are gone. */
  purge(target: PurgeTarget): Promise<PurgeReport>;
  readonly pins: Pick<Pins, 'configured' | 'added' | 'add' | 'remove'>;
  /** Whether a pattern pins the tag, or its whole image. */
  isPinned(image: string, tag: string): boolean;
  /** Makes index and content agree, and everything fit within its limits, now. */
  collect(): Promise<CollectReport>;
  /** Finds damaged content and drops it. Repair asks the methods that follow. */
  readonly scrub: Scrub;
  isStored(digest: Digest): Promise<boolean>;
  /** Every image that links the content, stored or not. */
  imagesOf(digest: Digest): Promise<readonly string[]>;
  /** Forgets a content that is not stored: its tags go, and its links unless a manifest lists it. */
  forget(digest: Digest): Promise<void>;
  /** What the comparison of index and files after the start found; undefined if the cache was closed before. */
  readonly reconciled: Promise<ReconcileReport | undefined>;
}

export interface CacheUsage {
  /** Of `bytes` and `contents`, what is pushed or imported. */
  readonly hosted: { readonly bytes: number; readonly contents: number };
  /** Of stored contents, each counted once. */
  readonly bytes: number;
  readonly contents: number;
  readonly manifests: number;
  /** For transfers in flight, with the partial downloads of earlier ones. */
  readonly reserved: number;
  readonly maxSize: number | undefined;
  readonly quotas: readonly (QuotaSetting & { readonly bytes: number })[];
}

export interface ListedManifest extends KeptManifest {
  readonly pinned: boolean;
  /** Pushed or imported: never evicted. */
  readonly hosted: boolean;
}

export interface CollectReport extends ReconcileReport {
  /** Names of images and endpoints that nothing had any more. */
  readonly forgotten: number;
  /** Hosted blobs that no manifest of their image lists, and that were left for a day. */
  readonly unlisted: number;
  readonly bytesBefore: number;
  readonly bytes: number;
}

export interface CacheAdminDeps {
  readonly catalogue: CacheIndex['catalogue'];
  readonly inventory: CacheIndex['inventory'];
  readonly listing: CacheIndex['listing'];
  readonly capacity: Capacity;
  readonly quotas: Quotas;
  readonly pins: Pins;
  /** In force now. */
  readonly maxSize: () => number | undefined;
  readonly minFree: () => number;
  readonly store: ScrubDeps['store'];
  readonly contents: Contents;
  readonly nextEvictions: CacheAdmin['nextEvictions'];
  readonly times: Pick<AccessTimes, 'unwritten'>;
  readonly clock: Clock;
  readonly disk: CacheAdmin['disk'];
  readonly problem: CacheAdmin['problem'];
  /** The error for people when the index cannot be written. */
  readonly explain: (error: unknown) => unknown;
  readonly reconcile: () => Promise<ReconcileReport | undefined>;
  readonly isStopped: () => boolean;
  readonly reconciled: Promise<ReconcileReport | undefined>;
}

/** So few at a time, since each counts what it links. */
const imagesAtOnce = 10;
/** ms for which a pushed blob waits for its manifest. */
const unlistedFor = 24 * 3_600_000;

/** Methods that write the index reject with what `explain` makes of its error. */
export function createCacheAdmin(deps: CacheAdminDeps): CacheAdmin {
  const { catalogue, inventory, listing, capacity, quotas, pins, contents } = deps;
  const matchesPin = (name: string) => pins.pattern?.(name) ?? false;
  const isPinned = (image: string, tag: string | undefined) =>
    matchesPin(image) || (tag !== undefined && matchesPin(`${image}:${tag}`));

  const manifests = (image: string) => manifestsOf(deps, isPinned, image);
  const pinnedOf = async (image: string) => (await manifests(image)).filter(({ pinned }) => pinned);
  const purge = createPurge({ contents, pinnedOf, clock: deps.clock });

  /** Says what the matter is where the index cannot be written. */
  async function written<T>(work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (error) {
      throw deps.explain(error);
    }
  }

  async function* eachImage(): AsyncGenerator<ImageSummary> {
    for (let after = ''; ; ) {
      const some = await listing.images(after, imagesAtOnce);
      yield* some;
      const last = some.at(-1);
      if (!last || some.length < imagesAtOnce) return;
      after = last.image;
      await turn();
    }
  }

  return {
    usage: () => ({
      ...inventory.totals(),
      hosted: inventory.hosted(),
      reserved: capacity.reserved,
      maxSize: deps.maxSize(),
      quotas: quotas.all().map(({ match, maxSize, bytes }) => ({ match, maxSize, bytes })),
    }),
    disk: deps.disk,
    problem: deps.problem,
    bound(image) {
      const disk = deps.disk().free + inventory.totals().bytes - deps.minFree();
      const bounds = [
        { bytes: Math.max(0, disk), what: 'the disk' },
        { bytes: deps.maxSize() ?? Number.POSITIVE_INFINITY, what: 'cache.max_size' },
        ...quotas
          .of([image])
          .map(({ match, maxSize }) => ({ bytes: maxSize, what: `the quota of ${match}` })),
      ];
      return bounds.reduce((least, one) => (one.bytes < least.bytes ? one : least));
    },
    images: listing.images,
    eachImage,
    manifests,
    children: catalogue.children,
    async serves(image, digest) {
      const { content, linked } = await catalogue.find(image, digest);
      return linked && content !== undefined;
    },
    content: inventory.content,
    taggedBy: async (image, tag) => (await catalogue.tag(image, tag))?.digest,
    originOf: catalogue.originOf,
    referrersOf: (image, subject, limit) => catalogue.referrersOf(image, subject, undefined, limit),
    namesOf: catalogue.namesOf,
    nextEvictions: deps.nextEvictions,
    hold: (digests) => contents.reading.takeAll(digests),
    async purge(target) {
      const report = await written(purge(target));
      await contents.deletionsOver();
      return report;
    },
    pins: {
      get configured() {
        return pins.configured;
      },
      get added() {
        return pins.added;
      },
      add: (pattern) => written(pins.add(pattern)),
      remove: (pattern) => written(pins.remove(pattern)),
    },
    isPinned,
    scrub: createScrub({ store: deps.store, catalogue, inventory, contents, eachImage }),
    isStored: async (digest) => (await inventory.content(digest)) !== undefined,
    imagesOf: catalogue.imagesOf,
    forget: inventory.forget,
    async collect() {
      const bytesBefore = inventory.totals().bytes;
      const report = (await deps.reconcile()) ?? {
        added: 0,
        dropped: 0,
        removed: 0,
        foreign: 0,
        unreadable: 0,
      };
      await capacity.settled();
      const unlisted = await written(removeUnlisted(deps));
      const forgotten = await written(inventory.forgetUnused(deps.isStopped));
      await contents.deletionsOver();
      return { ...report, forgotten, unlisted, bytesBefore, bytes: inventory.totals().bytes };
    },
    reconciled: deps.reconciled,
  };
}

/** What pushes that were not finished have left. Gives how many. */
async function removeUnlisted({
  inventory,
  contents,
  times,
  clock,
  isStopped,
}: CacheAdminDeps): Promise<number> {
  const before = clock.now() - unlistedFor;
  let removed = 0;
  for (let after: Position | undefined; !isStopped(); ) {
    const { blobs, next } = await inventory.unlistedHosted(before, after);
    for (const { image, digest } of blobs) {
      const isUsed = contents.isInUse(digest) || (times.unwritten(digest) ?? 0) >= before;
      if (!isUsed && (await contents.unlink(image, digest))) removed += 1;
    }
    if (next === undefined) break;
    after = next;
    await turn();
  }
  return removed;
}

/** What is kept of an image, and why it stays. */
async function manifestsOf(
  { catalogue, listing, pins }: CacheAdminDeps,
  isPinned: (image: string, tag: string | undefined) => boolean,
  image: string,
): Promise<readonly ListedManifest[]> {
  const kept = await listing.keptManifests(image);
  const names = await catalogue.namesOf(kept.map(({ digest }) => digest));
  const isPinnedByBlock = (n: number) =>
    pins.rule?.({ images: [], tags: [], selectedBy: names[n]?.selectedBy ?? [] }) ?? false;
  return kept.map((one, n) => ({
    ...one,
    pinned: isPinned(image, one.tag) || isPinnedByBlock(n),
    hosted: isHosted(one.endpoint),
  }));
}
