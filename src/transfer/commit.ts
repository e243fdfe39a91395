/**
 * A blob's way into the store: capacity for it, the verdict on its bytes, and then one of
 *
 *   commit ... the cache renames the file into the store and counts its bytes from then on
 *   pass on .. another replica keeps the blob (`cluster.keep`): the file goes once its readers have left
 *   reject ... the contributors are blamed, and the bytes are fetched again, a few times
 *   leave .... the bytes stay on disk for the next transfer, which can still blame their contributors
 *
 * It works on the file and says what came of it; the transfer decides what follows.
 */
import { type Digest, digestHex } from '../oci/digest.ts';
import type { BlobSize } from './blob-size.ts';
import type { Contributors } from './fetch/contributors.ts';
import type { SparseFile } from './file/sparse-file.ts';
import { ReservedCapacity } from './reserved-capacity.ts';
import type { TransferDeps } from './transfer-deps.ts';

export interface CommittedBlob {
  readonly digest: Digest;
  readonly file: Pick<SparseFile, 'path' | 'present' | 'written' | 'digest' | 'moved' | 'remove' | 'saving'>;
  readonly size: BlobSize;
  readonly contributors: Pick<Contributors, 'blame' | 'known'>;
}

export type CommitDeps = Pick<
  TransferDeps,
  'commit' | 'keeps' | 'reserve' | 'partialDownloads' | 'contributorMemory' | 'metrics' | 'log' | 'limits'
>;

/** One per transfer. */
export class Commit {
  readonly #blob: CommittedBlob;
  readonly #deps: CommitDeps;
  readonly #capacity: ReservedCapacity;
  /** How often all bytes were thrown away because they were wrong. */
  #rejections = 0;
  #isPassedOn = false;

  constructor(blob: CommittedBlob, deps: CommitDeps) {
    this.#blob = blob;
    this.#deps = deps;
    const { digest, file } = blob;
    const reserve: CommitDeps['reserve'] = (bytes, images, written) =>
      deps.reserve(bytes, images, written, digest);
    this.#capacity = new ReservedCapacity({ reserve }, file);
  }

  /** Whether the bytes were wrong so often that they are not fetched again. */
  get isGivenUp(): boolean {
    return this.#rejections >= this.#deps.limits.attempts;
  }

  /** The verified blob goes with its readers, since another replica keeps it: it is too late to want it stored. */
  get isPassedOn(): boolean {
    return this.#isPassedOn;
  }

  /** Capacity for the whole blob, once its size is known; false where there is none. */
  async reserve(images: readonly string[]): Promise<boolean> {
    const { value } = this.#blob.size;
    return value === undefined || this.#capacity.take(value, images);
  }

  release(): void {
    this.#capacity.release();
  }

  /** Whether the first `size` bytes, which are present, have the digest. Rejects when they cannot be written or read. */
  async isRight(size: number): Promise<boolean> {
    const { file, digest } = this.#blob;
    // Bytes after the end show that one of two endpoints is wrong about the size.
    if (file.present.end > size) return false;
    return (await file.digest(size)) === digestHex(digest);
  }

  /**
   * Takes the verified blob into the store, unless it is only passed on and not wanted here (`isWanted`). Never rejects; false where it
   * is not stored, and the file is removed.
   */
  async store(size: number, isWanted: boolean): Promise<boolean> {
    const { file, digest } = this.#blob;
    const { log, metrics, keeps } = this.#deps;
    let isStored = false;
    try {
      this.#isPassedOn = !isWanted && keeps?.(digest) === false;
      if (this.#isPassedOn) this.#remove();
      else {
        await this.#deps.commit(digest, size, file.path);
        isStored = true;
        // The cache counts the blob as content now: what was left of an earlier run must not count beside it.
        this.#deps.partialDownloads.forget(file.path);
        file.moved();
      }
    } catch (error) {
      const event = 'transfer.notStored';
      log.error({ event, digest, reason: `${error}` }, 'a blob was served but cannot be stored');
      this.#remove();
    }
    this.#capacity.release();
    metrics.transferEnded(isStored ? 'stored' : 'relayed');
    await file.saving;
    return isStored;
  }

  /** The blob is passed on without being kept: its file goes. */
  relay(reason: string): void {
    const { log, metrics } = this.#deps;
    this.#capacity.release();
    this.#remove();
    metrics.transferEnded('relayed');
    log.error(
      { event: 'transfer.relayed', digest: this.#blob.digest, reason },
      'a blob is passed on without being kept',
    );
  }

  /** The bytes are wrong: blames the contributors, and doubts the size that came with the bytes. */
  reject(): void {
    const { contributors, size } = this.#blob;
    contributors.blame(size.isAssumed);
    size.doubt();
    this.#rejections += 1;
  }

  /** The transfer closes before the blob is whole. A file without bytes goes. */
  leave(): void {
    const { file, contributors } = this.#blob;
    this.#deps.metrics.transferEnded('failed');
    if (file.written.bytes === 0) this.#remove();
    else this.#deps.contributorMemory.keep(file.path, contributors.known);
  }

  /** From now on the path may be that of a successor, which counts its bytes itself. */
  #remove(): void {
    const { file } = this.#blob;
    file.remove();
    this.#deps.partialDownloads.forget(file.path);
  }
}
