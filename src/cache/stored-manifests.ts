/** Manifests: served from memory if they were asked for lately, else read from the store and verified. */
import { LRUCache } from 'lru-cache';
import { hexHash } from '../lib/bytes/hex-hash.ts';
import { SingleFlight } from '../lib/flow/single-flight.ts';
import type { Digest } from '../oci/digest.ts';
import { isNamedBy } from '../oci/signed-schema1.ts';
import type { Cache, NewManifest } from './cache.ts';
import { NoRoom } from './no-room.ts';
import type { StoredParts } from './stored-parts.ts';

/** Bytes of manifests kept in memory. */
const manifestMemory = 32 * 1024 * 1024;

/** `manifest` never rejects for a damaged file: its content is dropped, and counts as absent. */
export function createStoredManifests(parts: StoredParts): Pick<Cache, 'manifest' | 'putManifest'> {
  const { catalogue, inventory, store, times, capacity, contents } = parts;
  const inMemory = new LRUCache<Digest, Uint8Array>({
    maxSize: manifestMemory,
    sizeCalculation: (bytes) => bytes.length || 1,
  });
  const loading = new SingleFlight<Uint8Array | undefined>();
  const writing = new SingleFlight<void>();

  async function load(digest: Digest): Promise<Uint8Array | undefined> {
    let bytes: Uint8Array | undefined;
    try {
      bytes = await store.read(digest);
    } catch (error) {
      await contents.unreadable(digest, error);
      return undefined;
    }
    if (!bytes) {
      await contents.discard(digest, 'its file is missing');
    } else if (!isNamedBy(bytes, digest, hexHash)) {
      await contents.discard(digest, 'its file has other bytes');
      bytes = undefined;
    } else {
      inMemory.set(digest, bytes);
    }
    return bytes;
  }

  async function put(image: string, value: NewManifest): Promise<void> {
    const { digest, bytes } = value;
    // Before its row is read: from here on eviction leaves it alone.
    const arrived = contents.arriving.take(digest);
    try {
      if (!(await inventory.content(digest))) await write(image, value);
      await contents.recordManifest(image, value);
      // `bytes` may be a part of one of Node's 64 KiB pools, which it would keep in memory as a whole.
      const own = Buffer.allocUnsafeSlow(bytes.length);
      own.set(bytes);
      inMemory.set(digest, own);
    } finally {
      arrived();
    }
    capacity.check();
  }

  async function write(image: string, { digest, bytes }: NewManifest): Promise<void> {
    const reservation = await capacity.reserve(bytes.length, [image]);
    if (!reservation) throw new NoRoom();
    try {
      await parts.written(writing.run(digest, () => store.put(digest, bytes)));
    } finally {
      reservation.release();
    }
  }

  return {
    async manifest(image, digest) {
      const { content, linked } = await catalogue.find(image, digest);
      const mediaType = linked ? content?.mediaType : undefined;
      if (mediaType === undefined) return undefined;
      const bytes = inMemory.get(digest) ?? (await loading.run(digest, () => load(digest)));
      if (!bytes) return undefined;
      times.touch(digest);
      return { digest, mediaType, bytes };
    },
    putManifest: (image, value) => parts.finish(put(image, value)),
  };
}
