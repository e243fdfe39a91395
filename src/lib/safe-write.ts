/** A small file that is written whole or not at all: a draft beside it, flushed, then renamed into its place. */
import { closeSync, fsyncSync, mkdirSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';

/** Permissions of what is new. */
export interface NewModes {
  readonly file: number;
  readonly folder: number;
}

const forOwner: NewModes = { file: 0o600, folder: 0o700 };
/** For files that other accounts read. */
export const forEveryone: NewModes = { file: 0o644, folder: 0o755 };

/** Makes the folder. Durable on return. Throws what the file system throws; the old file then stays. */
export function writeFileSafely(file: string, text: string, modes = forOwner): void {
  const folder = dirname(file);
  const draft = `${file}.${process.pid}.tmp`;
  mkdirSync(folder, { recursive: true, mode: modes.folder });
  try {
    withOpen(draft, 'w', modes.file, (fd) => {
      writeSync(fd, text);
      fsyncSync(fd);
    });
    renameSync(draft, file);
  } catch (error) {
    rmSync(draft, { force: true });
    throw error;
  }
  withOpen(folder, 'r', modes.file, fsyncSync);
}

function withOpen(path: string, flags: string, mode: number, work: (fd: number) => void): void {
  const fd = openSync(path, flags, mode);
  try {
    work(fd);
  } finally {
    closeSync(fd);
  }
}
