/**
 * Files that are read again after they have changed. A look at size, inode and times costs a few microseconds, so the next use sees a
 * rotated secret without a watcher. A failure is not kept.
 */
import { type Clock, systemClock } from '../../lib/clock.ts';
import { fileStamp } from './file-stamp.ts';

/** Parsed files, by path. */
export interface WatchedFiles<T> {
  /** The result of `read` for the file as it is now. Throws what `read` throws. */
  get(path: string): T;
}

/**
 * `read` gets the path, even if there is no file. A file that becomes unusable may be in the middle of a rewrite, so `get` returns the
 * last good value for `rewriteTime` ms.
 */
export function createWatchedFiles<T>(
  read: (path: string) => T,
  { rewriteTime = 0, clock = systemClock }: { rewriteTime?: number; clock?: Clock } = {},
): WatchedFiles<T> {
  const known = new Map<string, { stamp: string; value: T; failingSince?: number }>();
  return {
    get(path) {
      // The stamp is older than the content, so the next call sees a change in between.
      const stamp = fileStamp(path);
      const found = known.get(path);
      if (found && found.stamp === stamp) return found.value;
      try {
        const value = read(path);
        known.set(path, { stamp, value });
        return value;
      } catch (error) {
        const failingSince = found?.failingSince ?? clock.monotonic();
        if (!found || clock.monotonic() - failingSince >= rewriteTime) {
          known.delete(path);
          throw error;
        }
        known.set(path, { ...found, failingSince });
        return found.value;
      }
    },
  };
}
