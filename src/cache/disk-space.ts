/** Space of the file system that a folder is on, in bytes. */
import { statfsSync } from 'node:fs';

/** Free for this process. */
export function freeOnDisk(folder: string): number {
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize;
}

/** In all. */
export function sizeOfDisk(folder: string): number {
  const { blocks, bsize } = statfsSync(folder);
  return blocks * bsize;
}
