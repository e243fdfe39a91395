/** Writes a backup where `--to` says: into a folder, or a file. */
import { freeOnDisk } from '../lib/disk-space.ts';
import { type BackupWriting, isFolderBackup } from './backup-place.ts';
import type { WriteBackup } from './backups.ts';
import { writeFileBackup } from './file-backup.ts';
import { writeFolderBackup } from './folder-backup.ts';

/** `to`: absolute. Throws EntrepotError USAGE; what it gives rejects with BUNDLE_UNWRITABLE. A backup that was there stays until all is written. */
export function createWriteBackup(
  to: string,
  { signal, onProgress }: Pick<BackupWriting, 'signal'> & BackupProgressing,
): WriteBackup {
  const write = isFolderBackup(to) ? writeFolderBackup : writeFileBackup;
  return (source) => {
    let done = 0;
    const onBytes = (bytes: number) => {
      done += bytes;
      onProgress({ done: Math.min(done, source.bytes), size: source.bytes });
    };
    return write(to, source, { signal, onBytes, freeBytes: freeOnDisk });
  };
}

interface BackupProgressing {
  /** Bytes that are in the backup, and of all. */
  readonly onProgress: (progress: { readonly done: number; readonly size: number }) => void;
}
