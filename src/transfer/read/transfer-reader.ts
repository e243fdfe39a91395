/**
 * One reader of a transfer: its bytes come from memory where it has caught up, from the file where it is behind, and
 * past the disk where that has no room. It may be slow, or leave: that changes nothing for the others.
 */
import { renew } from '../../lib/bytes/buffer-pool.ts';
import type { OpenRange } from '../../lib/bytes/byte-range.ts';
import type { ByteStream } from '../../lib/bytes/byte-stream.ts';
import type { Transfer } from '../transfer.ts';
import type { TransferDeps } from '../transfer-deps.ts';

export class TransferReader implements ByteStream {
  /** Bytes handed out so far. */
  delivered = 0;
  /** The byte that it waits for, while it waits. */
  waitsFor: number | undefined;
  readonly #transfer: Transfer;
  readonly #deps: Pick<TransferDeps, 'buffers' | 'blocks' | 'limits'>;
  readonly #start: number;
  readonly #end: number | undefined;
  readonly #promised: number | undefined;
  /** It gets the whole blob: with its last bytes it waits for the digest. */
  readonly #isWhole: boolean;
  /** Its own two, in turn: one is at the consumer while the other is filled. */
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
    transfer: Transfer,
    deps: Pick<TransferDeps, 'buffers' | 'blocks' | 'limits'>,
    range: OpenRange,
    promised: number | undefined,
  ) {
    this.#transfer = transfer;
    this.#deps = deps;
    this.#start = range.start;
    this.#end = range.end;
    this.#promised = promised;
    this.#isWhole = range.start === 0 && (range.end === undefined || range.end === promised);
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
        throw new Error(`the blob has ${size} bytes, not as many as were promised`);
      }
      const end = this.#end ?? this.#promised ?? size;
      if (end !== undefined && position >= end && (!this.#isWhole || this.#transfer.verified))
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
      // While the disk was read a wrong digest may have come to light, or the consumer have left.
      if (this.#error || this.#closed) continue;
      if (this.#transfer.relaying) {
        this.#relay = this.#transfer.relay(position, this.#end, this.#isWhole);
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

  /** Whether what it was promised can be had of a blob of `size` bytes. */
  #agreesWith(size: number): boolean {
    return size === (this.#promised ?? size) && size >= (this.#end ?? size);
  }

  /** How far it may read now: an answer that is the whole blob waits with its last bytes for the digest. */
  #limit(position: number, end: number | undefined): number {
    if (this.#transfer.verified || !this.#isWhole) return end ?? Number.POSITIVE_INFINITY;
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
    // Slow readers hold enough of them: this one may hold a copy.
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
      // What the disk does not give back can be had past it.
      if (epoch === file.epoch && !this.#transfer.relaying) throw error;
      return undefined;
    } finally {
      this.#reading = false;
      if (this.#closed) this.#giveBack();
    }
  }

  /** The one that the consumer has done with, or a larger one where that is now to be had. */
  #nextBuffer(length: number): Buffer {
    const { readBuffer, readBuffers } = this.#deps.limits;
    // Each reader has two.
    const share = readBuffers / (2 * this.#transfer.readers.count);
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

  /** Never while the disk still writes into one of them. */
  #giveBack(): void {
    if (this.#reading) return;
    for (const buffer of this.#buffers) if (buffer) this.#deps.buffers.give(buffer);
    this.#buffers.length = 0;
  }

  #wait(position: number): Promise<void> {
    return new Promise((resolve) => {
      this.#woken = resolve;
      // Where it is held back the byte at its position is here; what it waits for comes after it.
      this.waitsFor = this.#transfer.file.present.firstHole(position);
      this.#transfer.want(this.waitsFor, { start: this.#start, end: this.#isWhole ? undefined : this.#end });
    });
  }
}
