/** The data folder: what is where in it, made ready and found to be usable before anything is opened. */
import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  statSync,
  utimesSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { EntrepotError } from '../errors.ts';
import { systemCode } from '../lib/thrown.ts';
import { IncomingFolder } from './incoming/incoming-folder.ts';

export interface DataFolder {
  readonly lock: string;
  readonly index: string;
  /** Disk space that is held back for the index. */
  readonly reserve: string;
  readonly content: string;
  readonly incoming: IncomingFolder;
}

/** Whether the folder holds a cache. */
export function isDataFolder(data: string): boolean {
  return existsSync(join(data, 'content-v1'));
}

/** Makes what is missing. Throws DATA_UNUSABLE. */
export function prepareDataFolder(data: string): DataFolder {
  const folder: DataFolder = {
    lock: join(data, 'entrepot.lock'),
    index: join(data, 'index-v1.sqlite'),
    reserve: join(data, 'index-v1.reserve'),
    content: join(data, 'content-v1'),
    incoming: new IncomingFolder(join(data, 'incoming')),
  };
  makeUsable(data);
  shareWithGroup(data);
  makeUsable(folder.content);
  makeUsable(folder.incoming.path);
  for (const file of [folder.lock, folder.index]) {
    if (!statSync(file, { throwIfNoEntry: false })?.isDirectory()) continue;
    throw new EntrepotError(
      'DATA_UNUSABLE',
      `is a folder, and Entrepot needs a file there: remove it, ${elsewhere}`,
      {
        file,
      },
    );
  }
  // The process that made them may have been killed before this.
  try {
    flushFolder(data);
  } catch (error) {
    throw unusable(data, error);
  }
  if (statSync(folder.content).dev !== statSync(folder.incoming.path).dev) {
    throw new EntrepotError(
      'DATA_UNUSABLE',
      'is on another file system than content-v1, and what is finished is renamed into that: mount one for both',
      { file: folder.incoming.path },
    );
  }
  return folder;
}

/** Throws DATA_UNUSABLE. */
function makeUsable(path: string): void {
  try {
    makeFolder(path);
    accessSync(path, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error) {
    throw unusable(path, error);
  }
}

/** Why nothing can be cached: a folder that is gone and cannot be made again, or that takes no files. */
export function problemOf(folder: DataFolder): string | undefined {
  try {
    makeUsable(folder.content);
    makeUsable(folder.incoming.path);
    writeTo(folder.incoming.path);
    return undefined;
  } catch (error) {
    return error instanceof EntrepotError ? error.located : String(error);
  }
}

/** A file system that refuses writes after an error keeps the rights of its folders: only a write tells. */
function writeTo(path: string): void {
  try {
    const { atime, mtime } = statSync(path);
    utimesSync(path, atime, mtime);
  } catch (error) {
    // Its owner alone may do this: another user of the folder's group has to do without.
    if (systemCode(error) !== 'EPERM') throw unusable(path, error);
  }
}

/**
 * A data folder that its group may write is shared with later users of that group, such as the random users of OpenShift,
 * in group 0: what this process makes there is the group's too, whatever the umask says.
 */
function shareWithGroup(data: string): void {
  if ((statSync(data).mode & 0o020) !== 0) process.umask(process.umask() & ~0o070);
}

/**
 * With its parents, and for good: what is flushed into a folder is lost with the folder's own name. Node's own `recursive` never
 * returns if a parent accepts none, as /proc does.
 */
export function makeFolder(path: string): void {
  try {
    mkdirSync(path, { mode: 0o770 });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST' && statSync(path).isDirectory()) return;
    if (code !== 'ENOENT' || existsSync(dirname(path))) throw error;
    makeFolder(dirname(path));
    mkdirSync(path, { mode: 0o770 });
  }
  flushFolder(dirname(path));
}

/** Flushes the names in a folder. Throws what the file system says. */
export function flushFolder(path: string): void {
  const fd = openSync(path, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** DATA_UNUSABLE for what the file system refused; anything else as it is. */
export function unusable(path: string, error: unknown): unknown {
  const { code, path: refused } = error as NodeJS.ErrnoException;
  // SQLite names the call, too: SQLITE_IOERR_WRITE.
  const reason = code === undefined ? undefined : reasons[code.replace(/^(SQLITE_IOERR)_.*/, '$1')];
  if (reason === undefined) return error;
  return new EntrepotError('DATA_UNUSABLE', reason, { file: refused ?? path, cause: error });
}

const elsewhere = 'or choose another folder (--data, ENTREPOT_DATA or "data" in entrepot.toml)';
const noRights = `this process may not write here: give its user the rights, ${elsewhere}`;
const readOnly = `the file system is read-only: mount it writable, ${elsewhere}`;
/** SQLite says no more than this: of a file system, or of the rights to a file, as after a copy by another user. */
const readOnlyFile = `a file in it may not be written: give this process's user the rights to each file (a file system must be writable), ${elsewhere}`;
const noFolder = `is a file where the data folder needs a folder: remove it, ${elsewhere}`;
const tooLong = `has a name that is too long for the file system: choose a shorter one (--data, ENTREPOT_DATA or "data" in entrepot.toml)`;
const loop = `a symbolic link in this path leads back to itself: remove it, ${elsewhere}`;
const broken = `the disk refuses to read or write: the kernel's log (dmesg) says why. Mend it, ${elsewhere}`;
const full = `the disk is full: make room, ${elsewhere}`;

const reasons: Readonly<Record<string, string>> = {
  ENOENT: `cannot be created: create it yourself, ${elsewhere}`,
  EACCES: noRights,
  EPERM: noRights,
  EROFS: readOnly,
  EIO: broken,
  ENOTDIR: noFolder,
  EEXIST: noFolder,
  ENAMETOOLONG: tooLong,
  ELOOP: loop,
  ENOSPC: full,
  EDQUOT: full,
  SQLITE_READONLY: readOnlyFile,
  SQLITE_IOERR: broken,
  SQLITE_CANTOPEN: noRights,
  SQLITE_FULL: full,
};
