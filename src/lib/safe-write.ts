/** A small file that is written whole or not at all: a draft beside it, flushed, then renamed into its place. */
import { closeSync, fsyncSync, mkdirSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';

/** For the owner alone (mode 600). Makes the folder. Durable on return. Throws what the file system throws; the old file then stays. */
export function writeFileSafely(file: string, text: string): void {
  const folder = dirname(file);
  const draft = `${file}.${process.pid}.tmp`;
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  try {
    withOpen(draft, 'w', (fd) => {
      writeSync(fd, text);
      fsyncSync(fd);
    });
    renameSync(draft, file);
  } catch (error) {
    rmSync(draft, { force: true });
    throw error;
  }
  withOpen(folder, 'r', fsyncSync);
}

function withOpen(path: string, flags: string, work: (fd: number) => void): void {
  const fd = openSync(path, flags, 0o600);
  try {
    work(fd);
  } finally {
    closeSync(fd);
  }
}
