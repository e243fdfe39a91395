/**
 * The list of partial downloads: files in `incoming` that a transfer has left before its blob was complete. They count towards
 * `max_size` and are evicted like content, the oldest first, but not while a transfer goes on with them. What such a file holds is in
 * `incoming/partial-file.ts`; how a transfer goes on with it, in `transfer/file/resume-state.ts`.
 */

/** Each is named by its file's path. */
export interface PartialDownloads {
  /** Adds it as the newest. */
  add(path: string, download: PartialDownload): void;
  /** A transfer goes on with it, until `add` or `forget`. */
  hold(path: string): void;
  /** It has become content, or was removed. */
  forget(path: string): void;
  /** Of all of them. */
  readonly bytes: number;
  /** Removes the oldest, if it was left before `time` (epoch ms); gives its bytes, or 0. */
  removeOldest(time: number): number;
}

export interface PartialDownload {
  /** On the disk; more than 0. */
  readonly bytes: number;
  /** Epoch ms. */
  readonly left: number;
  /** Removes it, at once. */
  remove(): void;
}

/** `onError` gets the error of a file that could not be removed; its bytes count as freed all the same. */
export function createPartialDownloads(onError: (path: string, error: unknown) => void): PartialDownloads {
  /** The oldest first. */
  const idle = new Map<string, PartialDownload>();
  const held = new Map<string, PartialDownload>();
  let bytes = 0;

  function forget(path: string): void {
    for (const some of [idle, held]) {
      bytes -= some.get(path)?.bytes ?? 0;
      some.delete(path);
    }
  }

  return {
    add(path, download) {
      forget(path);
      idle.set(path, download);
      bytes += download.bytes;
    },
    hold(path) {
      const download = idle.get(path);
      if (!download) return;
      idle.delete(path);
      held.set(path, download);
    },
    forget,
    get bytes() {
      return bytes;
    },
    removeOldest(time) {
      const [oldest] = idle;
      if (!oldest || oldest[1].left >= time) return 0;
      const [path, download] = oldest;
      forget(path);
      try {
        download.remove();
      } catch (error) {
        onError(path, error);
      }
      return download.bytes;
    },
  };
}
