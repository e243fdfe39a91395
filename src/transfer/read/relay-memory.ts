/**
 * Shares a fixed number of bytes among all relays: each may queue its share for a slow reader, so that many slow readers
 * cost no more memory than the bound, and few readers get large queues.
 */
const KiB = 1024;

export interface RelayMemoryOptions {
  /** Bytes that the queues of all relays may hold together, unless even the smallest queues hold more. */
  readonly total: number;
  /** Bytes that one queue may always hold, and may hold at most. */
  readonly least: number;
  readonly most: number;
}

const defaults: RelayMemoryOptions = {
  total: 64 * 1024 * KiB,
  least: 64 * KiB,
  most: 1024 * KiB,
};

/** One for all transfers. */
export class RelayMemory {
  readonly #options: RelayMemoryOptions;
  #relays = 0;

  constructor(options: RelayMemoryOptions = defaults) {
    this.#options = options;
  }

  /** Counts one more relay. Each call is followed by one `leave`. */
  enter(): void {
    this.#relays += 1;
  }

  leave(): void {
    this.#relays -= 1;
  }

  /** Bytes that each queue may hold now. */
  get share(): number {
    const { total, least, most } = this.#options;
    return Math.max(least, Math.min(most, Math.floor(total / Math.max(1, this.#relays))));
  }
}
