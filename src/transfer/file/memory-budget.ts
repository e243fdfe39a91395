/**
 * Bounds the bytes that all transfers together hold in memory. Above the limit, fetchers pause. They resume as soon as
 * about one write batch has left memory: on a busy machine each longer pause costs several turns of the scheduler.
 * Chunks that are kept only for readers that are slightly behind leave memory first.
 */
export interface BudgetMember {
  /** Lets go of all chunks that are on disk already, and writes the others. */
  shed(): void;
  /** Memory can take more again. Called in a turn of its own. */
  resume(): void;
}

/** One for all transfers. */
export class MemoryBudget {
  #limit: number;
  readonly #step: number;
  #used = 0;
  #short = false;
  readonly #members = new Set<BudgetMember>();

  /** Bytes. `step`: how far below the limit the used bytes must fall before fetchers resume; at most half of the limit. */
  constructor(limit: number, step: number) {
    this.#limit = limit;
    this.#step = step;
  }

  /** Sets another limit in bytes. Bytes over a smaller limit go to the disk first. */
  resize(limit: number): void {
    this.#limit = limit;
    this.give(0);
  }

  get used(): number {
    return this.#used;
  }

  join(member: BudgetMember): void {
    this.#members.add(member);
  }

  leave(member: BudgetMember): void {
    this.#members.delete(member);
  }

  /** Counts bytes that have arrived already; false when the caller should pause until `resume`. */
  take(bytes: number): boolean {
    this.#used += bytes;
    if (this.#used <= this.#limit) return true;
    if (!this.#short) {
      this.#short = true;
      for (const member of this.#members) member.shed();
    }
    return !this.#short;
  }

  give(bytes: number): void {
    this.#used -= bytes;
    if (!this.#short || this.#used > this.#limit - Math.min(this.#step, this.#limit / 2)) return;
    this.#short = false;
    // Not from within `take`: another body is in the HTTP parser then, which takes one body at a time.
    setImmediate(() => this.#resume());
  }

  #resume(): void {
    if (this.#short) return;
    for (const member of [...this.#members]) member.resume();
  }

  get isShort(): boolean {
    return this.#short;
  }
}
