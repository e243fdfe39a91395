/**
 * Files of evicted contents that are still to be removed. Each takes a turn of the event loop, and a blob that needs the space waits for
 * them: so several small ones are removed at once. A large one keeps a thread busy for up to some hundred ms: one at a time, so that
 * unlinking never starves reading.
 *
 * A hold keeps files that a backup still reads: they count as no space that comes free, and are removed once the hold ends.
 */
import type { Digest } from '../../oci/digest.ts';
import type { BlobStore } from '../blobs/blob-store.ts';

export interface DeletionQueue {
  /** `isWanted` is asked again when the file's turn has come. */
  add(digest: Digest, size: number, isWanted: () => Promise<boolean>): void;
  has(digest: Digest): boolean;
  /** Of the files that are still there, but for those that are held. */
  readonly bytes: number;
  /** Does not wait for what is held. */
  idle(): Promise<void>;
  /** From now on, no file is removed that is not in the queue yet. */
  hold(): FileHold;
}

export interface FileHold {
  /** Only these files stay. */
  narrow(digests: { has(digest: Digest): boolean }): void;
  release(): void;
}

interface Deletion {
  readonly digest: Digest;
  readonly size: number;
  readonly isWanted: () => Promise<boolean>;
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
  /** What each hold keeps. */
  const holds = new Set<{ keeps(digest: Digest): boolean }>();
  const held = new Map<Digest, Deletion>();
  /** Each lane removes its files in turn. The first lane is for large files. */
  const lanes = Array.from({ length: 1 + smallAtOnce }, () => Promise.resolve());
  let added = 0;
  let bytes = 0;

  function add(deletion: Deletion): void {
    const { digest, size, isWanted } = deletion;
    if ([...holds].some((hold) => hold.keeps(digest))) {
      held.set(digest, deletion);
      return;
    }
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
  }

  function addAgain(): void {
    const all = [...held.values()];
    held.clear();
    for (const deletion of all) add(deletion);
  }

  return {
    add: (digest, size, isWanted) => add({ digest, size, isWanted }),
    has: (digest) => waiting.has(digest) || held.has(digest),
    get bytes() {
      return bytes;
    },
    idle: () => Promise.all(lanes).then(() => {}),
    hold() {
      const hold = { keeps: (_: Digest) => true };
      holds.add(hold);
      return {
        narrow(digests) {
          hold.keeps = (digest) => digests.has(digest);
          addAgain();
        },
        release() {
          holds.delete(hold);
          addAgain();
        },
      };
    },
  };
}
