/**
 * One reader of a transfer: its bytes come from memory where it has caught up, from the file where it is behind, and
 * past the disk where the disk has no capacity. A reader that is slow or leaves changes nothing for the others.
 */

import { renew } from '../../lib/bytes/buffer-pool.ts';
import type { OpenRange } from '../../lib/bytes/byte-range.ts';
import type { ByteStream } from '../../lib/bytes/byte-stream.ts';
import type { SparseFile } from '../file/sparse-file.ts';
import type { TransferDeps } from '../transfer-deps.ts';
import type { WaitingReader } from './readers.ts';

/** What a reader needs of its transfer. */
export interface Readable {
  readonly file: SparseFile;
  /** Bytes of the whole blob, where known. */
  readonly size: number | undefined;
  /** All bytes are present, and they are right. */
  readonly isVerified: boolean;
  /** The disk has no capacity: readers get their bytes past it. */
  readonly isRelaying: boolean;
  /** Readers that are open. */
  readonly readerCount: number;
  /** The reader of `range` waits for the byte at `offset`. */
  want(offset: number, range: OpenRange): void;
  /** The bytes of `range` straight from the endpoints; with `verify` the whole up to there is held against the digest. */
  relay(range: OpenRange, verify: boolean): ByteStream;
  /** The reader is closed. */
  forget(reader: TransferReader): void;
}

/** `next` rejects where the rest cannot be had; the consumer closes the reader in any case. */
export class TransferReader implements ByteStream, WaitingReader {
  /** Bytes handed out so far. */
  delivered = 0;
  /** The byte that it waits for, while it waits. */
  waitsFor: number | undefined;
  readonly #transfer: Readable;
  readonly #deps: Pick<TransferDeps, 'buffers' | 'blocks' | 'limits'>;
  readonly #start: number;
  readonly #end: number | undefined;
  readonly #announced: number | undefined;
  /** It gets the whole blob: its last bytes wait for the digest. */
  readonly #isWhole: boolean;
  /** Two buffers of its own, in turn: one is at the consumer while the other is filled. */
  readonly #buffers: Buffer[] = [];
  /** Chunks lent from memory that are at the consumer, the older one first; undefined stands for one in its own buffer. */
  readonly #lent: (Buffer | undefined)[] = [];
  #turn = 0;
  #reading = false;
  #error: Error | undefined;
  #closed = false;
  #relay: ByteStream | undefined;
  #woken: (() => void) | undefined;

  constructor(
    transfer: Readable,
    deps: Pick<TransferDeps, 'buffers' | 'blocks' | 'limits'>,
    range: OpenRange,
    announced: number | undefined,
  ) {
    this.#transfer = transfer;
    this.#deps = deps;
    this.#start = range.start;
    this.#end = range.end;
    this.#announced = announced;
    this.#isWhole = range.start === 0 && (range.end === undefined || range.end === announced);
  }

  async next(): Promise<Uint8Array | undefined> {
    if (this.#lent.length === 2) this.#takeBack();
    for (;;) {
      if (this.#error) throw this.#error;
      if (this.#closed) return undefined;
      if (this.#relay) return this.#relay.next();
      const position = this.#start + this.delivered;
      const { size } = this.#transfer;
      if (size !== undefined && !this.#agreesWith(size)) {
        throw new Error(`the blob has ${size} bytes, not as many as were announced`);
      }
      const end = this.#end ?? this.#announced ?? size;
      if (end !== undefined && position >= end && (!this.#isWhole || this.#transfer.isVerified))
        return undefined;
      const limit = this.#limit(position, end);
      const chunk =
        position < limit
          ? (this.#fromMemory(position, limit) ?? (await this.#fromDisk(position, limit)))
          : undefined;
      if (chunk) {
        this.delivered += chunk.length;
        return chunk;
      }
      // While the disk was read, the digest may have turned out wrong, or the consumer may have left.
      if (this.#error || this.#closed) continue;
      if (this.#transfer.isRelaying) {
        this.#relay = this.#transfer.relay({ start: position, end: this.#end }, this.#isWhole);
        continue;
      }
      await this.#wait(position);
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#transfer.forget(this);
    this.#relay?.close();
    while (this.#lent.length > 0) this.#takeBack();
    this.#giveBack();
    this.wake();
  }

  /** Something has changed: bytes, the digest's verdict, a failure. */
  wake(): void {
    const woken = this.#woken;
    if (!woken) return;
    this.#woken = undefined;
    this.waitsFor = undefined;
    woken();
  }

  /** Its next bytes will not come. */
  fail(error: Error): void {
    this.#error ??= error;
    this.wake();
  }

  /** Whether a blob of `size` bytes has what was announced to the reader. */
  #agreesWith(size: number): boolean {
    return size === (this.#announced ?? size) && size >= (this.#end ?? size);
  }

  /** How far it may read now: an answer that is the whole blob waits with its last bytes for the digest. */
  #limit(position: number, end: number | undefined): number {
    if (this.#transfer.isVerified || !this.#isWhole) return end ?? Number.POSITIVE_INFINITY;
    return (end ?? this.#transfer.file.present.runEnd(position)) - this.#deps.limits.holdBack;
  }

  #fromMemory(position: number, limit: number): Buffer | undefined {
    const found = this.#transfer.file.chunkAt(position);
    if (!found) return undefined;
    const chunk = found.length > limit - position ? found.subarray(0, limit - position) : found;
    if (this.#deps.blocks.lend(chunk)) {
      this.#lent.push(chunk);
      return chunk;
    }
    // Slow readers hold enough blocks: this reader gets a copy.
    const buffer = this.#nextBuffer(chunk.length);
    const count = chunk.copy(buffer);
    this.#lent.push(undefined);
    return buffer.subarray(0, count);
  }

  /** Undefined where the bytes are not there, or have been thrown away meanwhile. */
  async #fromDisk(position: number, limit: number): Promise<Buffer | undefined> {
    const { file } = this.#transfer;
    const { epoch } = file;
    const length = Math.min(file.written.runEnd(position), limit) - position;
    if (length <= 0) return undefined;
    const buffer = this.#nextBuffer(length);
    this.#reading = true;
    try {
      const count = await file.read(buffer, position, Math.min(length, buffer.length));
      if (epoch !== file.epoch || this.#error) return undefined;
      this.#lent.push(undefined);
      return buffer.subarray(0, count);
    } catch (error) {
      // The endpoints give what the disk does not give back.
      if (epoch === file.epoch && !this.#transfer.isRelaying) throw error;
      return undefined;
    } finally {
      this.#reading = false;
      if (this.#closed) this.#giveBack();
    }
  }

  /** The buffer that the consumer has done with, or a larger one where the pool has one. */
  #nextBuffer(length: number): Buffer {
    const { readBuffer, readBuffers } = this.#deps.limits;
    // Each reader has two buffers.
    const share = readBuffers / (2 * this.#transfer.readerCount);
    const wanted = Math.min(length, readBuffer, 2 ** Math.floor(Math.log2(share)));
    this.#turn = 1 - this.#turn;
    const buffer = renew(this.#deps.buffers, this.#buffers[this.#turn], wanted);
    this.#buffers[this.#turn] = buffer;
    return buffer;
  }

  /** The consumer has done with the older chunk. */
  #takeBack(): void {
    const chunk = this.#lent.shift();
    if (chunk) this.#deps.blocks.takeBack(chunk);
  }

  /** Gives its buffers back, unless a read of the disk still writes into one of them. */
  #giveBack(): void {
    if (this.#reading) return;
    for (const buffer of this.#buffers) if (buffer) this.#deps.buffers.give(buffer);
    this.#buffers.length = 0;
  }

  #wait(position: number): Promise<void> {
    return new Promise((resolve) => {
      this.#woken = resolve;
      // While its last bytes are held back, the byte at its position is present: it waits for a later one.
      this.waitsFor = this.#transfer.file.present.firstHole(position);
      this.#transfer.want(this.waitsFor, { start: this.#start, end: this.#isWhole ? undefined : this.#end });
    });
  }
}
