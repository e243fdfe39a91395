/**
 * Shares calls in flight: callers with the same key get the same promise. A finished call is forgotten at once, so a failure is not
 * remembered.
 */
export class SingleFlight<T> {
  readonly #flights = new Map<string, Promise<T>>();

  /**
   * When a caller gives up (`leaves` aborts), the call keeps running but is no longer shared: it may be stuck on a dead connection,
   * so the next caller starts a new one.
   */
  run(key: string, work: () => Promise<T>, leaves?: AbortSignal): Promise<T> {
    const flight = this.#flights.get(key) ?? this.#begin(key, work);
    leaves?.addEventListener('abort', () => this.#forget(key, flight), { once: true });
    return flight;
  }

  /** Whether a call for `key` is in flight and shared. */
  has(key: string): boolean {
    return this.#flights.has(key);
  }

  #begin(key: string, work: () => Promise<T>): Promise<T> {
    const flight: Promise<T> = work().finally(() => this.#forget(key, flight));
    this.#flights.set(key, flight);
    return flight;
  }

  #forget(key: string, flight: Promise<T>): void {
    if (this.#flights.get(key) === flight) this.#flights.delete(key);
  }
}
