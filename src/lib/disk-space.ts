/** Space of the file system that a folder is on, in bytes. */
import { statfsSync } from 'node:fs';
import { systemCode } from './thrown.ts';

/** Free for this process. Throws what the file system says, for example ENOENT. */
export function freeOnDisk(folder: string): number {
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize;
}

/** In all. Throws like `freeOnDisk`. */
export function sizeOfDisk(folder: string): number {
  const { blocks, bsize } = statfsSync(folder);
  return blocks * bsize;
}

/** Whether the file system refused a write for want of space, of whatever kind: bytes, inodes, a quota. */
export function isNoRoom(error: unknown): boolean {
  return ['ENOSPC', 'EDQUOT'].includes(systemCode(error) ?? '');
}
