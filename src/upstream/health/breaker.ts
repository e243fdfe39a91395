/**
 * One circuit breaker. An endpoint with an open breaker is asked last; later it is probed by one request at a time.
 *
 *   closed --3 failures in a row, or told to--> open --backoff over--> half-open (one probe)
 *     ^                                          ^                        |
 *     +-------------- any answer ----------------|------------------------+ answered
 *                                                +------------------------+ failed: twice the backoff, up to 5 s
 */
import type { Clock } from '../../lib/clock.ts';
import { backoff } from '../../lib/flow/backoff.ts';

export type BreakerState = 'closed' | 'open' | 'half-open';

const failuresToOpen = 3;
const faultMemory = 60_000;
/** ms. Clients get stale content for `most` after an outage has ended. One request in five seconds is no load for a host. */
const bounds = { first: 2000, most: 5000 };
/** ms after which the next probe may be sent although this one has had no answer. */
const longestProbe = 5000;

export class Breaker {
  readonly #clock: Clock;
  #failures = 0;
  /** Monotonic ms of faults after good headers, the latest few. */
  #faults: number[] = [];
  /** Monotonic ms; undefined while closed. */
  #openUntil: number | undefined;
  #openings = 0;
  /** Monotonic ms at which the probe began. */
  #probedAt: number | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get #phase(): BreakerState {
    if (this.#openUntil === undefined) return 'closed';
    return this.#clock.monotonic() < this.#openUntil ? 'open' : 'half-open';
  }

  /** Half-open only for a caller that may probe. */
  get state(): BreakerState {
    const isProbed = this.#probedAt !== undefined && this.#clock.monotonic() - this.#probedAt < longestProbe;
    return isProbed && this.#phase === 'half-open' ? 'open' : this.#phase;
  }

  /** Whether there were enough failures to open it, or to open it again. */
  get isSuspect(): boolean {
    return this.#phase === 'half-open' || (this.#phase === 'closed' && this.#failures >= failuresToOpen);
  }

  claimProbe(): boolean {
    if (this.state !== 'half-open') return false;
    this.#probedAt = this.#clock.monotonic();
    return true;
  }

  releaseProbe(): void {
    this.#probedAt = undefined;
  }

  /** ms until the first probe; undefined if it was not closed before. */
  open(): number | undefined {
    this.#probedAt = undefined;
    if (this.#phase === 'open') return undefined;
    const wasClosed = this.#phase === 'closed';
    this.#openings += 1;
    const retryIn = backoff(this.#openings, bounds);
    this.#openUntil = this.#clock.monotonic() + retryIn;
    return wasClosed ? retryIn : undefined;
  }

  /** Whether it was open. */
  close(): boolean {
    const wasOpen = this.#openUntil !== undefined;
    this.#failures = 0;
    this.#openUntil = undefined;
    this.#openings = 0;
    this.#probedAt = undefined;
    return wasOpen;
  }

  failed(): void {
    this.#failures += 1;
  }

  /** Counts a fault after good headers. Good headers do not reset this count. Whether there were three within a minute. */
  faulted(): boolean {
    const now = this.#clock.monotonic();
    this.#faults = [...this.#faults.filter((at) => now - at < faultMemory), now];
    if (this.#faults.length < failuresToOpen) return false;
    this.#faults = [];
    return true;
  }
}
