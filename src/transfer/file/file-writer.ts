/**
 * Writes the bytes of one fetch behind it. Chunks are readable from memory from the moment they arrive, and leave it
 * when they are on disk: writing before serving would make every reader wait for the page cache.
 *
 *      #chunks  | kept for readers | being written | waiting |
 *               first          #written        #inFlight     end
 */
import type { ReadBlocks } from '../../lib/bytes/read-blocks.ts';
import type { BudgetMember, MemoryBudget } from './memory-budget.ts';

/** The one call that may meet a full or broken disk; tests put a faulty one in its place. */
export type WriteVector = (
  fd: number,
  buffers: readonly Uint8Array[],
  position: number,
  done: (error: NodeJS.ErrnoException | null, written: number) => void,
) => void;

export interface FileWriterDeps {
  readonly write: (
    buffers: readonly Uint8Array[],
    position: number,
    done: (error: NodeJS.ErrnoException | null, written: number) => void,
  ) => void;
  readonly budget: MemoryBudget;
  /** Chunks come from here, and go back when they leave memory. */
  readonly blocks: Pick<ReadBlocks, 'release'>;
  readonly writeBatch: number;
  readonly keepWritten: number;
  /** Bytes that have reached the file. */
  readonly onWritten: (start: number, end: number) => void;
  readonly onError: (error: NodeJS.ErrnoException) => void;
  /** Memory can take more. */
  readonly onCapacity: () => void;
}

interface Chunk {
  readonly start: number;
  readonly data: Buffer;
}

/** The kernel takes at most 1024 buffers in one call (IOV_MAX). */
const maxVector = 512;

/** One per fetch and gapless run of bytes. `close` it, or its chunks stay in the budget. */
export class FileWriter implements BudgetMember {
  readonly #deps: FileWriterDeps;
  #chunks: Chunk[] = [];
  #end: number;
  #written: number;
  #writing = false;
  #closed = false;
  /** Callers that wait until the bytes before an offset are in the file, in the order of the offsets. */
  #flushes: { readonly upTo: number; readonly resolve: () => void }[] = [];

  constructor(deps: FileWriterDeps, start: number) {
    this.#deps = deps;
    this.#end = start;
    this.#written = start;
    deps.budget.join(this);
  }

  /** Offset after the last byte that was appended. */
  get end(): number {
    return this.#end;
  }

  /** Appends; false asks the fetch to pause until `onCapacity`. */
  append(data: Buffer): boolean {
    this.#chunks.push({ start: this.#end, data });
    this.#end += data.length;
    const hasCapacity = this.#deps.budget.take(data.length);
    if (!hasCapacity || this.#end - this.#written >= this.#deps.writeBatch) this.#write();
    return hasCapacity;
  }

  /** The bytes from `offset` on that one chunk in memory holds. */
  chunkAt(offset: number): Buffer | undefined {
    const chunks = this.#chunks;
    const first = chunks[0];
    if (!first || offset < first.start || offset >= this.#end) return undefined;
    let low = 0;
    let high = chunks.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if ((chunks[middle]?.start ?? 0) <= offset) low = middle;
      else high = middle - 1;
    }
    const chunk = chunks[low];
    return chunk?.data.subarray(offset - chunk.start);
  }

  /** Resolves when all that was appended until now is in the file, or never will be (`onError`). */
  flush(): Promise<void> {
    if (this.#written === this.#end || this.#closed) return Promise.resolve();
    this.#write();
    // Bytes that come meanwhile are not waited for: while bytes come fast, that might take for ever.
    return new Promise((resolve) => this.#flushes.push({ upTo: this.#end, resolve }));
  }

  shed(): void {
    this.#release(0);
    this.#write();
  }

  resume(): void {
    this.#deps.onCapacity();
  }

  /** Writes no more; a write under way may still reach the file, and is not announced. Memory can be read until `close`. */
  stop(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#deps.budget.leave(this);
    this.#deps.budget.give(this.#chunks.reduce((held, { data }) => held + data.length, 0));
    this.#settleFlushes(Number.POSITIVE_INFINITY);
  }

  /** Stops, and lets go of all that is in memory. */
  close(): void {
    this.stop();
    // The kernel may still read the chunks of a write under way: those are left to the garbage collector.
    if (!this.#writing) for (const { data } of this.#chunks) this.#deps.blocks.release(data);
    this.#chunks = [];
  }

  #write(): void {
    if (this.#writing || this.#closed || this.#written === this.#end) return;
    const buffers: Buffer[] = [];
    let bytes = 0;
    for (const chunk of this.#chunks) {
      if (chunk.start < this.#written) continue;
      if (buffers.length === maxVector || bytes >= this.#deps.writeBatch) break;
      buffers.push(chunk.data);
      bytes += chunk.data.length;
    }
    this.#writing = true;
    this.#writeAll(buffers, this.#written, bytes);
  }

  #writeAll(buffers: Buffer[], position: number, bytes: number): void {
    this.#deps.write(buffers, position, (error, count) => {
      if (this.#closed) return;
      if (error) {
        this.#writing = false;
        this.#deps.onError(error);
        return;
      }
      if (count < bytes) {
        // A disk that fills up takes a part first, and gives the error for the rest.
        this.#writeAll(dropFront(buffers, count), position + count, bytes - count);
        return;
      }
      this.#writing = false;
      const from = this.#written;
      this.#written = position + count;
      this.#deps.onWritten(from, this.#written);
      this.#release(this.#deps.budget.isShort ? 0 : this.#deps.keepWritten);
      this.#settleFlushes(this.#written);
      if (this.#flushes.length > 0 || this.#deps.budget.isShort || this.#pendingBatch()) this.#write();
    });
  }

  #pendingBatch(): boolean {
    return this.#end - this.#written >= this.#deps.writeBatch;
  }

  /** Drops the chunks that are on disk from the front, apart from their last `keep` bytes. */
  #release(keep: number): void {
    const until = this.#written - keep;
    let count = 0;
    let bytes = 0;
    for (const chunk of this.#chunks) {
      if (chunk.start + chunk.data.length > until) break;
      count += 1;
      bytes += chunk.data.length;
      this.#deps.blocks.release(chunk.data);
    }
    if (count === 0) return;
    this.#chunks.splice(0, count);
    this.#deps.budget.give(bytes);
  }

  #settleFlushes(upTo: number): void {
    for (let first = this.#flushes[0]; first && first.upTo <= upTo; first = this.#flushes[0]) {
      this.#flushes.shift();
      first.resolve();
    }
  }
}

function dropFront(buffers: Buffer[], count: number): Buffer[] {
  const rest: Buffer[] = [];
  for (const buffer of buffers) {
    if (count >= buffer.length) count -= buffer.length;
    else {
      rest.push(count > 0 ? buffer.subarray(count) : buffer);
      count = 0;
    }
  }
  return rest;
}
