/**
 * A stored file as a ByteStream: positional reads into two buffers in turn. By the contract of ByteStream the
 * buffer before the last is free when `next` is called, so the disk fills one while the socket empties the other.
 *
 * Buffers have 256 KiB at first, since a slow client costs two of them however long it takes; 1 MiB for long streams,
 * which is 1.7 times as fast; less where the pool says that too many are out.
 */
import { read } from 'node:fs';
import { type BufferPool, renew } from '../../lib/bytes/buffer-pool.ts';
import type { ByteStream } from '../../lib/bytes/byte-stream.ts';

export const smallRead = 256 * 1024;
export const largeRead = 1024 * 1024;
/** Bytes of one stream after which its buffers become large. */
const longStream = 4 * smallRead;

export interface StreamSource {
  readonly fd: number;
  readonly path: string;
  readonly buffers: BufferPool;
  /** Called once, when the stream needs the file no more. */
  release(): void;
}

export class StoredFileStream implements ByteStream {
  readonly #source: StreamSource;
  readonly #start: number;
  readonly #end: number;
  #position: number;
  #last: Buffer | undefined;
  #beforeLast: Buffer | undefined;
  #reading = false;
  #closed = false;

  constructor(source: StreamSource, start: number, end: number) {
    this.#source = source;
    this.#start = start;
    this.#end = end;
    this.#position = start;
  }

  async next(): Promise<Uint8Array | undefined> {
    if (this.#closed) throw new Error('the stream is closed');
    if (this.#position >= this.#end) return undefined;
    const buffer = this.#nextBuffer();
    const wanted = Math.min(buffer.length, this.#end - this.#position);
    this.#reading = true;
    try {
      const got = await readAt(this.#source.fd, buffer, wanted, this.#position);
      if (got === 0) throw new Error(`${this.#source.path} ends at ${this.#position}, before ${this.#end}`);
      this.#position += got;
      return got === buffer.length ? buffer : buffer.subarray(0, got);
    } finally {
      this.#reading = false;
      if (this.#closed) this.#release();
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    // The kernel may still write into the buffer, and the descriptor's number must not be given to another file.
    if (!this.#reading) this.#release();
  }

  #nextBuffer(): Buffer {
    const isLong = this.#position - this.#start >= longStream;
    const wanted = Math.min(isLong ? largeRead : smallRead, this.#end - this.#position);
    const next = renew(this.#source.buffers, this.#beforeLast, wanted);
    this.#beforeLast = this.#last;
    this.#last = next;
    return next;
  }

  #release(): void {
    for (const buffer of [this.#beforeLast, this.#last]) {
      if (buffer) this.#source.buffers.give(buffer);
    }
    this.#beforeLast = undefined;
    this.#last = undefined;
    this.#source.release();
  }
}

function readAt(fd: number, buffer: Buffer, length: number, position: number): Promise<number> {
  return new Promise((resolve, reject) => {
    read(fd, buffer, 0, length, position, (error, got) => (error ? reject(error) : resolve(got)));
  });
}
