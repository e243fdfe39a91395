/** All readers of one transfer, and the news that each of them needs. */
import type { FetchEnd } from '../fetch/fetcher.ts';

/** What waits for bytes of a transfer. */
export interface WaitingReader {
  /** Bytes handed out so far. */
  readonly delivered: number;
  /** The byte that it waits for, while it waits. */
  readonly waitsFor: number | undefined;
  /** Something has changed: bytes, the digest's verdict, a failure. */
  wake(): void;
  /** Its next bytes will not come. */
  fail(error: Error): void;
}

/** One per transfer. */
export class Readers {
  readonly #open = new Set<WaitingReader>();
  /** Why every reader ends. */
  #ended: Error | undefined;

  get count(): number {
    return this.#open.size;
  }

  add<Reader extends WaitingReader>(reader: Reader): Reader {
    this.#open.add(reader);
    if (this.#ended) reader.fail(this.#ended);
    return reader;
  }

  delete(reader: WaitingReader): void {
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

  /** Ends all readers with an error, those that come later as well. */
  end(error: Error): void {
    this.#ended = error;
    this.fail(error);
  }

  /** Ends the readers that `which` names with an error: their next bytes will not come. */
  fail(error: Error, which: (reader: WaitingReader) => boolean = () => true): void {
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
