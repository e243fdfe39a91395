/** A small file that is written whole or not at all: a draft beside it, flushed, then renamed into its place. */
import {
  closeSync,
  fchmodSync,
  fchownSync,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
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
  mkdirSync(dirname(file), { recursive: true, mode: modes.folder });
  putInPlace(file, modes.file, text);
}

/**
 * Writes a new text of a file that exists. The file keeps its mode and its owner; a link stays a link. Durable on return. Throws what the
 * file system throws; the old file then stays.
 */
export function replaceFileSafely(file: string, text: string): void {
  const real = realpathSync(file);
  const { mode, uid, gid } = statSync(real);
  putInPlace(real, 0o600, text, (fd) => {
    const made = fstatSync(fd);
    if (made.uid !== uid || made.gid !== gid) fchownSync(fd, uid, gid);
    fchmodSync(fd, mode & 0o7777);
  });
}

/** `finish` gets the draft, which has its text by then. */
function putInPlace(file: string, mode: number, text: string, finish = (_fd: number): void => {}): void {
  const draft = `${file}.${process.pid}.tmp`;
  try {
    withOpen(draft, 'w', mode, (fd) => {
      // A disk that fills up takes a part of a write: this writes the rest, or throws.
      writeFileSync(fd, text);
      finish(fd);
      fsyncSync(fd);
    });
    renameSync(draft, file);
  } catch (error) {
    rmSync(draft, { force: true });
    throw error;
  }
  withOpen(dirname(file), 'r', mode, fsyncSync);
}

function withOpen(path: string, flags: string, mode: number, work: (fd: number) => void): void {
  const fd = openSync(path, flags, mode);
  try {
    work(fd);
  } finally {
    closeSync(fd);
  }
}
