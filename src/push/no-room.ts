import { NoRoom } from '../cache/no-room.ts';
import { isNoRoom as isDiskFull } from '../lib/disk-space.ts';
import { systemCode } from '../lib/thrown.ts';

/** Whether a write failed for want of room: on the disk, in a quota of the system, in the cache, or for a row of the index. */
export function isNoRoom(error: unknown): boolean {
  return error instanceof NoRoom || isDiskFull(error) || systemCode(error) === 'SQLITE_FULL';
}
