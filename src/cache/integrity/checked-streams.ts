/**
 * Streams of stored blobs that notice a damaged file. A stream that gives fewer bytes than it should is a fault. The whole of a blob
 * is hashed on its way out as well, and its last bytes are held back until the digest is right: so no reader takes a damaged blob for
 * a whole one. A part is not hashed, its reader verifies in its own way.
 *
 * A blob that this process has written, or has read whole and found right, is not hashed again while its version is the same.
 */
import { createHash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { ByteStream } from '../../lib/bytes/byte-stream.ts';
import { asError } from '../../lib/thrown.ts';
import { type Digest, digestAlgorithm, digestHex } from '../../oci/digest.ts';
import type { StoredBlob, Version } from '../blobs/blob-store.ts';

export interface CheckedStreams {
  /** The bytes of this version are known to be right. */
  trust(digest: Digest, version: Version): void;
  /** Bytes from `start` to before `end`. */
  stream(digest: Digest, blob: Omit<StoredBlob, 'close'>, start: number, end: number): ByteStream;
}

const maxRemembered = 100_000;

/** `onFault` is awaited before the reader gets the error: a request that comes after it finds no damaged blob. */
export function createCheckedStreams(
  onFault: (digest: Digest, blob: Pick<StoredBlob, 'isCurrent'>, reason: string) => Promise<void>,
): CheckedStreams {
  const trusted = new LRUCache<Digest, Version>({ max: maxRemembered });
  return {
    trust: (digest, version) => void trusted.set(digest, version),
    stream(digest, blob, start, end) {
      const { size, version } = blob;
      const inner = blob.stream(start, end);
      const isHashed = start === 0 && end >= size && size > 0 && trusted.get(digest) !== version;
      const hash = isHashed ? createHash(digestAlgorithm(digest)) : undefined;
      let left = size;
      let isClosed = false;

      /** Throws if these are the last bytes and the digest is wrong. */
      function check(chunk: Uint8Array): void {
        hash?.update(chunk);
        left -= chunk.length;
        if (!hash || left > 0) return;
        if (hash.digest('hex') !== digestHex(digest)) {
          throw new Error(`the stored bytes of ${digest} have changed`);
        }
        trusted.set(digest, version);
      }

      return {
        async next() {
          try {
            const chunk = await inner.next();
            if (hash && chunk) check(chunk);
            return chunk;
          } catch (error) {
            if (!isClosed) await onFault(digest, blob, asError(error).message);
            throw error;
          }
        },
        close() {
          isClosed = true;
          inner.close();
        },
      };
    },
  };
}
