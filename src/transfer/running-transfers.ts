/** The transfers that have not ended, by digest: one blob may have several, of different images. */
import type { Digest } from '../oci/digest.ts';
import type { Transfer } from './transfer.ts';
import { type TransferNow, transferNow } from './transfer-now.ts';

/** A transfer is added at its start and deleted at its end, or as soon as its blob is in the store. */
export class RunningTransfers {
  readonly #byDigest = new Map<Digest, Transfer[]>();
  readonly #began = new WeakMap<Transfer, number>();

  get all(): readonly Transfer[] {
    return [...this.#byDigest.values()].flat();
  }

  of(digest: Digest): readonly Transfer[] {
    return this.#byDigest.get(digest) ?? [];
  }

  /** `now`: epoch ms. */
  add(transfer: Transfer, now: number): void {
    this.#began.set(transfer, now);
    this.#byDigest.set(transfer.digest, [...this.of(transfer.digest), transfer]);
  }

  /** What each of them is doing. */
  list(): readonly TransferNow[] {
    return this.all.map((transfer) => transferNow(transfer, this.#began.get(transfer) ?? 0));
  }

  /** False if it was not there. */
  delete(transfer: Pick<Transfer, 'digest' | 'file'>): boolean {
    const before = this.of(transfer.digest);
    const left = before.filter((one) => one.file !== transfer.file);
    if (left.length > 0) this.#byDigest.set(transfer.digest, left);
    else this.#byDigest.delete(transfer.digest);
    return left.length < before.length;
  }
}
