/**
 * Calls that are under way, by key: whoever asks for a key that is being worked on gets the same promise.
 * A finished call is forgotten at once, so a failure is not remembered.
 */
export class SingleFlight<T> {
  readonly #flights = new Map<string, Promise<T>>();

  /**
   * `leaves` is aborted when the caller waits no more. The call goes on, but whoever comes later begins anew: it may be waiting
   * for ever, on an old connection, for somebody who is well again by now.
   */
  run(key: string, work: () => Promise<T>, leaves?: AbortSignal): Promise<T> {
    const flight = this.#flights.get(key) ?? this.#begin(key, work);
    leaves?.addEventListener('abort', () => this.#forget(key, flight), { once: true });
    return flight;
  }

  /** Whether somebody is working on `key` now. */
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
