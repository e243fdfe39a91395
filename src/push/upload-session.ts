/**
 * One upload session: a growing file, its running hash and its room. One request at a time writes to it (`uploads.ts` sees to it).
 *
 * The hash follows on the hashing thread while bytes come. Room is reserved before bytes are read where their number is known, and
 * 16 MiB at a time where it is not, less where so much is not free.
 */
import type { Reservation } from '../cache/cache.ts';
import type { HostedContent } from '../cache/hosted-content.ts';
import { NoRoom } from '../cache/no-room.ts';
import type { Hasher, PrefixHash } from '../lib/bytes/hasher.ts';
import type { Clock } from '../lib/clock.ts';
import { type Digest, digestAlgorithm } from '../oci/digest.ts';
import { limited } from './limited-body.ts';
import { isNoRoom } from './no-room.ts';
import type { Chunk, UploadFailure, UploadState } from './push.ts';
import { appendTo, removeUploadFile, type UploadFacts, uploadPath } from './upload-file.ts';

export interface UploadSessionDeps {
  readonly clock: Clock;
  readonly hasher: Hasher;
  readonly content: Pick<HostedContent, 'reserve' | 'writeFailed'>;
  /** Of all sessions. */
  readonly folder: string;
}

/** Bytes that are reserved at once, and those without which a body is not begun, where its length is not known. */
const step = 16 * 1024 * 1024;
const leastRoom = 64 * 1024;

export class UploadSession {
  readonly id: string;
  readonly facts: UploadFacts;
  readonly path: string;
  /** A request is writing. */
  isBusy = false;
  /** Resolves when the request that is writing, or the last one, is over. */
  over: Promise<void> = Promise.resolve();
  /** Its bytes have become content. */
  isStored = false;
  /** Its client gave it up. */
  isCancelled = false;
  /** Epoch ms of the last byte. */
  touched: number;
  readonly #deps: UploadSessionDeps;
  readonly #reservations: Reservation[] = [];
  #size: number;
  /** Bytes that are reserved, those on the disk included. */
  #reserved = 0;
  #hash: PrefixHash | undefined;
  /** Wakes a request that waits for its body. */
  #wake: (() => void) | undefined;

  /** Of a file that is there, with `size` bytes. */
  constructor(
    deps: UploadSessionDeps,
    id: string,
    facts: UploadFacts,
    file: { size: number; touched: number },
  ) {
    this.#deps = deps;
    this.id = id;
    this.facts = facts;
    this.path = uploadPath(deps.folder, id);
    this.#size = file.size;
    this.touched = file.touched;
  }

  get state(): UploadState {
    return { id: this.id, size: this.#size };
  }

  /** Executes the one request that writes. */
  async occupy<T>(work: () => Promise<T>): Promise<T> {
    const over = Promise.withResolvers<void>();
    this.over = over.promise;
    this.isBusy = true;
    try {
      return await work();
    } finally {
      this.isBusy = false;
      if (this.isCancelled) await this.end();
      over.resolve();
    }
  }

  /** Gives it up: a request that is writing ends without waiting for more of its body. */
  cancel(): void {
    this.isCancelled = true;
    this.#wake?.();
  }

  /** Appends a chunk, or says why not. What came of a body that broke off is kept. */
  async write(chunk: Chunk): Promise<UploadFailure | undefined> {
    try {
      return await this.#append(chunk);
    } finally {
      await this.#keepRoomForSize();
    }
  }

  async #append({ start, length, body }: Chunk): Promise<UploadFailure | undefined> {
    const before = this.#size;
    if (start !== undefined && start !== before) return { kind: 'outOfOrder', upload: this.state };
    if (length === 0) return undefined;
    const wanted = length ?? leastRoom;
    if (!(await this.#mayGrowBy(wanted, length === undefined))) return { kind: 'full', bytes: wanted };
    this.#hash ??= this.#deps.hasher.begin(this.path, this.facts.algorithm);
    this.#hash.advance(before);
    let broken: unknown;
    let isLonger = false;
    const source = limited(
      this.#untilBroken(body, (error) => {
        broken = error;
      }),
      length,
      () => {
        isLonger = true;
      },
    );
    try {
      await appendTo(this.path, before, source, {
        before: async (bytes) => {
          if (!(await this.#mayGrowBy(bytes, length === undefined))) throw new NoRoom();
        },
        after: (bytes) => {
          this.#size += bytes;
          this.touched = this.#deps.clock.now();
          this.#hash?.advance(this.#size);
        },
      });
    } catch (error) {
      if (!isNoRoom(error)) throw error;
      this.#deps.content.writeFailed(error);
      return { kind: 'full', bytes: wanted };
    }
    if (this.isCancelled) return { kind: 'unknownUpload' };
    if (broken !== undefined) return { kind: 'clientLeft' };
    const isOther = isLonger || (length !== undefined && this.#size !== before + length);
    return isOther ? { kind: 'sizeMismatch', upload: this.state, announced: length ?? 0 } : undefined;
  }

  /** The digest of the whole file, by the algorithm of `wanted`. */
  async digest(wanted: Digest): Promise<string> {
    const algorithm = digestAlgorithm(wanted);
    const isRunning = this.facts.algorithm === algorithm;
    if (!isRunning) this.#hash?.abandon();
    const hash = (isRunning ? this.#hash : undefined) ?? this.#deps.hasher.begin(this.path, algorithm);
    this.#hash = undefined;
    hash.advance(this.#size);
    return `${algorithm}:${await hash.finish(this.#size)}`;
  }

  /** Reserves what is missing for `size` bytes in all; false where there is no room. */
  async mayGrowTo(size: number): Promise<boolean> {
    const from = this.#reserved;
    const more = size - from;
    if (more <= 0) return true;
    const written = () => Math.max(0, Math.min(this.#size - from, more));
    const reservation = await this.#deps.content.reserve(more, [this.facts.image], written);
    if (!reservation) return false;
    this.#reservations.push(reservation);
    this.#reserved = size;
    return true;
  }

  /** `isOpen`: more will follow, so more is reserved where it is free. */
  async #mayGrowBy(bytes: number, isOpen: boolean): Promise<boolean> {
    const size = this.#size + bytes;
    if (size <= this.#reserved) return true;
    return (isOpen && (await this.mayGrowTo(size + step))) || (await this.mayGrowTo(size));
  }

  /** Bytes that were announced and did not come hold no room: the client may never come back. */
  async #keepRoomForSize(): Promise<void> {
    if (this.#reserved <= this.#size) return;
    for (const reservation of this.#reservations.splice(0)) reservation.release();
    this.#reserved = 0;
    if (this.#size > 0) await this.mayGrowTo(this.#size);
  }

  /** A body that ends where the client left, and says so, or where the session was given up. */
  async *#untilBroken(
    body: AsyncIterable<Uint8Array>,
    onBroken: (error: unknown) => void,
  ): AsyncGenerator<Uint8Array> {
    const chunks = body[Symbol.asyncIterator]();
    let isOver = false;
    try {
      while (!this.isCancelled) {
        const next = await this.#unlessCancelled(chunks.next());
        if (!next) return;
        isOver = next.done === true;
        if (isOver) return;
        yield next.value;
      }
    } catch (error) {
      isOver = true;
      onBroken(error);
    } finally {
      // Not awaited: where a chunk is waited for, it ends with the connection.
      if (!isOver) chunks.return?.()?.catch(() => {});
    }
  }

  #unlessCancelled<T>(work: Promise<T>): Promise<T | undefined> {
    const { promise, resolve, reject } = Promise.withResolvers<T | undefined>();
    this.#wake = () => resolve(undefined);
    work.then(resolve, reject);
    return promise;
  }

  /** Removes the files that are left and gives the room back. */
  async end(): Promise<void> {
    this.pause();
    await removeUploadFile(this.#deps.folder, this.id);
    for (const reservation of this.#reservations.splice(0)) reservation.release();
  }

  /** Leaves the files for the next start. */
  pause(): void {
    this.#hash?.abandon();
    this.#hash = undefined;
  }
}
