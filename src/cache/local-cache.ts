/**
 * The cache over its parts: content on disk, the index that makes it findable, room for more. What is found to be
 * broken on the way is dropped and counts as absent, so that it is fetched again.
 */
import { LRUCache } from 'lru-cache';
import { hexHash } from '../lib/bytes/hex-hash.ts';
import type { Clock } from '../lib/clock.ts';
import { SingleFlight } from '../lib/flow/single-flight.ts';
import type { Digest } from '../oci/digest.ts';
import { isSchema1Type } from '../oci/media-types.ts';
import { isNamedBy } from '../oci/signed-schema1.ts';
import type { BlobStore } from './blobs/blob-store.ts';
import type { Cache, CachedManifest, NewManifest, StoredBlob } from './cache.ts';
import type { AccessTimes } from './capacity/access-times.ts';
import type { Room } from './capacity/capacity.ts';
import type { Quotas } from './capacity/quotas.ts';
import type { Contents } from './contents.ts';
import { isNoRoom } from './disk-space.ts';
import type { IncomingFolder } from './incoming/incoming-folder.ts';
import type { CacheIndex } from './index/cache-index.ts';
import type { IndexStore } from './index/index-store.ts';
import type { CheckedStreams } from './integrity/checked-streams.ts';
import type { RareLog } from './rare-log.ts';

export interface LocalCacheDeps {
  readonly index: IndexStore;
  readonly catalogue: CacheIndex['catalogue'];
  readonly store: BlobStore;
  readonly clock: Clock;
  /** For what each request may meet. */
  readonly rareLog: RareLog;
  readonly times: AccessTimes;
  readonly quotas: Quotas;
  readonly room: Room;
  readonly streams: CheckedStreams;
  readonly contents: Contents;
  readonly incoming: IncomingFolder;
  readonly leftovers: Cache['leftovers'];
  readonly close: () => Promise<void>;
}

/** Blobs on their way whose links are remembered. */
const earlyLinks = 1000;
/** Bytes of manifests kept in memory. */
const manifestMemory = 32 * 1024 * 1024;

export function createLocalCache(deps: LocalCacheDeps): Cache {
  const { index, catalogue, store, clock, rareLog, times, quotas, room, streams, contents } = deps;
  const inMemory = new LRUCache<Digest, Uint8Array>({
    maxSize: manifestMemory,
    sizeCalculation: (bytes) => bytes.length || 1,
  });
  const loading = new SingleFlight<Uint8Array | undefined>();
  const writing = new SingleFlight<void>();
  const unfinished = new Set<Promise<void>>();
  /** Links of blobs that are on their way: eviction may take them from the index before the blob is there. */
  const early = new LRUCache<Digest, Map<string, string>>({ max: earlyLinks });

  /** Closing waits for it. */
  function finish(work: Promise<void>): Promise<void> {
    unfinished.add(work);
    const forget = () => unfinished.delete(work);
    work.then(forget, forget);
    return work;
  }

  /** Bookkeeping that cannot be written (a full disk) is no reason to refuse what is here. */
  function record(what: string, image: string, write: () => void): void {
    try {
      write();
    } catch (error) {
      rareLog.error({ err: error, image }, `the index could not be written: ${what}`);
    }
  }

  async function loadManifest(digest: Digest): Promise<Uint8Array | undefined> {
    let bytes: Uint8Array | undefined;
    try {
      bytes = await store.read(digest);
    } catch (error) {
      await contents.unreadable(digest, error);
      return undefined;
    }
    if (!bytes) await contents.discard(digest, 'its file is missing');
    else if (!isNamedBy(bytes, digest, hexHash)) {
      await contents.discard(digest, 'its file has other bytes');
    } else {
      inMemory.set(digest, bytes);
      return bytes;
    }
    return undefined;
  }

  function writeFailed(error: unknown): void {
    if (isNoRoom(error)) room.refused();
  }

  async function keep<T>(write: () => Promise<T>): Promise<T> {
    try {
      return await write();
    } catch (error) {
      writeFailed(error);
      throw error;
    }
  }

  async function putManifest(image: string, value: NewManifest): Promise<void> {
    const { digest, bytes } = value;
    const arrived = contents.arriving.take(digest);
    const isNew = !index.content(digest);
    const reservation = isNew ? await room.reserve(bytes.length, [image]) : undefined;
    try {
      if (isNew && !reservation) throw new Error('there is no room in the cache');
      if (isNew) await keep(() => writing.run(digest, () => store.put(digest, bytes)));
      await contents.recordManifest(image, value);
      // `bytes` may be a part of one of Node's 64 KiB pools, which it would keep in memory as a whole.
      const own = Buffer.allocUnsafeSlow(bytes.length);
      own.set(bytes);
      inMemory.set(digest, own);
    } finally {
      reservation?.release();
      arrived();
    }
    room.check();
  }

  async function openBlob(image: string, digest: Digest): Promise<StoredBlob | undefined> {
    const known = index.linkedContent(image, digest);
    // The digest of schema 1 is that of its payload: its bytes are no blob of that digest.
    if (!known || isSchema1Type(known.mediaType ?? '')) return undefined;
    // Before the first await: from here on eviction leaves it alone.
    const release = contents.reading.take(digest);
    try {
      const file = await store.open(digest);
      if (file?.size === known.size) {
        times.touch(digest);
        const { size } = file;
        const close = () => {
          file.close();
          release();
        };
        const stream = (start: number, end: number) =>
          streams.stream(digest, file, start, Math.min(end, size));
        return { digest, size, stream, close };
      }
      file?.close();
      await contents.discard(
        digest,
        file ? `its file has ${file.size} bytes, not ${known.size}` : 'its file is missing',
      );
    } catch (error) {
      await contents.unreadable(digest, error);
    }
    release();
    return undefined;
  }

  async function adoptBlob(digest: Digest, size: number, file: string): Promise<void> {
    const version = await keep(() => contents.commitBlob(digest, size, file, () => early.get(digest) ?? []));
    early.delete(digest);
    if (version !== undefined) streams.trust(digest, version);
    room.check();
  }

  return {
    incoming: deps.incoming,
    leftovers: deps.leftovers,
    tag: index.tag,
    setTag(image, tag, { digest, endpoint }) {
      record('a tag', image, () => index.setTag(image, tag, { digest, endpoint, checkedAt: clock.now() }));
    },
    dropTag: (image, tag) => record('a tag', image, () => index.dropTag(image, tag)),
    tags: index.tags,

    async manifest(image, digest): Promise<CachedManifest | undefined> {
      const mediaType = index.linkedContent(image, digest)?.mediaType;
      if (mediaType === undefined) return undefined;
      const bytes = inMemory.get(digest) ?? (await loading.run(digest, () => loadManifest(digest)));
      if (!bytes) return undefined;
      times.touch(digest);
      return { digest, mediaType, bytes };
    },
    putManifest: (image, value) => finish(putManifest(image, value)),

    blob: openBlob,
    hasBlob: (digest) => index.content(digest) !== undefined,
    async link(image, digest, endpoint) {
      const { content, linked } = await catalogue.find(image, digest);
      if (!content) early.set(digest, (early.get(digest) ?? new Map()).set(image, endpoint));
      if (linked) return;
      try {
        const link = { image, origin: endpoint };
        await quotas.update(digest, () => catalogue.link(digest, link, clock.now()));
      } catch (error) {
        rareLog.error({ err: error, image }, 'the index could not be written: a link');
      }
    },
    isLinked: index.isLinked,
    adoptBlob: (digest, size, file) => finish(adoptBlob(digest, size, file)),
    reserve: room.reserve,
    writeFailed,
    descriptor: index.descriptor,

    list: index.list,
    setList(image, kind, key, bytes) {
      record('a list', image, () => index.setList(image, kind, key, { bytes, checkedAt: clock.now() }));
    },
    dropList: (image, kind, key) => record('a list', image, () => index.dropList(image, kind, key)),
    async close() {
      await Promise.allSettled(unfinished);
      await deps.close();
    },
  };
}
