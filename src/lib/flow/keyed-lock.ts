/** Runs work on the same key strictly one after the other. Different keys do not wait for each other. */
export class KeyedLock {
  readonly #last = new Map<string, Promise<unknown>>();

  /** Settles as `work` does, which begins once all earlier work on `key` is over, however it ended. */
  run<T>(key: string, work: () => Promise<T>): Promise<T> {
    const before = this.#last.get(key);
    const running = before ? before.then(work, work) : work();
    this.#last.set(key, running);
    const forget = () => {
      if (this.#last.get(key) === running) this.#last.delete(key);
    };
    running.then(forget, forget);
    return running;
  }

  /** Resolves when all work that was given so far is over. Never rejects. */
  async idle(): Promise<void> {
    await Promise.allSettled([...this.#last.values()]);
  }
}
