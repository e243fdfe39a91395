/**
 * Files of evicted contents on their way out. Each takes a turn of the event loop, and what comes in waits for them: so several
 * small ones go at once. Large ones keep a thread busy for long, up to some hundred ms: one at a time, so that unlinking
 * never starves reading.
 */
import type { Digest } from '../../oci/digest.ts';
import type { BlobStore } from '../blobs/blob-store.ts';

export interface DeletionQueue {
  /** `isWanted` is asked again when the file's turn has come. */
  add(digest: Digest, size: number, isWanted: () => Promise<boolean>): void;
  has(digest: Digest): boolean;
  /** Of the files that are still there. */
  readonly bytes: number;
  idle(): Promise<void>;
}

const smallAtOnce = 8;
/** Bytes from which a file is large. */
const large = 4 * 1024 * 1024;

export function createDeletionQueue(deps: {
  store: Pick<BlobStore, 'remove'>;
  onError: (digest: Digest, error: unknown) => void;
}): DeletionQueue {
  const waiting = new Set<Digest>();
  /** Within a lane one after the other; the first is that of the large ones. */
  const lanes = Array.from({ length: 1 + smallAtOnce }, () => Promise.resolve());
  let added = 0;
  let bytes = 0;
  return {
    add(digest, size, isWanted) {
      waiting.add(digest);
      added += 1;
      bytes += size;
      const lane = size < large ? 1 + (added % smallAtOnce) : 0;
      lanes[lane] = (lanes[lane] ?? Promise.resolve())
        .then(() => deps.store.remove(digest, isWanted))
        .catch((error: unknown) => deps.onError(digest, error))
        .finally(() => {
          waiting.delete(digest);
          bytes -= size;
        });
    },
    has: (digest) => waiting.has(digest),
    get bytes() {
      return bytes;
    },
    idle: () => Promise.all(lanes).then(() => {}),
  };
}
