/** Work in the background that is asked for often: it runs once for all calls that come before it begins, never twice at a time. */
import { setImmediate as turn } from 'node:timers/promises';

export class BackgroundCheck {
  readonly #work: () => Promise<void>;
  readonly #onError: (error: unknown) => void;
  #running: Promise<void> | undefined;
  #isDue = false;
  #isStopped = false;

  /** `work` may ask for another run of itself. */
  constructor(work: () => Promise<void>, onError: (error: unknown) => void) {
    this.#work = work;
    this.#onError = onError;
  }

  get isStopped(): boolean {
    return this.#isStopped;
  }

  /** Asks for a run, in another turn of the event loop. */
  start(): void {
    this.#isDue = true;
    this.#running ??= turn()
      .then(() => this.#run())
      .catch(this.#onError)
      .finally(() => {
        this.#running = undefined;
        if (this.#isDue && !this.#isStopped) this.start();
      });
  }

  /** Asks for a run; resolves when no run is left. */
  async settled(): Promise<void> {
    this.start();
    while (this.#running) await this.#running;
  }

  /** Starts no more; resolves when the run under way is over. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#running;
  }

  async #run(): Promise<void> {
    while (this.#isDue && !this.#isStopped) {
      this.#isDue = false;
      await this.#work();
    }
  }
}
