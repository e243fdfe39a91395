/**
 * One growing file: the bytes that readers can have (`present`: in memory or on disk), those that are on disk
 * (`written`), the ways to read both, and the running digest of the contiguous prefix. It knows nothing of endpoints or
 * readers.
 */
import { read } from 'node:fs';
import type { PartialFile } from '../../cache/incoming/partial-file.ts';
import type { Hasher, PrefixHash } from '../../lib/bytes/hasher.ts';
import type { ReadBlocks } from '../../lib/bytes/read-blocks.ts';
import type { Clock, Timer } from '../../lib/clock.ts';
import { type Digest, digestAlgorithm } from '../../oci/digest.ts';
import type { BlobSize } from '../blob-size.ts';
import type { TransferLimits } from '../limits.ts';
import { FileWriter, type WriteVector } from './file-writer.ts';
import type { MemoryBudget } from './memory-budget.ts';
import { OpenFile } from './open-file.ts';
import type { RangeSet } from './range-set.ts';
import type { ResumeState } from './resume-state.ts';

export interface SparseFileDeps {
  readonly clock: Clock;
  readonly writev: WriteVector;
  readonly budget: MemoryBudget;
  readonly blocks: Pick<ReadBlocks, 'release'>;
  readonly limits: Pick<TransferLimits, 'writeBatch' | 'keepWritten' | 'saveEvery' | 'hashStep'>;
  readonly size: BlobSize;
  readonly hasher: Hasher;
  readonly digest: Digest;
  /** The file can take no more. What is written, and what is in memory, stays readable. */
  readonly onError: (error: NodeJS.ErrnoException) => void;
  /** The cache is told of the same error: a full disk counts as full for a while. */
  readonly writeFailed: (error: unknown) => void;
}

/** One per transfer. `close` it after the last reader. */
export class SparseFile {
  readonly path: string;
  readonly partial: PartialFile;
  readonly present: RangeSet;
  readonly written: RangeSet;
  /** Counts the times that all bytes were thrown away. */
  epoch = 0;
  readonly #deps: SparseFileDeps;
  readonly #writers = new Set<FileWriter>();
  #file: OpenFile;
  #hash: PrefixHash | undefined;
  /** Offset before which the hasher was asked to hash. */
  #hashGoal = 0;
  #saveTimer: Timer | undefined;
  #saving: Promise<void> | undefined;
  #savedBytes: number;
  #closed = false;
  #gone = false;
  #broken = false;

  constructor(deps: SparseFileDeps, found: ResumeState) {
    this.#deps = deps;
    this.partial = found.file;
    this.path = found.file.path;
    this.written = found.ranges.copy();
    this.present = found.ranges.copy();
    this.#savedBytes = found.ranges.bytes;
    const keep = found.ranges.bytes > 0;
    this.#file = new OpenFile(() => this.partial.open(keep));
  }

  /** Makes the file and starts its hash, where that is not done yet; false where the file cannot be made (`onError` has been called). */
  create(): boolean {
    try {
      this.#file.enter();
      this.#file.leave();
      if (!this.#hash) {
        this.#hash = this.#deps.hasher.begin(this.path, digestAlgorithm(this.#deps.digest));
        this.#hashGoal = 0;
        this.#advanceHash();
      }
      return true;
    } catch (error) {
      // The bytes that are in the file cannot be read either.
      this.present.clear();
      this.written.clear();
      this.#break(error as NodeJS.ErrnoException);
      return false;
    }
  }

  /** A writer for bytes from `offset` on. */
  writer(offset: number, onCapacity: () => void): FileWriter {
    const file = this.#file;
    const writer: FileWriter = new FileWriter(
      {
        write: (buffers, position, done) => {
          let fd: number;
          try {
            fd = file.enter();
          } catch (error) {
            done(error as NodeJS.ErrnoException, 0);
            return;
          }
          this.#deps.writev(fd, buffers, position, (error, count) => {
            file.leave();
            done(error, count);
          });
        },
        budget: this.#deps.budget,
        blocks: this.#deps.blocks,
        writeBatch: this.#deps.limits.writeBatch,
        keepWritten: this.#deps.limits.keepWritten,
        onWritten: (start, end) => {
          this.written.add(start, end);
          this.#saveSoon();
          this.#advanceHash();
        },
        onError: (error) => this.#break(error),
        onCapacity,
      },
      offset,
    );
    this.#writers.add(writer);
    return writer;
  }

  /** Takes the bytes of a fetch; false asks it to pause. */
  append(writer: FileWriter, offset: number, chunk: Buffer): boolean {
    if (this.#broken) return true;
    this.present.add(offset, offset + chunk.length);
    // The bytes of a slow endpoint are saved before they fill a batch.
    this.#saveSoon();
    return writer.append(chunk);
  }

  /** Ends the writer of a fetch that is over: its bytes go to the disk, then leave memory. */
  async retire(writer: FileWriter): Promise<void> {
    await writer.flush();
    // A relay still hashes these bytes from memory: they will never be written.
    if (this.#broken) return;
    this.#writers.delete(writer);
    writer.close();
  }

  chunkAt(offset: number): Buffer | undefined {
    for (const writer of this.#writers) {
      const chunk = writer.chunkAt(offset);
      if (chunk) return chunk;
    }
    return undefined;
  }

  /** Reads bytes that are on disk into `buffer`, from `offset`; returns how many. Rejects after `onError` was called. */
  async read(buffer: Buffer, offset: number, length: number): Promise<number> {
    const file = this.#file;
    try {
      return await new Promise((resolve, reject) => {
        read(file.enter(), buffer, 0, length, offset, (error, count) => {
          file.leave();
          if (error) reject(error);
          else if (count === 0) reject(new Error(`${this.path} is shorter than its ranges say`));
          else resolve(count);
        });
      });
    } catch (error) {
      if (file === this.#file) this.#break(error as NodeJS.ErrnoException);
      throw error;
    }
  }

  /** Resolves when everything that is present now is on disk, or never will be (`onError`). */
  async flush(): Promise<void> {
    await Promise.all([...this.#writers].map((writer) => writer.flush()));
  }

  /** Hex digest of the first `size` bytes, which are present. Rejects when they cannot be written or read. */
  async digest(size: number): Promise<string> {
    await this.flush();
    if (!this.create() || !this.#hash || this.#broken) throw new Error(`${this.path} cannot be written`);
    const hash = this.#hash;
    this.#hash = undefined;
    return hash.finish(size);
  }

  /** Throws all bytes away; the next ones go into a fresh file. A read of the old file that is under way is not disturbed. */
  restart(): void {
    this.epoch += 1;
    this.#stopHash();
    this.#dropWriters();
    this.present.clear();
    this.written.clear();
    this.#savedBytes = 0;
    this.#file.close();
    this.partial.remove();
    this.#file = new OpenFile(() => this.partial.open(false));
  }

  /** Saves the ranges now, for the next transfer. One save runs after another, as they share a temporary file. */
  async save(): Promise<void> {
    await this.#saving;
    if (this.#saving) return this.#saving;
    if (this.#broken || this.#gone || this.written.bytes === 0) return;
    const { epoch } = this;
    const { bytes } = this.written;
    // The file may be removed while its ranges are being saved.
    const isVoid = () => this.#gone || epoch !== this.epoch;
    this.#saving = this.partial
      .save({ size: this.#deps.size.announced, ranges: this.written.toJSON() })
      .then(() => {
        if (!isVoid()) this.#savedBytes = bytes;
      })
      .catch((error: NodeJS.ErrnoException) => {
        if (!isVoid()) this.#break(error);
      })
      .finally(() => {
        this.#saving = undefined;
        if (isVoid()) this.partial.removeRanges();
      });
    await this.#saving;
  }

  /** Whether the next transfer finds all that is present, or never will. */
  get isSaved(): boolean {
    return this.#broken || this.#gone || this.#savedBytes === this.present.bytes;
  }

  /** Bytes that stay on the disk for the next transfer. */
  get leftBytes(): number {
    return this.#gone ? 0 : this.written.bytes;
  }

  /** Resolves when nothing is being saved; undefined where nothing is. */
  get saving(): Promise<void> | undefined {
    return this.#saving;
  }

  /** The blob has been moved into the store: only the ranges are left to remove. */
  moved(): void {
    this.#forget();
    this.partial.removeRanges();
  }

  /** Removes the file from the folder. Readers that have it open can read on. */
  remove(): void {
    this.#forget();
    this.partial.remove();
  }

  /** Frees descriptors and memory, after the last reader. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#saveTimer?.cancel();
    this.#stopHash();
    this.#dropWriters();
    this.#file.close();
  }

  #forget(): void {
    this.#gone = true;
    this.#stopHash();
    this.#saveTimer?.cancel();
  }

  /** Lets the hash follow in steps, since each one wakes another thread. */
  #advanceHash(): void {
    const to = this.written.firstHole(0);
    if (to - this.#hashGoal < this.#deps.limits.hashStep) return;
    this.#hashGoal = to;
    this.#hash?.advance(to);
  }

  #stopHash(): void {
    this.#hash?.abandon();
    this.#hash = undefined;
  }

  #dropWriters(): void {
    for (const writer of this.#writers) writer.close();
    this.#writers.clear();
  }

  #saveSoon(): void {
    if (this.#saveTimer || this.#closed || this.#gone) return;
    this.#saveTimer = this.#deps.clock.after(this.#deps.limits.saveEvery, () => {
      this.#saveTimer = undefined;
      void this.flush().then(() => this.save());
    });
  }

  #break(error: NodeJS.ErrnoException): void {
    if (this.#broken) return;
    this.#broken = true;
    this.#stopHash();
    for (const writer of this.#writers) writer.stop();
    this.#deps.writeFailed(error);
    this.#deps.onError(error);
  }
}
