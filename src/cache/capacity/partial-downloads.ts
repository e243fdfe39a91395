/**
 * Partial downloads in `incoming` that no running transfer owns. The next transfer of the same blob resumes them. They count towards
 * `max_size` and are evicted like content, the oldest first, but not while a transfer goes on with them.
 */
/** Each is named by its file's path. */
export interface Leftovers {
  /** Adds it as the newest. */
  add(path: string, leftover: Leftover): void;
  /** A transfer goes on with it, until `add` or `forget`. */
  hold(path: string): void;
  /** It has become content, or was removed. */
  forget(path: string): void;
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

/** `onError` gets the error of a file that could not be removed; its bytes count as freed all the same. */
export function createLeftovers(onError: (path: string, error: unknown) => void): Leftovers {
  /** The oldest first. */
  const idle = new Map<string, Leftover>();
  const held = new Map<string, Leftover>();
  let bytes = 0;

  function forget(path: string): void {
    for (const some of [idle, held]) {
      bytes -= some.get(path)?.bytes ?? 0;
      some.delete(path);
    }
  }

  return {
    add(path, leftover) {
      forget(path);
      idle.set(path, leftover);
      bytes += leftover.bytes;
    },
    hold(path) {
      const leftover = idle.get(path);
      if (!leftover) return;
      idle.delete(path);
      held.set(path, leftover);
    },
    forget,
    get bytes() {
      return bytes;
    },
    removeOldest(time) {
      const [oldest] = idle;
      if (!oldest || oldest[1].left >= time) return 0;
      const [path, leftover] = oldest;
      forget(path);
      try {
        leftover.remove();
      } catch (error) {
        onError(path, error);
      }
      return leftover.bytes;
    },
  };
}
