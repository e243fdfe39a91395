/**
 * Stored contents as what is copied elsewhere: whatever image they came for, and without counting as a use. A copy that is open is left
 * alone by eviction.
 */
import type { ByteStream } from '../lib/bytes/byte-stream.ts';
import type { Digest } from '../oci/digest.ts';
import type { BlobStore } from './blobs/blob-store.ts';
import type { Contents } from './contents.ts';
import type { Catalogue } from './index/catalogue.ts';
import type { Inventory } from './index/inventory.ts';
import { verifyContent } from './integrity/verify-content.ts';

export interface Copies {
  /** Undefined where the content is not stored, or its file cannot be read. */
  open(digest: Digest): Promise<Copy | undefined>;
  /** Every image that links the content, stored or not. */
  imagesOf(digest: Digest): Promise<readonly string[]>;
  isHosted(digest: Digest): Promise<boolean>;
}

export interface Copy {
  readonly size: number;
  /** Bytes from `start` to before `end`. */
  stream(start: number, end: number): ByteStream;
  /** Reads it whole. False: it has not the bytes of its digest, and is dropped. Rejects with the reason of the signal. */
  verify(signal: AbortSignal): Promise<boolean>;
  close(): void;
}

/** See the head of the file. */
export function createCopies(deps: {
  readonly store: BlobStore;
  readonly inventory: Inventory;
  readonly catalogue: Pick<Catalogue, 'imagesOf'>;
  readonly contents: Pick<Contents, 'reading' | 'discard' | 'unreadable'>;
}): Copies {
  const { store, inventory, catalogue, contents } = deps;

  async function verify(digest: Digest, size: number, signal: AbortSignal): Promise<boolean> {
    const reading = verifyContent(store, digest, size);
    try {
      let step = await reading.next();
      while (!step.done) {
        signal.throwIfAborted();
        step = await reading.next();
      }
      if (step.value === undefined) return true;
      await contents.discard(digest, step.value.reason);
      return false;
    } finally {
      await reading.return(undefined);
    }
  }

  return {
    async open(digest) {
      const release = contents.reading.take(digest);
      let copy: Copy | undefined;
      try {
        const content = await inventory.content(digest);
        const file = content && (await store.open(digest));
        if (!file || file.size !== content?.size) {
          file?.close();
          return undefined;
        }
        const { size } = file;
        copy = {
          size,
          stream: (start, end) => file.stream(start, end),
          verify: (signal) => verify(digest, size, signal),
          close() {
            file.close();
            release();
          },
        };
        return copy;
      } catch (error) {
        await contents.unreadable(digest, error);
        return undefined;
      } finally {
        if (!copy) release();
      }
    },
    imagesOf: catalogue.imagesOf,
    isHosted: inventory.isHosted,
  };
}
