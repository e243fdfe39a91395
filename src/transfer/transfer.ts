/**
 * One blob on its way in: one sparse file, the bytes that it holds, fetchers that fill it, readers that wait for bytes.
 *
 *              headers          all bytes here      digest right
 *   filling ---------> filling ---------------> verifying ------> verified, then stored
 *      ^                  |  no room                 | digest wrong
 *      |                  v                          v
 *      |              relaying               blame, throw away, fill again
 *      +-- a reader, a failed fetch, a mirror that dies: nothing of this ends the transfer.
 *
 * It ends when nobody reads any more and nothing is left to do; what is on disk then is resumed by the next one.
 * Answers that run from 0 to the end never get their last bytes before the digest is known to be right.
 */
import type { OpenRange } from '../lib/bytes/byte-range.ts';
import type { ByteStream } from '../lib/bytes/byte-stream.ts';
import { asError } from '../lib/thrown.ts';
import { type Digest, digestAlgorithm, digestHex } from '../oci/digest.ts';
import { type Endpoint, endpointKey } from '../upstream/endpoint.ts';
import type { Trail } from '../upstream/outcome.ts';
import type { Answer, AskOptions, OpenedBlob } from '../upstream/upstream.ts';
import { BlobSize } from './blob-size.ts';
import { type ByteSource, ByteSources } from './fetch/byte-source.ts';
import { Givers } from './fetch/contributors.ts';
import { type FetchEnd, Fetcher, type FetcherHost } from './fetch/fetcher.ts';
import { type Fetch, Fetches, type Opening } from './fetch/fetches.ts';
import { isFilledUp, wishOf } from './fetch/plan.ts';
import { findPartialDownload, partialFileOf } from './file/partial-download.ts';
import { SparseFile } from './file/sparse-file.ts';
import { Readers } from './read/readers.ts';
import { createRelay } from './read/relay.ts';
import { TransferReader } from './read/transfer-reader.ts';
import { ReservedRoom } from './reserved-capacity.ts';
import type { TransferDeps } from './transfer-deps.ts';

export class Transfer implements FetcherHost {
  readonly digest: Digest;
  readonly file: SparseFile;
  readonly sources: ByteSources;
  readonly #deps: TransferDeps;
  readonly #fetches: Fetches;
  readonly readers = new Readers();
  readonly #givers: Givers;
  readonly #size: BlobSize;
  readonly #room: ReservedRoom;
  #interest = 0;
  #ending: Promise<void> | undefined;
  #verifying: Promise<void> | undefined;
  #lastHole = -1;
  /** How often all bytes were thrown away because they were wrong. */
  #attempt = 0;
  #state: 'filling' | 'verifying' | 'verified' | 'stored' | 'relaying' | 'ended' = 'filling';

  constructor(deps: TransferDeps, digest: Digest, source: ByteSource, declaredSize: number | undefined) {
    this.digest = digest;
    this.#deps = deps;
    this.sources = new ByteSources(source);
    const leftover = findPartialDownload(partialFileOf(deps.incoming, digest, source), declaredSize);
    this.#size = new BlobSize(digest, declaredSize, leftover.size);
    this.file = new SparseFile(
      {
        ...deps,
        size: this.#size,
        algorithm: digestAlgorithm(digest),
        onError: (error) => this.#relayAll(`cannot use ${this.file.path}: ${error.message}`),
      },
      leftover,
    );
    this.#fetches = new Fetches(this.file, deps);
    this.#room = new ReservedRoom(deps, this.file);
    const { bytes } = leftover.ranges;
    this.#givers = new Givers(deps, digest, bytes > 0);
    // A client that reads in ranges comes here with each of them.
    if (bytes > 0) deps.log.debug({ digest, bytes }, 'resuming a transfer');
  }

  get size(): number | undefined {
    return this.#size.value;
  }

  /** What a client may be told of the size. */
  get promised(): number | undefined {
    return this.verified ? this.size : this.#size.told;
  }

  get verified(): boolean {
    return this.#state === 'verified' || this.#state === 'stored';
  }

  /** There is no room for the blob: readers get their bytes past the disk. */
  get relaying(): boolean {
    return this.#state === 'relaying';
  }

  /** Resolves once the bytes, if all of them are here, are in the store or will not be. */
  get settled(): Promise<void> | undefined {
    return this.#verifying;
  }

  /** Whether another image could read here: what is verified, or what comes from hosts that are its own, too. */
  isFor(source: ByteSource): boolean {
    const isUnderWay = this.#state === 'filling' || this.#state === 'verifying';
    return this.verified || (isUnderWay && this.sources.share(source));
  }

  /** Whether it may: its own endpoints have told that they have the blob, with as many bytes as have been told here. */
  admits(source: ByteSource, confirmed: number): boolean {
    return this.isFor(source) && confirmed === this.size && (this.verified || this.#size.isConfirmed);
  }

  /** Somebody is interested; each `enter` is followed by one `leave`. */
  enter(): void {
    // Those whom a lie concerned are gone: to the next one this is a transfer like any other.
    if (this.#interest === 0) this.#givers.readmit();
    this.#interest += 1;
  }

  leave(): void {
    this.#interest -= 1;
    if (this.#interest === 0) this.#rest();
  }

  /** Sees to it that bytes from `start` on come, and waits until it is known whether they can. */
  async begin(start: number, end: number | undefined, prefer: string | undefined): Promise<Opening> {
    // What an earlier run left.
    if (this.#state === 'filling' && this.file.present.bytes > 0) this.file.create();
    const wanted = this.file.present.firstHole(start);
    const until = end ?? this.size;
    const isHere = this.#state !== 'filling' || (until !== undefined && wanted >= until);
    const fetch = isHere ? undefined : this.#fetchFor(wanted, { start, end }, prefer);
    if (fetch) return fetch.opening;
    // A restart may have found all of it.
    this.#checkWhole();
    return { ok: true, endpoint: undefined, trail: [] };
  }

  /** A stream of the bytes from `start` to before `end`, or to the blob's end. `promised`: the blob's size as the reader knows it. */
  reader(start: number, end: number | undefined, promised: number | undefined): ByteStream {
    const reader = new TransferReader(this, this.#deps, { start, end }, promised);
    this.readers.add(reader);
    return reader;
  }

  forget(reader: TransferReader): void {
    this.readers.delete(reader);
  }

  /** A reader waits for the byte at `offset`. */
  want(offset: number, range: OpenRange): void {
    const until = range.end ?? this.size;
    if (this.#state === 'filling' && (until === undefined || offset < until)) this.#fetchFor(offset, range);
  }

  /** What a reader gets when the disk has no room: its bytes from `start` on straight from the endpoints. */
  relay(start: number, end: number | undefined, verify: boolean): ByteStream {
    const { digest, size, file } = this;
    const open: FetcherHost['open'] = (range, options) => this.open(range, options);
    const givers = this.#givers.forOne(start > 0);
    return createRelay({ ...this.#deps, open, file, givers }, { digest, size, start, end, verify });
  }

  /** Stops everything at once; what is on disk stays for the next run. */
  async abandon(): Promise<void> {
    this.#fetches.stopAll({ ok: false, verdict: { kind: 'unavailable' }, trail: [] });
    this.readers.fail(new Error('the server stops'));
    this.#interest = 0;
    // The next run must not find on its path what this one is still moving.
    await this.#verifying;
    await this.#end();
  }

  // FetcherHost: what fetchers ask and tell.
  open(range: OpenRange, options: AskOptions): Promise<Answer<OpenedBlob>> {
    const end = range.end === this.size ? undefined : range.end;
    return this.sources.open({ start: range.start, ...(end !== undefined && { end }) }, options);
  }

  accept(
    fetcher: Fetcher,
    opened: OpenedBlob,
    endpoint: Endpoint,
    trail: Trail,
  ): 'take' | 'end' | { refuse: string } {
    const fetch = this.#fetches.get(fetcher);
    if (!fetch || this.#state !== 'filling') return 'end';
    if (opened.start > fetcher.position) return { refuse: `answered from byte ${opened.start} on` };
    const judged = this.#size.judge(opened.size);
    if (!judged.ok) return { refuse: judged.problem };
    if (judged.changed) this.#restart(`${this.digest} has ${this.size} bytes, not what was told before`);
    fetch.settle({ ok: true, endpoint, trail });
    // Asked for bytes after the end, before anybody knew where that is.
    if (this.size !== undefined && this.size > 0 && fetcher.position >= this.size) return 'end';
    if (!this.#reserve()) return 'end';
    if (opened.start < fetcher.position) {
      this.#fetches.ranges = false;
      if (this.#fetches.arriving(fetcher.position, fetcher)) return 'end';
      if (this.file.present.firstHole(opened.start) < fetcher.position) fetcher.rebase(opened.start);
    }
    if (!this.file.create()) return 'end';
    this.#givers.add(endpoint);
    if (this.size === 0) return 'end';
    this.#widen(endpoint.host);
    return 'take';
  }

  stopAt(fetcher: Fetcher): number | undefined {
    return this.#fetches.stopAt(fetcher);
  }

  data(fetcher: Fetcher, offset: number, chunk: Buffer): boolean {
    const fetch = this.#fetches.get(fetcher);
    const room = !fetch || this.#fetches.append(fetch, offset, chunk);
    this.#deps.metrics.received(fetcher.endpoint?.host ?? '', chunk.length);
    this.readers.wakeFor(offset, offset + chunk.length);
    return room;
  }

  broke(_fetcher: Fetcher, endpoint: Endpoint, fault: 'invalid' | 'unreachable', reason: string): void {
    const isSure = fault === 'unreachable' || !this.#size.isAssumed;
    if (isSure) this.#deps.report(endpoint, fault, reason);
    this.#deps.log.warn(
      { digest: this.digest, endpoint: endpointKey(endpoint), reason },
      'an endpoint broke off',
    );
  }

  ended(fetcher: Fetcher, end: FetchEnd): void {
    const fetch = this.#fetches.remove(fetcher);
    if (end.kind === 'failed') {
      fetch?.settle({ ok: false, verdict: end.verdict, trail: end.trail });
      const comes = (offset: number) =>
        this.file.present.has(offset) || this.#fetches.arriving(offset) !== undefined;
      this.readers.failWaiting(this.digest, end, comes);
    } else {
      if (end.eof) this.#size.found(fetcher.position);
      fetch?.settle({ ok: true, endpoint: undefined, trail: [] });
      this.#widen(undefined);
      this.readers.wake();
    }
    this.#checkWhole();
    if (this.#interest === 0) this.#rest();
  }

  /** The fetch that brings the byte at `wanted`, started now where there is none near; undefined where it is here. */
  #fetchFor(wanted: number, range: OpenRange, prefer?: string): Fetch | undefined {
    const plan = this.#fetches.plan(wanted);
    if (plan === 'present') return undefined;
    if (plan === 'wait') return this.#fetches.arriving(wanted);
    return this.#start(wanted, wishOf(range, wanted, this.size, this.#deps.limits.piece), prefer);
  }

  #start(start: number, end: number | undefined, prefer: string | undefined): Fetch {
    const known = { exclude: this.#givers.excluded, distrust: this.#givers.distrusted };
    const fetcher = new Fetcher(this, this.#deps, { start, end }, known);
    const fetch = this.#fetches.add(fetcher);
    fetcher.run(prefer).catch((error: unknown) => {
      // A bug, or a configuration that makes no name of this image: whoever waits must hear of it.
      this.#fetches.remove(fetcher);
      this.#deps.log.error({ digest: this.digest, err: error }, 'a fetch failed unexpectedly');
      fetch.fail(error);
      this.readers.fail(asError(error));
      if (this.#interest === 0) this.#rest();
    });
    return fetch;
  }

  /** Starts more fetchers where the origin throttles each connection and the configuration says so. */
  #widen(host: string | undefined): void {
    const first = host ?? this.#givers.host;
    const wanted = first === undefined ? 1 : this.#deps.fetchersFor(first);
    while (this.#state === 'filling' && this.#fetches.count > 0 && this.#fetches.count < wanted) {
      const start = this.#fetches.nextPiece();
      if (start === undefined) return;
      this.#start(start, start + this.#deps.limits.piece, undefined);
    }
  }

  /** Room for the whole blob, once its size is known. */
  #reserve(): boolean {
    if (this.size === undefined || this.#room.take(this.size, this.sources.images)) return true;
    this.#relayAll('no room in the cache');
    return false;
  }

  #relayAll(reason: string): void {
    if (this.#state !== 'filling' && this.#state !== 'verifying') return;
    this.#state = 'relaying';
    this.#deps.metrics.transferEnded('relayed');
    this.#deps.log.error({ digest: this.digest, reason }, 'a blob is passed on without being kept');
    this.#fetches.stopAll({ ok: true, endpoint: undefined, trail: [] });
    this.#room.release();
    this.file.remove();
    this.readers.wake();
    if (this.#interest === 0) void this.#end();
  }

  #checkWhole(): void {
    const { size } = this;
    if (this.#state !== 'filling' || size === undefined || !this.file.present.covers(0, size)) return;
    this.#state = 'verifying';
    this.#fetches.stopAll({ ok: true, endpoint: undefined, trail: [] });
    this.#verifying = this.#verify(size).catch((error: unknown) =>
      this.#relayAll(`cannot verify ${this.file.path}: ${error}`),
    );
  }

  async #verify(size: number): Promise<void> {
    // Where more has come than there is, somebody was wrong.
    const hex = this.file.present.end > size ? '' : await this.file.digest(size);
    if (this.#state !== 'verifying') return;
    if (hex !== digestHex(this.digest)) {
      this.#reject();
      return;
    }
    this.#state = 'verified';
    this.readers.wake();
    try {
      await this.#deps.adopt(this.digest, size, this.file.path);
      this.file.moved();
      this.#deps.metrics.transferEnded('stored');
    } catch (error) {
      const { digest } = this;
      this.#deps.log.error({ digest, reason: `${error}` }, 'a blob was served but cannot be stored');
      this.#deps.metrics.transferEnded('relayed');
      this.file.remove();
    }
    // The blob is counted as stored by now.
    this.#room.release();
    await this.file.saving;
    this.#state = 'stored';
    this.#deps.ended(this);
    if (this.#interest === 0) await this.#end();
  }

  /** All bytes are here and they are wrong: they go, whoever gave them is remembered, nobody gets the last ones. */
  #reject(): void {
    this.#givers.blame(this.#size.isAssumed);
    this.#size.doubt();
    this.#state = 'filling';
    this.#attempt += 1;
    this.#restart(`the bytes of ${this.digest} were wrong`, this.#attempt >= this.#deps.limits.attempts);
    this.readers.wake();
    if (this.#interest === 0) this.#rest();
  }

  /** All bytes go. Who has had none of them may still get the right ones. */
  #restart(reason: string, isLast = false): void {
    this.#fetches.restart();
    this.#room.release();
    this.readers.fail(new Error(reason), (reader) => isLast || reader.delivered > 0);
  }

  /** Nobody reads any more: fill on, or leave what is here to the next one. */
  #rest(): void {
    // The last reader may leave in the very turn that brings the last byte.
    if (this.file.present.bytes > 0) this.#checkWhole();
    if (this.#state === 'relaying' || this.#state === 'stored') void this.#end();
    if (this.#state !== 'filling') return;
    const goOn = isFilledUp(this.#deps.fill(), this.file.present.bytes, this.size);
    if (goOn && this.#fetches.count > 0) return;
    if (goOn && this.#givers.any && this.#attempt < this.#deps.limits.attempts && this.#fillsOn()) return;
    this.#fetches.stopAll({ ok: false, verdict: { kind: 'unavailable' }, trail: [] });
    void this.#end();
  }

  /** Starts a fetch for the first hole, unless that was tried and brought nothing. */
  #fillsOn(): boolean {
    const hole = this.file.present.firstHole(0);
    if (hole === this.#lastHole) return false;
    this.#lastHole = hole;
    this.#start(hole, undefined, undefined);
    return true;
  }

  #end(): Promise<void> {
    this.#ending ??= this.#endWhenIdle().finally(() => {
      this.#ending = undefined;
    });
    return this.#ending;
  }

  /** Out of the map, out of memory: unless somebody came while the last bytes went to the disk. */
  async #endWhenIdle(): Promise<void> {
    // Who comes meanwhile may bring bytes and leave again: they are saved as well. And the next transfer of this blob
    // has the same path: nothing may be on its way there any more.
    while (this.file.saving || (this.#state === 'filling' && this.#interest === 0 && !this.file.isSaved)) {
      await this.file.flush();
      await this.file.save();
    }
    if (this.#state === 'ended' || this.#interest > 0 || this.#fetches.count > 0) return;
    // Somebody came meanwhile, brought the last bytes, and left: the verdict ends it.
    if (this.#state === 'verifying' || this.#state === 'verified') return;
    if (this.#state === 'filling') {
      this.#deps.metrics.transferEnded('failed');
      if (this.file.written.bytes === 0) this.file.remove();
    }
    this.#state = 'ended';
    this.#room.release();
    this.#deps.ended(this);
    this.file.close();
  }
}
