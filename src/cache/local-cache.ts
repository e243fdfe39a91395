/**
 * The cache over its parts: contents in a store, the index that makes them findable, capacity for more. A content that turns out to
 * be damaged on the way is dropped and counts as absent, so that it is fetched again.
 */
import { isNoRoom } from '../lib/disk-space.ts';
import type { Digest } from '../oci/digest.ts';
import type { Cache } from './cache.ts';
import { createStoredBlobs } from './stored-blobs.ts';
import { createStoredManifests } from './stored-manifests.ts';
import type { LocalCacheDeps, StoredParts } from './stored-parts.ts';

/** See `Cache`. */
export function createLocalCache(deps: LocalCacheDeps): Cache {
  const { catalogue, inventory, clock, rareLog, capacity } = deps;
  const unfinished = new Set<Promise<unknown>>();

  function writeFailed(error: unknown): void {
    if (isNoRoom(error)) capacity.refused();
  }

  async function recorded(what: string, image: string, write: () => Promise<void>): Promise<void> {
    try {
      await write();
    } catch (error) {
      rareLog.error(
        { event: 'cache.indexUnwritable', err: error, image },
        `the index could not be written: ${what}`,
      );
    }
  }

  /** Whether each image that wants the blob is larger than a limit by what its newest manifest lists. False where no manifest tells. */
  async function isTooLarge(digest: Digest, images: readonly string[]): Promise<boolean> {
    for (const image of images) {
      const { described } = await catalogue.find(image, digest);
      if (!described || described.imageBytes <= capacity.most([image])) return false;
    }
    if (images.length === 0) return false;
    rareLog.warn(
      { event: 'cache.imageTooLarge', digest, images },
      'an image is larger than its limit in the cache: its blobs are passed on without being kept',
    );
    return true;
  }

  const parts: StoredParts = {
    ...deps,
    recorded,
    finish(work) {
      unfinished.add(work);
      const forget = () => unfinished.delete(work);
      work.then(forget, forget);
      return work;
    },
    async written(work) {
      try {
        return await work;
      } catch (error) {
        writeFailed(error);
        throw error;
      }
    },
  };

  return {
    ...createStoredManifests(parts),
    ...createStoredBlobs(parts),
    incoming: deps.incoming,
    partialDownloads: deps.partialDownloads,
    find: catalogue.find,
    isStored: async (digest) => (await inventory.content(digest)) !== undefined,
    async reserve(bytes, images = [], written, digest) {
      // A blob that is too large by itself is refused below, and named as such in the log.
      const mayFit = digest !== undefined && bytes <= capacity.most(images);
      return mayFit && (await isTooLarge(digest, images))
        ? undefined
        : capacity.reserve(bytes, images, written);
    },
    writeFailed,

    tag: catalogue.tag,
    tags: catalogue.tags,
    setTag(image, tag, { digest, endpoint, age = 0 }) {
      const now = clock.now();
      const value = { digest, endpoint, checkedAt: Math.max(0, now - age) };
      return recorded('a tag', image, () => catalogue.setTag(image, tag, value, now));
    },
    expireTag: (image, tag) => recorded('a tag', image, () => catalogue.expireTag(image, tag)),
    dropTag(image, tag) {
      const now = clock.now();
      return recorded('a tag', image, () => catalogue.dropTag(image, tag, now, now));
    },

    list: catalogue.list,
    setList(image, kind, key, bytes, age = 0) {
      const value = { bytes, checkedAt: Math.max(0, clock.now() - age) };
      return recorded('a list', image, () => catalogue.setList(image, kind, key, value));
    },
    expireList: (image, kind, key) =>
      recorded('a list', image, async () => {
        const known = await catalogue.list(image, kind, key);
        if (known) await catalogue.setList(image, kind, key, { ...known, checkedAt: 0 });
      }),
    dropList: (image, kind, key) => recorded('a list', image, () => catalogue.dropList(image, kind, key)),

    async close() {
      await Promise.allSettled(unfinished);
      await deps.close();
    },
  };
}
