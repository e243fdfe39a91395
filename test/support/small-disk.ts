/** A file system of some MiB of its own, which a test can fill. Only root can mount one. */
import { execFileSync } from 'node:child_process';
import {
  closeSync,
  mkdtempSync,
  openSync,
  rmdirSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
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

/** A file system that can break. */
export interface FailingDisk {
  readonly path: string;
  /** From now on it refuses all writes, as ext4 does after an error of the disk; what is open stays open. */
  fail(): void;
}

/** Undefined if it cannot be mounted, for want of root, of mkfs.ext4 or of a loop device. */
export function failingDisk(test: Cleanup): FailingDisk | undefined {
  const path = mkdtempSync(join(tmpdir(), 'entrepot-disk-'));
  const image = `${path}.ext4`;
  const clear = () => {
    rmSync(image, { force: true });
    rmdirSync(path);
  };
  const mount = (...args: string[]) => execFileSync('mount', args, { stdio: 'ignore' });
  try {
    writeFileSync(image, '');
    truncateSync(image, 64 * 1024 * 1024);
    execFileSync('mkfs.ext4', ['-q', image], { stdio: 'ignore' });
    mount('-o', 'loop', image, path);
  } catch {
    clear();
    return undefined;
  }
  test.after(() =>
    test.after(() => {
      execFileSync('umount', ['--lazy', path]);
      clear();
    }),
  );
  return { path, fail: () => mount('-o', 'remount,abort', path) };
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
