/**
 * One upload session: a growing file, its running hash and its room. One request at a time writes to it (`uploads.ts` sees to it).
 *
 * SHA-256 follows on the hashing thread while bytes come. Room is reserved before bytes are read where their number is known, and
 * 16 MiB at a time where it is not.
 */
import type { Reservation } from '../cache/cache.ts';
import type { HostedContent } from '../cache/hosted-content.ts';
import type { Hasher, PrefixHash } from '../lib/bytes/hasher.ts';
import type { Clock } from '../lib/clock.ts';
import { type Digest, digestAlgorithm } from '../oci/digest.ts';
import { limited } from './limited-body.ts';
import { isNoRoom, NoRoom } from './no-room.ts';
import type { Chunk, UploadFailure, UploadState } from './push.ts';
import { appendTo, removeUploadFile, type UploadFacts, uploadPath } from './upload-file.ts';

export interface UploadSessionDeps {
  readonly clock: Clock;
  readonly hasher: Hasher;
  readonly content: Pick<HostedContent, 'reserve' | 'writeFailed'>;
  /** Of all sessions. */
  readonly folder: string;
}

const step = 16 * 1024 * 1024;

export class UploadSession {
  readonly id: string;
  readonly facts: UploadFacts;
  readonly path: string;
  /** A request is writing. */
  isBusy = false;
  /** Epoch ms of the last byte. */
  touched: number;
  readonly #deps: UploadSessionDeps;
  readonly #reservations: Reservation[] = [];
  #size: number;
  /** Bytes that are reserved, those on the disk included. */
  #reserved = 0;
  #hash: PrefixHash | undefined;

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

  /** Appends a chunk, or says why not. What came of a body that broke off is kept. */
  async write({ start, length, body }: Chunk): Promise<UploadFailure | undefined> {
    const before = this.#size;
    if (start !== undefined && start !== before) return { kind: 'outOfOrder', upload: this.state };
    if (length === 0) return undefined;
    const first = length ?? step;
    if (!(await this.mayGrowTo(before + first))) return { kind: 'full', bytes: first };
    this.#hash ??= this.#deps.hasher.begin(this.path, this.facts.algorithm);
    this.#hash.advance(before);
    let broken: unknown;
    const source = limited(
      untilBroken(body, (error) => {
        broken = error;
      }),
      length,
    );
    try {
      await appendTo(this.path, source, async (bytes) => {
        this.#size += bytes;
        this.touched = this.#deps.clock.now();
        this.#hash?.advance(this.#size);
        if (length === undefined && !(await this.mayGrowTo(this.#size + step))) throw new NoRoom();
      });
    } catch (error) {
      if (!isNoRoom(error)) throw error;
      this.#deps.content.writeFailed(error);
      return { kind: 'full', bytes: first };
    }
    if (broken !== undefined) return { kind: 'clientLeft' };
    const isShort = length !== undefined && this.#size !== before + length;
    return isShort ? { kind: 'sizeMismatch', upload: this.state, announced: length } : undefined;
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

/** A body that ends where the client left, and says so. */
async function* untilBroken(
  body: AsyncIterable<Uint8Array>,
  onBroken: (error: unknown) => void,
): AsyncGenerator<Uint8Array> {
  try {
    yield* body;
  } catch (error) {
    onBroken(error);
  }
}
