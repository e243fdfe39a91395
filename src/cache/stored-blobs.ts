/** Blobs: opened where an image links them, and taken into the store when a transfer has brought them. */
import { LRUCache } from 'lru-cache';
import type { Digest } from '../oci/digest.ts';
import { isSchema1Type } from '../oci/media-types.ts';
import type { Cache, StoredBlob } from './cache.ts';
import type { StoredParts } from './stored-parts.ts';

/** Blobs on their way, at most, with links that are remembered. */
const earlyLinks = 1000;

/** `open` never rejects for a damaged file: its content is dropped, and counts as absent. */
export function createStoredBlobs(parts: StoredParts): Pick<Cache, 'open' | 'link' | 'commit'> {
  const { catalogue, store, clock, times, quotas, capacity, streams, contents } = parts;
  /** Links of blobs that are on their way: eviction may take them from the index before the blob is stored. */
  const early = new LRUCache<Digest, Map<string, string>>({ max: earlyLinks });

  async function openFile(
    digest: Digest,
    expected: number,
    release: () => void,
  ): Promise<StoredBlob | undefined> {
    try {
      const file = await store.open(digest);
      if (file?.size === expected) {
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
      const fault = file ? `its file has ${file.size} bytes, not ${expected}` : 'its file is missing';
      await contents.discard(digest, fault);
    } catch (error) {
      await contents.unreadable(digest, error);
    }
    return undefined;
  }

  async function commit(digest: Digest, size: number, file: string): Promise<void> {
    const links = () => early.get(digest) ?? [];
    const version = await parts.written(contents.commitBlob(digest, size, file, links));
    early.delete(digest);
    if (version !== undefined) streams.trust(digest, version);
    capacity.check();
  }

  return {
    async open(image, digest) {
      // Before its row is read: from here on eviction leaves it alone.
      const release = contents.reading.take(digest);
      const { content, linked } = await catalogue.find(image, digest).catch((error: unknown) => {
        release();
        throw error;
      });
      // The digest of schema 1 is that of its payload: its bytes are no blob of that digest.
      const isBlob = linked && content !== undefined && !isSchema1Type(content.mediaType ?? '');
      const blob = isBlob ? await openFile(digest, content.size, release) : undefined;
      if (!blob) release();
      return blob;
    },
    link: (image, digest, endpoint) =>
      parts.recorded('a link', image, async () => {
        const { content, linked } = await catalogue.find(image, digest);
        if (!content) early.set(digest, (early.get(digest) ?? new Map()).set(image, endpoint));
        if (linked) return;
        const link = { image, origin: endpoint };
        await quotas.update(digest, () => catalogue.link(digest, link, clock.now()));
      }),
    commit: (digest, size, file) => parts.finish(commit(digest, size, file)),
  };
}
