/** Whether a write failed for want of room: on the disk, in a quota of the system, or in the cache. */
export function isNoRoom(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return error instanceof NoRoom || ('code' in error && (error.code === 'ENOSPC' || error.code === 'EDQUOT'));
}

/** The cache may not grow by so much. */
export class NoRoom extends Error {
  constructor() {
    super('there is no room in the cache');
    this.name = 'NoRoom';
  }
}
