/**
 * What transfers that ended early have left in `incoming`, for whoever asks for the blob again. It takes room like content, and
 * goes like content when room is needed: by when it was left, and not while a transfer goes on with it.
 */
import type { Digest } from '../oci/digest.ts';

export interface Leftovers {
  /** The latest of all. */
  add(digest: Digest, leftover: Leftover): void;
  /** A transfer goes on with it, until `add` or `forget`. */
  hold(digest: Digest): void;
  /** It has become content, or was thrown away. */
  forget(digest: Digest): void;
  /** Of all of them. */
  readonly bytes: number;
  /** Removes the oldest, if it was left before `time` (epoch ms); gives its bytes, or 0. */
  removeOldest(time: number): number;
}

export interface Leftover {
  /** On the disk; more than 0. */
  readonly bytes: number;
  /** Epoch ms. */
  readonly left: number;
  /** Removes it, at once. */
  remove(): void;
}

export function createLeftovers(onError: (digest: Digest, error: unknown) => void): Leftovers {
  /** The oldest first. */
  const idle = new Map<Digest, Leftover>();
  const held = new Map<Digest, Leftover>();
  let bytes = 0;

  function forget(digest: Digest): void {
    for (const some of [idle, held]) {
      bytes -= some.get(digest)?.bytes ?? 0;
      some.delete(digest);
    }
  }

  return {
    add(digest, leftover) {
      forget(digest);
      idle.set(digest, leftover);
      bytes += leftover.bytes;
    },
    hold(digest) {
      const leftover = idle.get(digest);
      if (!leftover) return;
      idle.delete(digest);
      held.set(digest, leftover);
    },
    forget,
    get bytes() {
      return bytes;
    },
    removeOldest(time) {
      const [oldest] = idle;
      if (!oldest || oldest[1].left >= time) return 0;
      const [digest, leftover] = oldest;
      forget(digest);
      try {
        leftover.remove();
      } catch (error) {
        onError(digest, error);
      }
      return leftover.bytes;
    },
  };
}
