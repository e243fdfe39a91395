/** The room in the cache that one growing file needs, reserved once the blob's size is known. */
import type { Reservation } from '../cache/cache.ts';
import type { SparseFile } from './file/sparse-file.ts';
import type { TransferDeps } from './transfer-deps.ts';

export class ReservedRoom {
  readonly #reserve: TransferDeps['reserve'];
  readonly #file: SparseFile;
  #reservation: Reservation | undefined;

  constructor({ reserve }: Pick<TransferDeps, 'reserve'>, file: SparseFile) {
    this.#reserve = reserve;
    this.#file = file;
  }

  /** For the whole blob of these images; false if there is none. */
  take(size: number, images: readonly string[]): boolean {
    if (this.#reservation) return true;
    const { bytes: before } = this.#file.written;
    const written = () => this.#file.written.bytes - before;
    this.#reservation = this.#reserve(Math.max(0, size - before), images, written);
    return this.#reservation !== undefined;
  }

  release(): void {
    this.#reservation?.release();
    this.#reservation = undefined;
  }
}
