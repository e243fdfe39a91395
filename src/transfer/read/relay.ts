/**
 * One reader's bytes past the disk, for a blob that the cache has no capacity for. Nothing is shared and nothing is kept, but
 * order, failover and the digest hold as ever: an answer that is the whole blob gets its last bytes when the digest is right.
 * For a reader that is relayed from the middle on, the bytes that it has received are hashed first: from the file, which is
 * still open, and from memory.
 */
import type { ByteStream } from '../../lib/bytes/byte-stream.ts';
import { type StreamHash, sharedCopy } from '../../lib/bytes/hasher.ts';
import { asError } from '../../lib/thrown.ts';
import { type Digest, digestAlgorithm, digestHex } from '../../oci/digest.ts';
import type { Endpoint } from '../../upstream/endpoint.ts';
import type { Contributors } from '../fetch/contributors.ts';
import {
  type Acceptance,
  type Answered,
  type FetchEnd,
  Fetcher,
  type FetcherHost,
} from '../fetch/fetcher.ts';
import type { SparseFile } from '../file/sparse-file.ts';
import type { TransferDeps } from '../transfer-deps.ts';

export interface RelayDeps
  extends Pick<
    TransferDeps,
    'blocks' | 'clock' | 'hasher' | 'limits' | 'relayMemory' | 'stallTimeoutOf' | 'report' | 'metrics'
  > {
  readonly open: FetcherHost['open'];
  /** A copy of the contributors for this reader alone, seeded with the endpoints whose bytes it has already received. */
  readonly contributors: Contributors;
  /** The bytes that came before the disk gave out. */
  readonly file: SparseFile;
}

export interface RelayedRange {
  readonly digest: Digest;
  readonly size: number | undefined;
  readonly start: number;
  readonly end: number | undefined;
  /** The reader gets the whole blob, so its bytes are held against the digest. */
  readonly verify: boolean;
}

/** Streams the range from the endpoints. Its `next` rejects where no endpoint gives the rest, or the digest is wrong. */
export function createRelay(deps: RelayDeps, range: RelayedRange): ByteStream {
  return new Relay(deps, range);
}

class Relay implements ByteStream, FetcherHost {
  readonly digest: Digest;
  readonly open: FetcherHost['open'];
  readonly #deps: RelayDeps;
  readonly #range: RelayedRange;
  readonly #queue: Buffer[] = [];
  #queued = 0;
  /** Bytes handed out so far. */
  #delivered = 0;
  #attempt = 0;
  #hash: StreamHash | undefined;
  #fetcher: Fetcher | undefined;
  #paused = false;
  #done = false;
  #error: Error | undefined;
  #closed = false;
  #woken: (() => void) | undefined;
  /** Resolves what waits for the hasher to catch up. */
  #caughtUp: (() => void) | undefined;

  constructor(deps: RelayDeps, range: RelayedRange) {
    this.#deps = deps;
    this.#range = range;
    this.digest = range.digest;
    this.open = deps.open;
    deps.relayMemory.enter();
  }

  async next(): Promise<Uint8Array | undefined> {
    if (!this.#fetcher) await this.#start();
    for (;;) {
      if (this.#error) throw this.#error;
      if (this.#closed) return undefined;
      const ready = this.#queued - this.#held;
      const chunk = this.#queue[0];
      if (chunk && ready > 0) return this.#shift(chunk, ready);
      if (this.#done) return undefined;
      // The share may have grown since the pause.
      this.#resume();
      await new Promise<void>((resolve) => {
        this.#woken = resolve;
      });
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#deps.relayMemory.leave();
    this.#queue.length = 0;
    this.#fetcher?.stop();
    this.#hash?.abandon();
    this.#caughtUp?.();
    this.#wake();
  }

  accept({ opened, endpoint, position }: Answered): Acceptance {
    const { size } = this.#range;
    if (opened.start > position) return { refuse: `answered from byte ${opened.start} on` };
    if (size !== undefined && opened.size !== undefined && opened.size !== size) {
      return { refuse: `has ${opened.size} bytes where ${size} were expected` };
    }
    this.#deps.contributors.add(endpoint);
    return 'take';
  }

  stopAt(): number | undefined {
    return this.#range.end ?? this.#range.size;
  }

  data(_offset: number, chunk: Buffer, host: string): boolean {
    this.#deps.metrics.received(host, chunk.length);
    // A copy: a slow reader must not keep the whole block that the socket read into, and the hasher reads it later.
    const own = this.#hash ? sharedCopy(chunk) : Buffer.from(chunk);
    this.#hash?.update(own);
    this.#queue.push(own);
    this.#deps.blocks.release(chunk);
    this.#queued += chunk.length;
    this.#wake();
    const { share } = this.#deps.relayMemory;
    this.#paused = this.#queued >= share + this.#held || this.#unhashed >= share;
    return !this.#paused;
  }

  get #unhashed(): number {
    return this.#hash?.pending ?? 0;
  }

  /** Bytes at the end of the queue that are held back until the digest of the whole is known. */
  get #held(): number {
    const { limits, relayMemory } = this.#deps;
    return this.#range.verify && !this.#done ? Math.min(limits.holdBack, relayMemory.share) : 0;
  }

  broke(endpoint: Endpoint, fault: 'invalid' | 'unreachable', reason: string): void {
    this.#deps.report(endpoint, fault, reason);
  }

  ended(end: FetchEnd): void {
    const { digest } = this.#range;
    if (end.kind === 'failed') {
      this.#error = new Error(`no endpoint gives the rest of ${digest}`);
    } else if (this.#hash) {
      void this.#verify(this.#hash);
      return;
    } else {
      this.#done = true;
    }
    this.#wake();
  }

  async #verify(hash: StreamHash): Promise<void> {
    try {
      const isRight = (await hash.finish()) === digestHex(this.digest);
      if (this.#closed) return;
      if (isRight) this.#done = true;
      else this.#reject();
    } catch (error) {
      this.#error = asError(error);
    }
    this.#wake();
  }

  #beginHash(): StreamHash {
    return this.#deps.hasher.stream(digestAlgorithm(this.digest), () => {
      this.#caughtUp?.();
      this.#resume();
    });
  }

  /** Fetches again from the start if the reader has received none of the wrong bytes. */
  #reject(): void {
    const { digest, start } = this.#range;
    this.#deps.contributors.blame();
    this.#attempt += 1;
    if (start + this.#delivered > 0 || this.#attempt >= this.#deps.limits.attempts) {
      this.#error = new Error(`the bytes of ${digest} were wrong`);
      return;
    }
    this.#queue.length = 0;
    this.#queued = 0;
    this.#hash = this.#beginHash();
    this.#fetch(0);
  }

  async #start(): Promise<void> {
    const { start, verify } = this.#range;
    if (verify) {
      this.#hash = this.#beginHash();
      await this.#hashPrefix(this.#hash, start);
    }
    if (!this.#closed) this.#fetch(start);
  }

  #fetch(from: number): void {
    const { excluded, distrusted } = this.#deps.contributors;
    const known = { exclude: excluded, distrust: distrusted };
    this.#fetcher = new Fetcher(this, this.#deps, { start: from, end: this.#range.end }, known);
    this.#fetcher.run(undefined).catch((error: unknown) => {
      this.#error = asError(error);
      this.#wake();
    });
  }

  /** Hashes the bytes that the reader has received. Rejects where they are gone: it would not be known then whether the whole is right. */
  async #hashPrefix(hash: StreamHash, end: number): Promise<void> {
    const { file, limits } = this.#deps;
    for (let position = 0; position < end && !this.#closed; ) {
      if (hash.pending > limits.writeBatch) {
        await new Promise<void>((resolve) => {
          this.#caughtUp = resolve;
        });
        continue;
      }
      const left = end - position;
      const chunk = file.chunkAt(position)?.subarray(0, left);
      const length = Math.min(file.written.runEnd(position) - position, left, limits.writeBatch);
      if (!chunk && length === 0) throw new Error(`byte ${position} is not here any more`);
      if (chunk) {
        hash.update(sharedCopy(chunk));
        position += chunk.length;
        continue;
      }
      const buffer = Buffer.from(new SharedArrayBuffer(length));
      const count = await file.read(buffer, position, length);
      hash.update(buffer.subarray(0, count));
      position += count;
    }
  }

  #shift(chunk: Buffer, ready: number): Buffer {
    const taken = chunk.length > ready ? chunk.subarray(0, ready) : chunk;
    if (taken === chunk) this.#queue.shift();
    else this.#queue[0] = chunk.subarray(ready);
    this.#queued -= taken.length;
    this.#delivered += taken.length;
    this.#resume();
    return taken;
  }

  /** Lets the endpoint go on as soon as half of the queue's share is free. */
  #resume(): void {
    const half = this.#deps.relayMemory.share / 2;
    if (!this.#paused || this.#queued >= half + this.#held || this.#unhashed >= half) return;
    this.#paused = false;
    this.#fetcher?.resume();
  }

  #wake(): void {
    const woken = this.#woken;
    this.#woken = undefined;
    woken?.();
  }
}
