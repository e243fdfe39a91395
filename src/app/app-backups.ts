/** Backups of this data folder: which files in it come along. */
import { accessFiles } from '../access/access-files.ts';
import { type Backups, type BackupsDeps, createBackups } from '../backup/backups.ts';
import type { OpenCache } from '../cache/open-cache.ts';

/** Robot tokens and signing keys: without them, clients would have to be given new ones. */
export const backedUpFiles: readonly string[] = Object.values(accessFiles);

/** Of the cache that is open in the folder `data`. */
export function createAppBackups(
  { cache, ...rest }: Omit<BackupsDeps, 'snapshots' | 'files' | 'data'> & { readonly cache: OpenCache },
  data: string,
): Backups {
  return createBackups({ ...rest, snapshots: cache.snapshots, data, files: backedUpFiles });
}
