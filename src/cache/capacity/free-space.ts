/**
 * What the disk has free for writes to come. Bytes that transfers have reserved and not written yet are not free.
 *
 * A file system may refuse a write though it has free bytes: there are no inodes, or a quota of the system is used up. From then on it
 * counts as full for a minute: as many bytes must be evicted as come, and before the first of them a little more. A cache with nothing
 * to evict, such as one of hosted content alone, tries again at once.
 */
import type { Clock } from '../../lib/clock.ts';

export interface FreeSpaceDeps {
  readonly clock: Clock;
  /** Bytes that are free on the disk. */
  readonly free: () => number;
  /** Bytes of evicted files that are still to be removed. */
  readonly leaving: () => number;
  /** Bytes that eviction could free. */
  readonly evictable: () => number;
}

/** ms for which a refused write counts. */
const refusalTime = 60_000;
/** Share of the cache that goes after a refused write: the byte counts do not show what was missing. */
const refusalShare = 0.01;

/** See the head of the file. */
export class FreeSpace {
  readonly #deps: FreeSpaceDeps;
  /** For each reservation, the bytes that are still to come. */
  readonly #coming = new Set<() => number>();
  /** Monotonic. */
  #fullUntil = Number.NEGATIVE_INFINITY;
  /** Bytes that were evicted since the refused write, and that no reservation has taken yet. */
  #credit = 0;
  /** Bytes that must go in addition before the first ones come after a refused write. */
  #owed = 0;

  constructor(deps: FreeSpaceDeps) {
    this.#deps = deps;
  }

  /** Bytes that must be freed before `more` can come, with `minFree` left; not above 0 if there is space. */
  missing(more: number, minFree: number): number {
    const { clock, free, leaving, evictable } = this.#deps;
    if (clock.monotonic() < this.#fullUntil && evictable() > 0) {
      return more - this.#credit + (more > 0 ? this.#owed : 0);
    }
    let missing = more + minFree - free() - leaving();
    for (const left of this.#coming) missing += left();
    return missing;
  }

  /** The file system had no space for a write. */
  refused(): void {
    this.#fullUntil = this.#deps.clock.monotonic() + refusalTime;
    this.#credit = 0;
    this.#owed = this.#deps.evictable() * refusalShare;
  }

  /** Bytes were evicted. */
  freed(bytes: number): void {
    this.#credit += bytes;
  }

  /** All that was missing was freed. */
  settled(): void {
    this.#owed = 0;
  }

  /** Reserves bytes, of which `written` gives how many the file system counts by now. Gives the function that ends it: false if it was over. */
  take(bytes: number, written: () => number): () => boolean {
    this.#credit = Math.max(0, this.#credit - bytes);
    const left = () => bytes - written();
    this.#coming.add(left);
    return () => this.#coming.delete(left);
  }
}
