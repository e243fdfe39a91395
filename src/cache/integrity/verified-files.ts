/**
 * Which stored files need no hashing: those that this process wrote or has read whole and found right, for as long as
 * the file system says that nobody has touched them since.
 */
import { LRUCache } from 'lru-cache';
import type { ByteStream } from '../../lib/bytes/byte-stream.ts';
import type { Digest } from '../../oci/digest.ts';
import type { StoredFile } from '../blobs/blob-store.ts';
import { createVerifiedStream } from '../blobs/verified-stream.ts';

export interface VerifiedFiles {
  /** The file's bytes are known to be right now. */
  trust(digest: Digest, file: Pick<StoredFile, 'changed'>): void;
  /** Bytes from `start` to before `end`; hashed on the way where they are all, and not trusted yet. */
  stream(digest: Digest, file: StoredFile, start: number, end: number): ByteStream;
}

const maxRemembered = 100_000;

export function createVerifiedFiles(onFault: (digest: Digest, reason: string) => void): VerifiedFiles {
  const trusted = new LRUCache<Digest, number>({ max: maxRemembered });
  return {
    trust: (digest, { changed }) => void trusted.set(digest, changed),
    stream(digest, file, start, end) {
      const stream = file.stream(start, end);
      const { size, changed } = file;
      if (start > 0 || end < size || size === 0 || trusted.get(digest) === changed) return stream;
      return createVerifiedStream(stream, {
        digest,
        size,
        onVerified: () => trusted.set(digest, changed),
        onFault({ message }) {
          if (file.isCurrent()) onFault(digest, message);
        },
      });
    },
  };
}
