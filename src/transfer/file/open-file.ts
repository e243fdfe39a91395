/**
 * A file that is opened when it is first needed, and closed only when no read or write of it is under way: a descriptor
 * that is closed too early may belong to another file by then. Opening is synchronous, see `cache/incoming/partial-file.ts`.
 */
import { close } from 'node:fs';

/** Each `enter` is followed by one `leave`. */
export class OpenFile {
  readonly #open: () => number;
  #fd: number | undefined;
  #inUse = 0;
  #closed = false;

  constructor(open: () => number) {
    this.#open = open;
  }

  /** The descriptor, kept open until `leave`. Throws what opening throws. */
  enter(): number {
    this.#fd ??= this.#open();
    this.#inUse += 1;
    return this.#fd;
  }

  leave(): void {
    this.#inUse -= 1;
    this.#closeWhenIdle();
  }

  close(): void {
    this.#closed = true;
    this.#closeWhenIdle();
  }

  #closeWhenIdle(): void {
    if (!this.#closed || this.#inUse > 0 || this.#fd === undefined) return;
    const fd = this.#fd;
    this.#fd = undefined;
    close(fd);
  }
}
