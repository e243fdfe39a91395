/**
 * One reader's bytes past the disk, for a blob that there is no room for. Nothing is shared and nothing is kept, but
 * order, failover and the digest hold as ever: an answer that is the whole blob gets its last bytes when it is right.
 * A reader that comes here in the middle has its prefix hashed from the file first, which is still open.
 */
import { createHash, type Hash } from 'node:crypto';
import type { ByteStream } from '../lib/byte-stream.ts';
import { type Digest, digestAlgorithm, digestHex } from '../oci/digest.ts';
import { type Endpoint, endpointKey } from '../upstream/endpoint.ts';
import { type FetchEnd, Fetcher, type FetcherHost } from './fetcher.ts';
import type { SparseFile } from './sparse-file.ts';
import type { TransferDeps } from './transfer-deps.ts';

export interface RelayDeps
  extends Pick<TransferDeps, 'clock' | 'limits' | 'stallTimeoutOf' | 'report' | 'distrust' | 'metrics'> {
  readonly open: FetcherHost['open'];
  /** What there was before the disk gave out. */
  readonly file: SparseFile;
}

export interface RelayedRange {
  readonly digest: Digest;
  readonly size: number | undefined;
  readonly start: number;
  readonly end: number | undefined;
  /** The reader gets the whole blob, so its digest can be held against its name. */
  readonly verify: boolean;
}

/** Bytes waiting for a slow reader before the endpoint is paused. */
const queueLimit = 1024 * 1024;

export function createRelay(deps: RelayDeps, range: RelayedRange): ByteStream {
  return new Relay(deps, range);
}

class Relay implements ByteStream, FetcherHost {
  readonly digest: Digest;
  readonly open: FetcherHost['open'];
  readonly #deps: RelayDeps;
  readonly #range: RelayedRange;
  readonly #givers = new Map<string, Endpoint>();
  readonly #excluded = new Set<string>();
  readonly #queue: Buffer[] = [];
  #queued = 0;
  /** Bytes handed out so far. */
  #delivered = 0;
  #attempt = 0;
  #hash: Hash | undefined;
  #fetcher: Fetcher | undefined;
  #paused = false;
  #done = false;
  #error: Error | undefined;
  #closed = false;
  #woken: (() => void) | undefined;

  constructor(deps: RelayDeps, range: RelayedRange) {
    this.#deps = deps;
    this.#range = range;
    this.digest = range.digest;
    this.open = deps.open;
  }

  async next(): Promise<Uint8Array | undefined> {
    if (!this.#fetcher) await this.#start();
    for (;;) {
      if (this.#error) throw this.#error;
      if (this.#closed) return undefined;
      const held = this.#range.verify && !this.#done ? this.#deps.limits.holdBack : 0;
      const ready = this.#queued - held;
      const chunk = this.#queue[0];
      if (chunk && ready > 0) return this.#shift(chunk, ready);
      if (this.#done) return undefined;
      await new Promise<void>((resolve) => {
        this.#woken = resolve;
      });
    }
  }

  close(): void {
    this.#closed = true;
    this.#fetcher?.stop();
    this.#wake();
  }

  accept(
    fetcher: Fetcher,
    opened: { start: number; size: number | undefined },
    endpoint: Endpoint,
  ): 'take' | { refuse: string } {
    const { size } = this.#range;
    if (opened.start > fetcher.position) return { refuse: `answered from byte ${opened.start} on` };
    if (size !== undefined && opened.size !== undefined && opened.size !== size) {
      return { refuse: `has ${opened.size} bytes where ${size} were expected` };
    }
    this.#givers.set(endpointKey(endpoint), endpoint);
    return 'take';
  }

  stopAt(): number | undefined {
    return this.#range.end ?? this.#range.size;
  }

  data(fetcher: Fetcher, offset: number, chunk: Buffer): boolean {
    this.#deps.metrics.received(fetcher.endpoint?.host ?? '', chunk.length);
    this.#hash?.update(chunk);
    const before = this.#range.start - offset;
    const wanted = before > 0 ? chunk.subarray(Math.min(before, chunk.length)) : chunk;
    if (wanted.length > 0) {
      this.#queue.push(wanted);
      this.#queued += wanted.length;
    }
    this.#wake();
    this.#paused = this.#queued >= queueLimit + this.#deps.limits.holdBack;
    return !this.#paused;
  }

  broke(_fetcher: Fetcher, endpoint: Endpoint, fault: 'invalid' | 'unreachable', reason: string): void {
    this.#deps.report(endpoint, fault, reason);
  }

  ended(_fetcher: Fetcher, end: FetchEnd): void {
    const { digest } = this.#range;
    if (end.kind === 'failed') {
      this.#error = new Error(`no endpoint gives the rest of ${digest}`);
    } else if (this.#hash && this.#hash.digest('hex') !== digestHex(digest)) {
      this.#reject();
    } else {
      this.#done = true;
    }
    this.#wake();
  }

  /** Who has had none of them may still get the right ones. */
  #reject(): void {
    const { digest, start } = this.#range;
    const [only, ...others] = this.#givers.values();
    if (only && others.length === 0) {
      this.#deps.report(only, 'invalid', `gave wrong bytes for ${digest}`);
      this.#excluded.add(endpointKey(only));
    }
    this.#deps.distrust.add(digest, this.#givers.keys());
    this.#givers.clear();
    this.#attempt += 1;
    if (start + this.#delivered > 0 || this.#attempt >= this.#deps.limits.attempts) {
      this.#error = new Error(`the bytes of ${digest} were wrong`);
      return;
    }
    this.#queue.length = 0;
    this.#queued = 0;
    this.#hash = createHash(digestAlgorithm(digest));
    this.#fetch(0);
  }

  async #start(): Promise<void> {
    const { start, verify } = this.#range;
    const from = verify ? await this.#hashPrefix(start) : start;
    if (!this.#closed) this.#fetch(from);
  }

  #fetch(from: number): void {
    const known = { exclude: this.#excluded, distrust: this.#deps.distrust.of(this.#range.digest) };
    this.#fetcher = new Fetcher(this, this.#deps, { start: from, end: this.#range.end }, known);
    this.#fetcher.run(undefined).catch((error: unknown) => {
      this.#error = error instanceof Error ? error : new Error(String(error));
      this.#wake();
    });
  }

  /** Hashes what the file has of the bytes before `start`; returns how far that went. */
  async #hashPrefix(start: number): Promise<number> {
    const hash = createHash(digestAlgorithm(this.#range.digest));
    const upTo = Math.min(start, this.#deps.file.written.firstHole(0));
    const buffer =
      upTo > 0 ? Buffer.allocUnsafeSlow(Math.min(upTo, this.#deps.limits.writeBatch)) : undefined;
    let position = 0;
    try {
      while (buffer && position < upTo) {
        const count = await this.#deps.file.read(buffer, position, Math.min(buffer.length, upTo - position));
        hash.update(buffer.subarray(0, count));
        position += count;
      }
    } catch {
      // The endpoints have the rest of them.
    }
    this.#hash = hash;
    return position;
  }

  #shift(chunk: Buffer, ready: number): Buffer {
    const taken = chunk.length > ready ? chunk.subarray(0, ready) : chunk;
    if (taken === chunk) this.#queue.shift();
    else this.#queue[0] = chunk.subarray(ready);
    this.#queued -= taken.length;
    this.#delivered += taken.length;
    if (this.#paused && this.#queued < queueLimit / 2 + this.#deps.limits.holdBack) {
      this.#paused = false;
      this.#fetcher?.resume();
    }
    return taken;
  }

  #wake(): void {
    const woken = this.#woken;
    this.#woken = undefined;
    woken?.();
  }
}
