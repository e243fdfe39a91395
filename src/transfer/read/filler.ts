/**
 * Waits until a whole blob is present and verified, and wants each missing byte in turn. It takes no bytes, so nothing is read from the
 * disk or held in memory for it.
 */
import { asError } from '../../lib/thrown.ts';
import type { WaitingReader } from './readers.ts';
import type { Readable } from './transfer-reader.ts';

/** Bytes are told again after so many. */
const step = 1024 * 1024;

/** What a filler needs of its transfer. */
export interface Fillable extends Pick<Readable, 'file' | 'isVerified' | 'isRelaying' | 'want'> {
  await(reader: WaitingReader): void;
  forget(reader: WaitingReader): void;
  settled(): Promise<void>;
}

/**
 * Brings the whole blob into the store without a reader. Resolves when it is there, or the store could not take it; with false where
 * the cache has no room for it. Rejects where the bytes cannot be had, or `signal` is aborted. `tell` gets the number of bytes that are
 * present.
 */
export async function fillTransfer(
  transfer: Fillable,
  signal: AbortSignal,
  tell: (present: number) => void,
): Promise<boolean> {
  const filler = new Filler(transfer, tell);
  const abort = () => filler.fail(asError(signal.reason));
  if (signal.aborted) abort();
  signal.addEventListener('abort', abort);
  transfer.await(filler);
  let isVerified = false;
  try {
    isVerified = await filler.verified();
  } finally {
    signal.removeEventListener('abort', abort);
    transfer.forget(filler);
  }
  await transfer.settled();
  return isVerified;
}

/** One per wait. It counts as a reader of the transfer, one that has received nothing: wrong bytes may be fetched again for it. */
class Filler implements WaitingReader {
  readonly delivered = 0;
  waitsFor: number | undefined;
  readonly #transfer: Fillable;
  readonly #tell: (present: number) => void;
  #told = 0;
  #error: Error | undefined;
  #woken: (() => void) | undefined;

  /** `tell` gets the bytes that are present. */
  constructor(transfer: Fillable, tell: (present: number) => void) {
    this.#transfer = transfer;
    this.#tell = tell;
  }

  /** True once the blob is verified; false where the cache has no room for it. Rejects where it cannot be had. */
  async verified(): Promise<boolean> {
    for (;;) {
      if (this.#error) throw this.#error;
      if (this.#transfer.isVerified) return true;
      if (this.#transfer.isRelaying) return false;
      await this.#wait();
    }
  }

  wake(): void {
    const woken = this.#woken;
    this.#woken = undefined;
    this.waitsFor = undefined;
    woken?.();
  }

  fail(error: Error): void {
    this.#error ??= error;
    this.wake();
  }

  #wait(): Promise<void> {
    const { present } = this.#transfer.file;
    if (present.bytes - this.#told >= step) {
      this.#told = present.bytes;
      this.#tell(present.bytes);
    }
    return new Promise((resolve) => {
      this.#woken = resolve;
      this.waitsFor = present.firstHole(0);
      this.#transfer.want(this.waitsFor, { start: 0, end: undefined });
    });
  }
}
