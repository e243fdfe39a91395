/** A file system of some MiB of its own, which a test can fill. Only root can mount one. */
import { execFileSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmdirSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Cleanup } from './temp-folder.ts';

export interface SmallDisk {
  readonly path: string;
  /** Takes all that is free. */
  fill(): void;
  /** Gives back what `fill` took. */
  empty(): void;
}

/** Undefined if it cannot be mounted. `options` are those of tmpfs, such as `nr_inodes=50`. */
export function smallDisk(test: Cleanup, mebibytes: number, options = ''): SmallDisk | undefined {
  const path = mkdtempSync(join(tmpdir(), 'entrepot-disk-'));
  const wanted = [`size=${mebibytes}m`, ...(options === '' ? [] : [options])].join(',');
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', wanted, 'tmpfs', path], { stdio: 'ignore' });
  } catch {
    rmdirSync(path);
    return undefined;
  }
  // After what the test stops.
  test.after(() =>
    test.after(() => {
      execFileSync('umount', ['--lazy', path]);
      rmdirSync(path);
    }),
  );
  const ballast = join(path, 'ballast');
  return {
    path,
    fill() {
      const fd = openSync(ballast, 'a');
      const bytes = Buffer.alloc(64 * 1024);
      try {
        for (;;) writeSync(fd, bytes);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
      } finally {
        closeSync(fd);
      }
    },
    empty: () => rmSync(ballast, { force: true }),
  };
}
