/**
 * The bytes that all transfers together hold in memory. Over the limit, fetchers pause; when enough has gone to
 * the disk, all of them go on. Chunks that are kept only for readers' convenience are the first to go.
 */
export interface BudgetMember {
  /** Lets go of everything that is on disk already. */
  shed(): void;
  /** There is room again. */
  resume(): void;
}

export class MemoryBudget {
  #limit: number;
  #used = 0;
  #short = false;
  readonly #members = new Set<BudgetMember>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** For what arrives from now on: what is over a smaller limit goes to the disk first. */
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

  /** Takes what has arrived already; false when the caller should pause until `resume`. */
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
    if (!this.#short || this.#used > this.#limit / 2) return;
    this.#short = false;
    for (const member of [...this.#members]) member.resume();
  }

  get isShort(): boolean {
    return this.#short;
  }
}
