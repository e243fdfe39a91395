/**
 * The capacity of the cache that one growing file needs, reserved once the blob's size is known. The reservation may take its
 * time: it is asked for once, though several fetches wait for it, and one that was released meanwhile is given back on arrival.
 */
import type { Reservation } from '../cache/cache.ts';
import type { SparseFile } from './file/sparse-file.ts';
import type { TransferDeps } from './transfer-deps.ts';

/** One per transfer: at most one reservation at a time. */
export class ReservedCapacity {
  readonly #reserve: TransferDeps['reserve'];
  readonly #file: Pick<SparseFile, 'written'>;
  #asked: Promise<boolean> | undefined;
  #reservation: Reservation | undefined;

  constructor({ reserve }: Pick<TransferDeps, 'reserve'>, file: Pick<SparseFile, 'written'>) {
    this.#reserve = reserve;
    this.#file = file;
  }

  /** Reserves for a blob of `size` bytes that belongs to these images; false if there is no capacity. */
  take(size: number, images: readonly string[]): Promise<boolean> {
    if (this.#asked) return this.#asked;
    const asked: Promise<boolean> = this.#ask(size, images, () => asked === this.#asked);
    this.#asked = asked;
    return asked;
  }

  /** Gives back what is reserved, or will be. */
  release(): void {
    this.#asked = undefined;
    this.#reservation?.release();
    this.#reservation = undefined;
  }

  async #ask(size: number, images: readonly string[], isWanted: () => boolean): Promise<boolean> {
    const { bytes: before } = this.#file.written;
    const written = () => this.#file.written.bytes - before;
    const reservation = await this.#reserve(Math.max(0, size - before), images, written);
    if (!isWanted()) {
      reservation?.release();
      return true;
    }
    this.#reservation = reservation;
    if (!reservation) this.#asked = undefined;
    return reservation !== undefined;
  }
}
