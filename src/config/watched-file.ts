/**
 * Files that are read again when they changed: a look at size, inode and times costs a few microseconds, so a rotated
 * secret is seen at its next use without a watcher. A reading that failed is not kept.
 */
import { fileStamp } from './file-stamp.ts';

export interface WatchedFiles<T> {
  /** What `read` makes of the file as it is now. Throws what `read` throws. */
  get(path: string): T;
}

/** `read` is called with the path alone, also when there is no file. */
export function createWatchedFiles<T>(read: (path: string) => T): WatchedFiles<T> {
  const known = new Map<string, { stamp: string; value: T }>();
  return {
    get(path) {
      // The stamp is taken before the reading: a change in between is seen the next time.
      const stamp = fileStamp(path);
      const found = known.get(path);
      if (found && found.stamp === stamp) return found.value;
      known.delete(path);
      const value = read(path);
      known.set(path, { stamp, value });
      return value;
    },
  };
}
