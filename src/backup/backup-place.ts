/**
 * Where a backup goes. A folder that is there, or a path that ends with a slash, is a folder of one backup (`folder-backup.ts`); any other
 * path is a file (`file-backup.ts`). Secrets are inside: only the owner may read either.
 */
import { lstatSync } from 'node:fs';
import { isAbsolute } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { formatSize } from '../config/toml/units.ts';
import { EntrepotError } from '../errors.ts';
import { isNoRoom } from '../lib/disk-space.ts';
import { reasonOf, systemCode } from '../lib/thrown.ts';
import type { Digest } from '../oci/digest.ts';
import type { BackupManifest } from './backup-manifest.ts';
import type { SourceStream } from './source-stream.ts';

/** What a place takes: everything that a backup holds. */
export interface BackupSource {
  readonly manifest: BackupManifest;
  /** Each digest once, with its bytes; files of the data folder first. There may be a million of them. */
  blobs(): Iterable<readonly [digest: Digest, size: number]>;
  /** Of all of them. */
  readonly bytes: number;
  has(digest: Digest): boolean;
  /** Throws DamagedContent, as its stream does, where the bytes are not those of the digest. */
  open(digest: Digest): Promise<SourceStream>;
}

export interface BackupWriting {
  readonly signal: AbortSignal;
  /** Bytes that were written, or were there already. */
  readonly onBytes: (bytes: number) => void;
  readonly freeBytes: (folder: string) => number;
}

/** What `each` gives for the blobs, with other work in between. */
export async function overBlobs(
  { blobs }: BackupSource,
  each: (digest: Digest, size: number) => void | Promise<void>,
): Promise<void> {
  let count = 0;
  for (const [digest, size] of blobs()) {
    const done = each(digest, size);
    if (done) await done;
    count += 1;
    if (count % 500 === 0) await turn();
  }
}

/** Permissions of files in a backup. */
export const backupMode = 0o600;

/** Whether `to`, an absolute path, means a folder. Throws EntrepotError: USAGE, BUNDLE_UNWRITABLE. */
export function isFolderBackup(to: string): boolean {
  if (!isAbsolute(to)) throw new EntrepotError('USAGE', 'the path of a backup must be absolute');
  try {
    return to.endsWith('/') || lstatSync(to, { throwIfNoEntry: false })?.isDirectory() === true;
  } catch (error) {
    // A folder on the way is closed to this user, or is none.
    throw backupUnwritable(to, error);
  }
}

/** Throws EntrepotError BUNDLE_UNWRITABLE where `bytes` have no room. */
export function checkBackupRoom(folder: string, bytes: number, free: number): void {
  if (bytes <= free) return;
  const message = `has ${formatSize(free)} free, and the backup needs ${formatSize(bytes)} more`;
  throw new EntrepotError('BUNDLE_UNWRITABLE', message, { file: folder });
}

/** What a failed write means for the person that gave `--to`. */
export function backupUnwritable(file: string, error: unknown): unknown {
  const code = systemCode(error);
  if (code === undefined || error instanceof EntrepotError) return error;
  const isPlace = ['ENOENT', 'EACCES', 'EROFS', 'EPERM', 'ENOTDIR'].includes(code);
  const hint = isPlace ? '' : '; the backup that was there before is as it was';
  const why = isNoRoom(error) ? 'no room is left' : reasonOf(error);
  return new EntrepotError('BUNDLE_UNWRITABLE', `cannot be written: ${why}${hint}`, { file, cause: error });
}
