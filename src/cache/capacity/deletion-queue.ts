/**
 * Files of evicted contents that are still to be removed. Each takes a turn of the event loop, and a blob that needs the space waits for
 * them: so several small ones are removed at once. A large one keeps a thread busy for up to some hundred ms: one at a time, so that
 * unlinking never starves reading.
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

/** Starts nothing by itself. `onError` gets the error of each file that could not be removed; it is not tried again. */
export function createDeletionQueue(deps: {
  store: Pick<BlobStore, 'remove'>;
  onError: (digest: Digest, error: unknown) => void;
}): DeletionQueue {
  const waiting = new Set<Digest>();
  /** Each lane removes its files in turn. The first lane is for large files. */
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
