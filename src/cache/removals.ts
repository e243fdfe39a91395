/** Files of evicted contents on their way out: one at a time, so that unlinking never starves reading. */
import type { Digest } from '../oci/digest.ts';
import type { BlobStore } from './blobs/blob-store.ts';

export interface Removals {
  /** `isWanted` is asked again when the file's turn has come. */
  add(digest: Digest, size: number, isWanted: () => boolean): void;
  has(digest: Digest): boolean;
  /** Of the files that are still there. */
  readonly bytes: number;
  idle(): Promise<void>;
}

export function createRemovals(deps: {
  store: BlobStore;
  onError: (digest: Digest, error: unknown) => void;
}): Removals {
  const waiting = new Set<Digest>();
  let bytes = 0;
  let last = Promise.resolve();
  return {
    add(digest, size, isWanted) {
      waiting.add(digest);
      bytes += size;
      last = last
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
    idle: () => last,
  };
}
