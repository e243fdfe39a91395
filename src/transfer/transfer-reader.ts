/**
 * One reader of a transfer: its bytes come from memory where it has caught up, from the file where it is behind, and
 * past the disk where that has no room. It may be slow, or leave: that changes nothing for the others.
 */
import type { BufferPool } from '../lib/buffer-pool.ts';
import type { ByteStream } from '../lib/byte-stream.ts';
import type { Transfer } from './transfer.ts';

export class TransferReader implements ByteStream {
  /** Bytes handed out so far. */
  delivered = 0;
  /** The byte that it waits for, while it waits. */
  waitsFor: number | undefined;
  readonly #transfer: Transfer;
  readonly #pool: BufferPool;
  readonly #end: number | undefined;
  readonly #start: number;
  readonly #holdBack: number;
  /** Two in turn: one is at the consumer while the other is filled. */
  readonly #buffers: Buffer[] = [];
  #turn = 0;
  #reading = false;
  #error: Error | undefined;
  #closed = false;
  #relay: ByteStream | undefined;
  #woken: (() => void) | undefined;

  constructor(
    transfer: Transfer,
    pool: BufferPool,
    start: number,
    end: number | undefined,
    holdBack: number,
  ) {
    this.#transfer = transfer;
    this.#pool = pool;
    this.#start = start;
    this.#end = end;
    this.#holdBack = holdBack;
  }

  async next(): Promise<Uint8Array | undefined> {
    for (;;) {
      if (this.#error) throw this.#error;
      if (this.#closed) return undefined;
      if (this.#relay) return this.#relay.next();
      const position = this.#start + this.delivered;
      const end = this.#end ?? this.#transfer.size;
      if (end !== undefined && position >= end && this.#mayEnd(end)) return undefined;
      const limit = this.#limit(position, end);
      const { attempt } = this.#transfer;
      const chunk = position < limit ? await this.#take(position, limit) : undefined;
      if (chunk) {
        // While the disk was read a wrong digest may have come to light: these are the wrong bytes.
        if (this.#error) throw this.#error;
        if (attempt !== this.#transfer.attempt) continue;
        this.delivered += chunk.length;
        return chunk;
      }
      if (this.#transfer.relaying) {
        this.#relay = this.#transfer.relay(position, this.#end, this.#isWhole(end));
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

  #isWhole(end: number | undefined): boolean {
    return this.#start === 0 && (end === undefined || end === this.#transfer.size);
  }

  #mayEnd(end: number): boolean {
    return !this.#isWhole(end) || this.#transfer.verified;
  }

  /** How far it may read now: an answer that is the whole blob waits with its last bytes for the digest. */
  #limit(position: number, end: number | undefined): number {
    if (this.#transfer.verified || !this.#isWhole(end)) return end ?? Number.POSITIVE_INFINITY;
    return (end ?? this.#transfer.file.present.runEnd(position)) - this.#holdBack;
  }

  async #take(position: number, limit: number): Promise<Uint8Array | undefined> {
    const { file } = this.#transfer;
    const inMemory = file.chunkAt(position);
    if (inMemory)
      return inMemory.length > limit - position ? inMemory.subarray(0, limit - position) : inMemory;
    const onDisk = Math.min(file.written.runEnd(position), limit) - position;
    if (onDisk <= 0) return undefined;
    this.#turn = 1 - this.#turn;
    this.#buffers[this.#turn] ??= this.#pool.take();
    const buffer = this.#buffers[this.#turn] as Buffer;
    this.#reading = true;
    try {
      const count = await file.read(buffer, position, Math.min(onDisk, buffer.length));
      return buffer.subarray(0, count);
    } finally {
      this.#reading = false;
      if (this.#closed) this.#giveBack();
    }
  }

  /** Never while the disk still writes into one of them. */
  #giveBack(): void {
    if (this.#reading) return;
    for (const buffer of this.#buffers) if (buffer) this.#pool.give(buffer);
    this.#buffers.length = 0;
  }

  #wait(position: number): Promise<void> {
    return new Promise((resolve) => {
      this.#woken = resolve;
      // Where it is held back the byte at its position is here; what it waits for comes after it.
      this.waitsFor = this.#transfer.file.present.firstHole(position);
      this.#transfer.want(this.waitsFor, this.#end);
    });
  }
}
