/**
 * Fetches one blob: starts fetches for the bytes that readers want, judges what endpoints answer, and writes what comes to the
 * file. The owner is the transfer, which is told of bytes, ends and accidents.
 */
import type { OpenRange } from '../../lib/bytes/byte-range.ts';
import type { Digest } from '../../oci/digest.ts';
import { type Endpoint, endpointKey } from '../../upstream/endpoint.ts';
import type { BlobSize } from '../blob-size.ts';
import type { SparseFile } from '../file/sparse-file.ts';
import type { TransferDeps } from '../transfer-deps.ts';
import type { ByteSources } from './byte-source.ts';
import type { Contributors } from './contributors.ts';
import { type Acceptance, type Answered, type FetchEnd, Fetcher, type FetcherHost } from './fetcher.ts';
import { requestedEndFor } from './plan.ts';
import { type Fetch, type Opening, RunningFetches } from './running-fetches.ts';
import type { Throttle } from './throttle.ts';

/** What the transfer decides, and is told. */
export interface FetchOwner {
  /** Whether the blob still takes bytes. */
  readonly isFilling: boolean;
  /** Reserves capacity for the whole blob, whose size is known; false where there is none, and the owner has ended all fetches. */
  reserve(): Promise<boolean>;
  /** An endpoint told another size than what was known: all bytes are void. */
  sizeChanged(): void;
  /** The bytes from `start` to before `end` are present. */
  bytesArrived(start: number, end: number): void;
  /** A fetch brings no more bytes. */
  fetchEnded(end: FetchEnd): void;
  /** A fetch ended with an exception: a bug, or REWRITE_INVALID. */
  fetchCrashed(error: unknown): void;
}

export interface FetchedBlob {
  readonly digest: Digest;
  readonly file: SparseFile;
  readonly size: BlobSize;
  readonly sources: ByteSources;
  readonly contributors: Contributors;
  readonly throttle: Throttle;
}

/** One per transfer. */
export class Fetches {
  readonly #blob: FetchedBlob;
  readonly #deps: TransferDeps;
  readonly #owner: FetchOwner;
  readonly #running: RunningFetches;
  /** Where a fetch was started to fill on. */
  #filledFrom = -1;

  constructor(blob: FetchedBlob, deps: TransferDeps, owner: FetchOwner) {
    this.#blob = blob;
    this.#deps = deps;
    this.#owner = owner;
    this.#running = new RunningFetches(blob.file, blob.size, deps.limits);
  }

  /** Fetches under way. */
  get count(): number {
    return this.#running.all.size;
  }

  /** Asks the endpoints for a range; one that ends where the blob ends is asked for without its end. */
  readonly open: FetcherHost['open'] = (range, options) => {
    const { sources, size } = this.#blob;
    return sources.open(range.end === size.value ? { start: range.start } : range, options);
  };

  /**
   * The fetch that will bring the byte at `wanted` to a reader of `range`; undefined where it is present. Starts one where none is
   * near. `prefer`: endpointKey of the one to ask first.
   */
  bring(wanted: number, range: OpenRange, prefer?: string): Fetch | undefined {
    const plan = this.#running.plan(wanted);
    if (plan === 'present') return undefined;
    if (plan === 'wait') return this.#running.arriving(wanted);
    const end = requestedEndFor(range, wanted, this.#blob.size.value, this.#deps.limits.piece);
    return this.#start(wanted, end, prefer);
  }

  /**
   * Makes the blob come though no reader wants it. False where no fetch is under way and none is started: no endpoint has given
   * bytes, the last such fetch brought nothing, or the blob is given up.
   */
  fillOn(isGivenUp: boolean): boolean {
    if (this.count > 0) return true;
    const hole = this.#blob.file.present.firstHole(0);
    if (isGivenUp || !this.#blob.contributors.any || hole === this.#filledFrom) return false;
    this.#filledFrom = hole;
    this.#start(hole, undefined, undefined);
    return true;
  }

  #start(start: number, end: number | undefined, prefer: string | undefined): Fetch {
    const { contributors, digest } = this.#blob;
    const known = { exclude: contributors.excluded, distrust: contributors.distrusted };
    const { promise, resolve, reject } = Promise.withResolvers<Opening>();
    // A fetch for a reader that has begun already has no caller that waits for its headers.
    promise.catch(() => {});
    const fetcher = new Fetcher(
      this.#hostOf(() => fetch),
      this.#deps,
      { start, end },
      known,
    );
    const fetch: Fetch = {
      ...{ fetcher, writer: undefined, waitsFor: new Set() },
      ...{ opening: promise, settle: resolve, fail: reject },
    };
    this.#running.all.add(fetch);
    fetcher.run(prefer).catch((error: unknown) => {
      this.#remove(fetch);
      const event = 'transfer.fetchCrashed';
      this.#deps.log.error({ event, digest, err: error }, 'a fetch failed unexpectedly');
      fetch.fail(error);
      this.#owner.fetchCrashed(error);
    });
    return fetch;
  }

  /** Starts more fetches where the origin throttles each connection and the configuration says so. */
  widen(host: string | undefined): void {
    const first = host ?? this.#blob.contributors.host;
    const wanted = first === undefined ? 1 : this.#deps.fetchersFor(first);
    const { piece } = this.#deps.limits;
    while (this.#owner.isFilling && this.count > 0 && this.count < wanted) {
      const start = this.#running.nextPiece();
      if (start === undefined) return;
      this.#start(start, start + piece, undefined);
    }
  }

  /** Whether the byte at `offset` is present, or a fetch will bring it. */
  comes(offset: number): boolean {
    return this.#blob.file.present.has(offset) || this.#running.arriving(offset) !== undefined;
  }

  /** Ends all fetches at once and settles the openings that are still waited for. */
  stopAll(opening: Opening): void {
    for (const fetch of [...this.#running.all]) {
      fetch.fetcher.stop();
      this.#remove(fetch);
      fetch.settle(opening);
    }
  }

  /** Throws all bytes away; those that are on their way still come, into a fresh file. */
  restart(): void {
    for (const fetch of this.#running.all) fetch.writer = undefined;
    this.#blob.file.restart();
    const underWay = [...this.#running.all].flatMap(({ fetcher }) => fetcher.endpoint ?? []);
    this.#blob.contributors.restart(underWay);
    for (const fetch of this.#running.all) this.#goOn(fetch, 'memory');
  }

  #hostOf(own: () => Fetch): FetcherHost {
    return {
      digest: this.#blob.digest,
      open: this.open,
      accept: (answered) => this.#accept(own(), answered),
      stopAt: () => this.#running.stopAt(own()),
      data: (offset, chunk, host) => this.#data(own(), offset, chunk, host),
      broke: (endpoint, fault, reason) => this.#broke(endpoint, fault, reason),
      ended: (end) => this.#ended(own(), end),
    };
  }

  async #accept(fetch: Fetch, { opened, endpoint, trail, position }: Answered): Promise<Acceptance> {
    const { size, file, contributors } = this.#blob;
    if (!this.#isWanted(fetch)) return 'end';
    if (opened.start > position) return { refuse: `answered from byte ${opened.start} on` };
    const judged = size.judge(opened.size);
    if (!judged.ok) return { refuse: judged.problem };
    if (judged.changed) this.#owner.sizeChanged();
    fetch.settle({ ok: true, endpoint, trail });
    // The fetch was started for bytes after the end, before the size was known.
    if (size.value !== undefined && size.value > 0 && position >= size.value) return 'end';
    if (size.value !== undefined && !(await this.#owner.reserve())) return 'end';
    // The transfer may have changed while capacity was made.
    if (!this.#isWanted(fetch)) return 'end';
    if (opened.start < position) {
      this.#running.hasRanges = false;
      if (this.#running.arriving(position, fetch)) return 'end';
      if (file.present.firstHole(opened.start) < position) fetch.fetcher.rebase(opened.start);
    }
    if (!file.create()) return 'end';
    contributors.add(endpoint);
    if (size.value === 0) return 'end';
    this.widen(endpoint.host);
    return 'take';
  }

  #isWanted(fetch: Fetch): boolean {
    return this.#running.all.has(fetch) && this.#owner.isFilling;
  }

  #data(fetch: Fetch, offset: number, chunk: Buffer, host: string): boolean {
    const { waitsFor } = fetch;
    const hasCapacity = !this.#running.all.has(fetch) || this.#append(fetch, offset, chunk);
    if (!hasCapacity) waitsFor.add('memory');
    this.#deps.metrics.received(host, chunk.length);
    this.#owner.bytesArrived(offset, offset + chunk.length);
    const isInPace = this.#blob.throttle.take(chunk.length, () => this.#goOn(fetch, 'pace'));
    if (!isInPace) waitsFor.add('pace');
    return waitsFor.size === 0;
  }

  /** One reason of a pause is over; the other one may still hold. */
  #goOn(fetch: Fetch, over: 'memory' | 'pace'): void {
    fetch.waitsFor.delete(over);
    if (fetch.waitsFor.size === 0) fetch.fetcher.resume();
  }

  #broke(endpoint: Endpoint, fault: 'invalid' | 'unreachable', reason: string): void {
    const { size, digest } = this.#blob;
    // What contradicts an assumed size speaks against no endpoint.
    if (fault === 'unreachable' || !size.isAssumed) this.#deps.report(endpoint, fault, reason);
    this.#deps.log.warn(
      { event: 'transfer.endpointBroke', digest, endpoint: endpointKey(endpoint), reason },
      'an endpoint broke off',
    );
  }

  #ended(fetch: Fetch, end: FetchEnd): void {
    this.#remove(fetch);
    if (end.kind === 'failed') {
      fetch.settle({ ok: false, verdict: end.verdict, trail: end.trail });
    } else {
      if (end.eof) this.#blob.size.found(fetch.fetcher.position);
      fetch.settle({ ok: true, endpoint: undefined, trail: [] });
      this.widen(undefined);
    }
    this.#owner.fetchEnded(end);
  }

  /** The fetch is over; what it brought goes to the disk. */
  #remove(fetch: Fetch): void {
    if (this.#running.all.delete(fetch)) this.#retireWriter(fetch);
  }

  /**
   * Writes a chunk behind the fetch; false asks it to pause. Bytes that are present already stay as they are: readers have had
   * them, and the digest may be past them.
   */
  #append(fetch: Fetch, offset: number, chunk: Buffer): boolean {
    const { present } = this.#blob.file;
    const { blocks } = this.#deps;
    const end = offset + chunk.length;
    let hasCapacity = true;
    for (let at = present.firstHole(offset); at < end; ) {
      const to = Math.min(end, present.nextRange(at)?.start ?? end);
      blocks.retain(chunk);
      hasCapacity = this.#write(fetch, at, chunk.subarray(at - offset, to - offset));
      at = present.firstHole(to);
    }
    blocks.release(chunk);
    return hasCapacity;
  }

  #write(fetch: Fetch, offset: number, chunk: Buffer): boolean {
    const { file } = this.#blob;
    // The fetch went back to an earlier byte, or on after a gap.
    if (fetch.writer && fetch.writer.end !== offset) this.#retireWriter(fetch);
    fetch.writer ??= file.writer(offset, () => this.#goOn(fetch, 'memory'));
    return file.append(fetch.writer, offset, chunk);
  }

  #retireWriter(fetch: Fetch): void {
    if (fetch.writer) void this.#blob.file.retire(fetch.writer);
    fetch.writer = undefined;
  }
}
