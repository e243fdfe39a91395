/** How soon a host usually answers: Jacobson's estimator, as TCP has it (RFC 6298), of a mean and of how far answers stray from it. */

/** ms, for a host that has not answered yet. */
export const firstHedgeDelay = 1000;
const shortestHedgeDelay = 500;
const longestHedgeDelay = 3000;

/** All times in ms. */
export class UsualTime {
  #mean: number | undefined;
  #deviation = 0;

  /** Undefined before the first answer. */
  get mean(): number | undefined {
    return this.#mean;
  }

  /** How long to wait for an answer before another endpoint is asked beside this one. */
  get hedgeDelay(): number {
    if (this.#mean === undefined) return firstHedgeDelay;
    return Math.min(longestHedgeDelay, Math.max(shortestHedgeDelay, this.#mean + 4 * this.#deviation));
  }

  /** Takes in the time that an answer took. */
  add(ms: number): void {
    if (this.#mean === undefined) {
      this.#mean = ms;
      this.#deviation = ms / 2;
      return;
    }
    const error = ms - this.#mean;
    this.#deviation += (Math.abs(error) - this.#deviation) / 4;
    this.#mean += error / 8;
  }
}
