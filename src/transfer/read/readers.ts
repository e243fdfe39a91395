/** All readers of one transfer, and the news that each of them needs. */
import type { FetchEnd } from '../fetch/fetcher.ts';
import type { TransferReader } from './transfer-reader.ts';

/** One per transfer. */
export class Readers {
  readonly #open = new Set<TransferReader>();

  get count(): number {
    return this.#open.size;
  }

  add(reader: TransferReader): void {
    this.#open.add(reader);
  }

  delete(reader: TransferReader): void {
    this.#open.delete(reader);
  }

  /** A verdict, or the end of a fetch: every waiting reader looks again. */
  wake(): void {
    for (const reader of this.#open) reader.wake();
  }

  /** The bytes from `start` to before `end` have come: a reader that waits for one of them looks again. */
  wakeFor(start: number, end: number): void {
    for (const reader of this.#open) {
      const offset = reader.waitsFor;
      if (offset !== undefined && offset >= start && offset < end) reader.wake();
    }
  }

  /** Ends the readers that `which` names with an error: their next bytes will not come. */
  fail(error: Error, which: (reader: TransferReader) => boolean = () => true): void {
    for (const reader of this.#open) if (which(reader)) reader.fail(error);
  }

  /** A fetch found no endpoint that gives more: readers whose byte does not come otherwise fail, the others go on. */
  failWaiting(what: string, end: FetchEnd & { kind: 'failed' }, comes: (offset: number) => boolean): void {
    const last = end.trail.at(-1);
    const why = last ? `${last.endpoint}: ${last.reason ?? last.outcome}` : 'no endpoint to ask';
    for (const reader of this.#open) {
      const offset = reader.waitsFor;
      if (offset === undefined || comes(offset)) continue;
      reader.fail(new Error(`no endpoint gives byte ${offset} of ${what} (${why})`));
    }
  }
}
