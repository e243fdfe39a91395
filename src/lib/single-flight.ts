/**
 * Calls that are under way, by key: whoever asks for a key that is being worked on gets the same promise.
 * A finished call is forgotten at once, so a failure is not remembered.
 */
export class SingleFlight<T> {
  readonly #flights = new Map<string, Promise<T>>();

  run(key: string, work: () => Promise<T>): Promise<T> {
    const running = this.#flights.get(key);
    if (running) return running;
    const flight = work().finally(() => this.#flights.delete(key));
    this.#flights.set(key, flight);
    return flight;
  }

  /** Whether somebody is working on `key` now. */
  has(key: string): boolean {
    return this.#flights.has(key);
  }
}
