/**
 * Files that are read again when they changed: a look at size, inode and times costs a few microseconds, so a rotated
 * secret is seen at its next use without a watcher. A reading that failed is not kept.
 */
import { type Clock, systemClock } from '../../lib/clock.ts';
import { fileStamp } from './file-stamp.ts';

export interface WatchedFiles<T> {
  /** What `read` makes of the file as it is now. Throws what `read` throws. */
  get(path: string): T;
}

/**
 * `read` is called with the path alone, also when there is no file. A file that cannot be used, after one that could, may be in
 * the middle of a rewrite: for `patience` ms the last good value is given.
 */
export function createWatchedFiles<T>(
  read: (path: string) => T,
  { patience = 0, clock = systemClock }: { patience?: number; clock?: Clock } = {},
): WatchedFiles<T> {
  const known = new Map<string, { stamp: string; value: T; failingSince?: number }>();
  return {
    get(path) {
      // The stamp is taken before the reading: a change in between is seen the next time.
      const stamp = fileStamp(path);
      const found = known.get(path);
      if (found && found.stamp === stamp) return found.value;
      try {
        const value = read(path);
        known.set(path, { stamp, value });
        return value;
      } catch (error) {
        const failingSince = found?.failingSince ?? clock.monotonic();
        if (!found || clock.monotonic() - failingSince >= patience) {
          known.delete(path);
          throw error;
        }
        known.set(path, { ...found, failingSince });
        return found.value;
      }
    },
  };
}
