/** A named pipe that takes no more bytes until it is read. */
import { execFileSync } from 'node:child_process';
import { closeSync, constants, openSync, readdirSync, readlinkSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { type Cleanup, tempFolder } from './temp-folder.ts';

export interface FullPipe {
  readonly path: string;
  /** Bytes that fill it. */
  readonly size: number;
  /** Takes out what is in it. */
  read(): string;
  /** Whether nothing is in it, and no writer is left. */
  isEnded(): boolean;
  /** How many writers this process has. */
  readonly writers: number;
}

export function fullPipe(test: Cleanup): FullPipe {
  const path = join(tempFolder(test), 'pipe');
  execFileSync('mkfifo', [path]);
  const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  test.after(() => closeSync(reader));
  const filler = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK);
  const size = fill(filler);
  const buffer = Buffer.alloc(1024 * 1024);
  const isOurs = (fd: string) => {
    try {
      return fd !== String(reader) && readlinkSync(`/proc/self/fd/${fd}`) === path;
    } catch {
      return false;
    }
  };
  closeSync(filler);
  return {
    path,
    size,
    read: () => buffer.toString('latin1', 0, readSync(reader, buffer)),
    isEnded: () => readSync(reader, buffer) === 0,
    get writers() {
      return readdirSync('/proc/self/fd').filter(isOurs).length;
    },
  };
}

function fill(fd: number): number {
  const block = Buffer.alloc(4096);
  for (let size = 0; ; size += block.length) {
    try {
      writeSync(fd, block);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return size;
      throw error;
    }
  }
}
