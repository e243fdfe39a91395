/** The cache may not grow by so much: `cache.max_size`, a quota or the disk is against it, and nothing can be evicted. */
export class NoRoom extends Error {
  constructor() {
    super('there is no room in the cache');
    this.name = 'NoRoom';
  }
}
