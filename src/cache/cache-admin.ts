/** What people and other commands ask of the cache, apart from serving. */
import { setImmediate as turn } from 'node:timers/promises';
import type { Digest } from '../oci/digest.ts';
import type { Room } from './capacity/capacity.ts';
import type { Pins } from './capacity/pins.ts';
import { createPurge, type PurgeReport, type PurgeTarget } from './capacity/purge.ts';
import type { QuotaSetting, Quotas } from './capacity/quotas.ts';
import type { Contents } from './contents.ts';
import type { Child } from './index/catalogue.ts';
import type { IndexStore } from './index/index-store.ts';
import type { ImageSummary, KeptManifest } from './index/listing.ts';
import { createSqliteInventory } from './index/sqlite-inventory.ts';
import type { ReconcileReport } from './integrity/reconcile.ts';
import { createScrub, type Scrub, type ScrubDeps } from './integrity/scrub.ts';

export interface CacheAdmin {
  /** Why nothing can be cached, for want of a usable data folder. */
  problem(): string | undefined;
  /** Cheap: what it tells is kept up to date. */
  usage(): CacheUsage;
  /** Bytes of the file system of the data folder: free for this process, and in all. */
  disk(): { readonly free: number; readonly size: number };
  /** The most that an image can have in the cache, and what limits it, for a sentence. */
  bound(image: string): { readonly bytes: number; readonly what: string };
  /** Images that may serve something, by name, from after `after`. */
  images(after: string, limit: number): ImageSummary[];
  /** The same, all of them, without keeping anybody waiting for long. */
  eachImage(): AsyncGenerator<ImageSummary>;
  /** What an image can be pulled by: its tags, and manifests without one. */
  manifests(image: string): readonly ListedManifest[];
  /** What a manifest lists. */
  children(digest: Digest): readonly Child[];
  /** Whether the image can serve the content from the cache. */
  serves(image: string, digest: Digest): boolean;
  /** Resolves when the files are gone. */
  purge(target: PurgeTarget): Promise<PurgeReport>;
  readonly pins: Pick<Pins, 'configured' | 'added' | 'add' | 'remove'>;
  /** Makes index and content agree, and everything fit within its limits, now. */
  collect(): Promise<CollectReport>;
  /** Finds what is damaged and drops it; who brings it back asks the following. */
  readonly scrub: Scrub;
  isStored(digest: Digest): boolean;
  /** Every image that links the content, stored or not. */
  imagesOf(digest: Digest): readonly string[];
  /** A content that is not stored is given up: its tags go, and its links unless a manifest lists it. */
  forget(digest: Digest): void;
  /** What the look through all content after the start found; undefined if the cache was closed before. */
  readonly reconciled: Promise<ReconcileReport | undefined>;
}

export interface CacheUsage {
  /** Of stored contents, each counted once. */
  readonly bytes: number;
  readonly contents: number;
  readonly manifests: number;
  /** For transfers in flight, and what others have left. */
  readonly reserved: number;
  readonly maxSize: number | undefined;
  readonly quotas: readonly (QuotaSetting & { readonly bytes: number })[];
}

export interface ListedManifest extends KeptManifest {
  readonly pinned: boolean;
}

export interface CollectReport extends ReconcileReport {
  /** Names of images and endpoints that nothing had any more. */
  readonly forgotten: number;
  readonly bytesBefore: number;
  readonly bytes: number;
}

export interface CacheAdminDeps {
  readonly index: IndexStore;
  readonly room: Room;
  readonly quotas: Quotas;
  readonly pins: Pins;
  /** The one in force now. */
  readonly maxSize: () => number | undefined;
  readonly minFree: () => number;
  readonly scrub: Omit<ScrubDeps, 'index' | 'contents' | 'eachImage'>;
  readonly contents: Contents;
  readonly disk: CacheAdmin['disk'];
  readonly problem: CacheAdmin['problem'];
  /** What a person is told of an index that cannot be written. */
  readonly explain: (error: unknown) => unknown;
  readonly reconcile: () => Promise<ReconcileReport | undefined>;
  readonly reconciled: Promise<ReconcileReport | undefined>;
}

/** So few at a time, since each counts what it links. */
const imagesAtOnce = 10;

export function createCacheAdmin(deps: CacheAdminDeps): CacheAdmin {
  const { index, room, quotas, pins, contents } = deps;
  const matchesPin = (name: string) => pins.pattern?.(name) ?? false;
  const isPinned = (image: string, tag: string | undefined) =>
    matchesPin(image) || (tag !== undefined && matchesPin(`${image}:${tag}`));
  const purge = createPurge({ index, contents, isPinned });

  /** Does what writes the index. */
  function write<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw deps.explain(error);
    }
  }

  async function* eachImage(): AsyncGenerator<ImageSummary> {
    for (let after = ''; ; ) {
      const some = index.images(after, imagesAtOnce);
      yield* some;
      const last = some.at(-1);
      if (!last || some.length < imagesAtOnce) return;
      after = last.image;
      await turn();
    }
  }

  return {
    usage: () => ({
      ...index.totals(),
      reserved: room.reserved,
      maxSize: deps.maxSize(),
      quotas: quotas.all().map(({ match, maxSize, bytes }) => ({ match, maxSize, bytes })),
    }),
    disk: deps.disk,
    problem: deps.problem,
    bound(image) {
      const disk = deps.disk().free + index.totals().bytes - deps.minFree();
      const bounds = [
        { bytes: Math.max(0, disk), what: 'the disk' },
        { bytes: deps.maxSize() ?? Number.POSITIVE_INFINITY, what: 'cache.max_size' },
        ...quotas
          .of([image])
          .map(({ match, maxSize }) => ({ bytes: maxSize, what: `the quota of ${match}` })),
      ];
      return bounds.reduce((least, one) => (one.bytes < least.bytes ? one : least));
    },
    images: index.images,
    eachImage,
    manifests: (image) =>
      index.keptManifests(image).map((kept) => ({
        ...kept,
        pinned: isPinned(image, kept.tag),
      })),
    children: index.children,
    serves: (image, digest) => index.linkedContent(image, digest) !== undefined,
    async purge(target) {
      const report = write(() => purge(target));
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
      add: (pattern) => write(() => pins.add(pattern)),
      remove: (pattern) => write(() => pins.remove(pattern)),
    },
    scrub: createScrub({ ...deps.scrub, index, contents, eachImage }),
    isStored: (digest) => index.content(digest) !== undefined,
    imagesOf: index.imagesOf,
    forget(digest) {
      if (!index.content(digest)) index.dropContent(digest);
    },
    async collect() {
      const bytesBefore = index.totals().bytes;
      const report = (await deps.reconcile()) ?? {
        added: 0,
        dropped: 0,
        removed: 0,
        foreign: 0,
        unreadable: 0,
      };
      await room.settled();
      const forgotten = await createSqliteInventory(index)
        .forgetUnused(() => false)
        .catch((error: unknown) => {
          throw deps.explain(error);
        });
      await contents.deletionsOver();
      return { ...report, forgotten, bytesBefore, bytes: index.totals().bytes };
    },
    reconciled: deps.reconciled,
  };
}
