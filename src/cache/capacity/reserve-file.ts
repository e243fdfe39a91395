/**
 * A file that holds some disk space back for the index. On a full disk the index cannot be written, and then nothing can be
 * evicted or purged either, because both write the index first. The file is removed at that moment, and is written again when
 * there is room.
 */
import { randomBytes } from 'node:crypto';
import { existsSync, rmSync } from 'node:fs';
import { rename, rm, writeFile } from 'node:fs/promises';
import type { Clock, Timer } from '../../lib/clock.ts';

export interface ReserveFile {
  /** Gives the space back to the disk; false if there was none. */
  spend(): boolean;
  /** Calls the listener after the space was given back, and at once if that was before. */
  whenSpent(listener: () => void): void;
  /** Writes the file if it is missing and there is room for it. Never fails. */
  restore(): Promise<void>;
  /** Bytes that the disk must leave free for it, because it was spent. */
  readonly owed: number;
  /** Writes it no more. */
  stop(): void;
}

/** Enough for the log of thousands of changes. */
const size = 4 * 1024 * 1024;
/** ms until a spent reserve is looked after. */
const interval = 10_000;

/** Starts nothing by itself: call `restore` once the folder is open. */
export function createReserveFile(deps: {
  readonly path: string;
  readonly clock: Clock;
  /** Bytes free on the disk. */
  readonly free: () => number;
}): ReserveFile {
  const { path, clock } = deps;
  const unfinished = `${path}.tmp`;
  let timer: Timer | undefined;
  let owed = 0;
  let isStopped = false;
  let wasSpent = false;
  const listeners: (() => void)[] = [];

  async function restore(): Promise<void> {
    try {
      if (isStopped || existsSync(path)) return;
      if (deps.free() >= (owed || 2 * size)) {
        // Random, because a file system may compress.
        await writeFile(unfinished, randomBytes(size), { mode: 0o640 });
        await rename(unfinished, path);
        owed = 0;
      }
    } catch {
      await rm(unfinished, { force: true }).catch(() => {});
    }
    if (!existsSync(path)) later();
  }

  function later(): void {
    timer?.cancel();
    if (!isStopped) timer = clock.after(interval, () => void restore());
  }

  return {
    spend() {
      if (!existsSync(path)) return false;
      try {
        rmSync(path);
      } catch {
        return false;
      }
      owed = size;
      wasSpent = true;
      later();
      for (const listener of listeners) listener();
      return true;
    },
    whenSpent(listener) {
      listeners.push(listener);
      if (wasSpent) listener();
    },
    get owed() {
      return owed;
    },
    restore,
    stop() {
      isStopped = true;
      timer?.cancel();
    },
  };
}
