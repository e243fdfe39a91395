/**
 * One blob on its way in: one sparse file, the bytes that it holds, fetches that fill it, readers that wait for bytes.
 *
 *   filling --all present--> verifying --digest right--> verified --stored, or not storable--> settled
 *    ^ | |                    |     |                                                            |
 *    +-|-|----digest wrong----+     | disk fails                                                 |
 *      | +--no capacity, disk fails-+--> relaying --the last reader has left--> ended <----------+
 *      +---------the last reader has left, and it is not filled on--------------^
 *
 * A reader that comes or leaves, a fetch that fails and an endpoint that breaks off change no state. From `filling` the transfer ends
 * only where it is not filled on (`transfer.fill`); the next transfer of this blob resumes from what is on disk.
 * Answers that run from 0 to the end never get their last bytes before the digest is known to be right.
 */
import type { OpenRange } from '../lib/bytes/byte-range.ts';
import type { ByteStream } from '../lib/bytes/byte-stream.ts';
import { asError } from '../lib/thrown.ts';
import type { Digest } from '../oci/digest.ts';
import { BlobSize } from './blob-size.ts';
import { Commit } from './commit.ts';
import { type ByteSource, ByteSources } from './fetch/byte-source.ts';
import { Contributors } from './fetch/contributors.ts';
import type { FetchEnd } from './fetch/fetcher.ts';
import { Fetches, type FetchOwner } from './fetch/fetches.ts';
import { isFilledUp } from './fetch/plan.ts';
import { nothingMore, type Opening, stopped } from './fetch/running-fetches.ts';
import { findResumeState, partialFileOf } from './file/resume-state.ts';
import { SparseFile } from './file/sparse-file.ts';
import { Readers } from './read/readers.ts';
import { createRelay } from './read/relay.ts';
import { type Readable, TransferReader } from './read/transfer-reader.ts';
import type { TransferDeps } from './transfer-deps.ts';

/** `done` resolves when the blob is in the store, or will not be. */
type State =
  | { readonly kind: 'filling' }
  | { readonly kind: 'verifying'; readonly done: Promise<void> }
  | { readonly kind: 'verified'; readonly done: Promise<void> }
  | { readonly kind: 'settled' }
  | { readonly kind: 'relaying' }
  | { readonly kind: 'ended' };

/** Made by `createTransfers` alone. It ends by itself; `abandon` ends it at once. */
export class Transfer implements FetchOwner, Readable {
  readonly digest: Digest;
  readonly file: SparseFile;
  readonly sources: ByteSources;
  readonly #deps: TransferDeps;
  readonly #size: BlobSize;
  readonly #contributors: Contributors;
  readonly #fetches: Fetches;
  readonly #commit: Commit;
  readonly #readers = new Readers();
  #state: State = { kind: 'filling' };
  /** Requests that use the transfer: each calls `enter` and `leave`. */
  #uses = 0;
  #ending: Promise<void> | undefined;

  /** `declaredSize`: bytes of the blob according to the manifest of the image, if one names it. */
  constructor(deps: TransferDeps, digest: Digest, source: ByteSource, declaredSize: number | undefined) {
    this.digest = digest;
    this.#deps = deps;
    this.sources = new ByteSources(source);
    const partial = findResumeState(partialFileOf(deps.incoming, digest, source), declaredSize);
    const { bytes } = partial.ranges;
    this.#size = new BlobSize(digest, declaredSize, partial.size);
    const onError = (error: Error) => this.#relayAll(`cannot use ${this.file.path}: ${error.message}`);
    this.file = new SparseFile({ ...deps, digest, size: this.#size, onError }, partial);
    this.#contributors = new Contributors(deps, digest, bytes > 0);
    const { file, sources } = this;
    const blob = { digest, file, sources, size: this.#size, contributors: this.#contributors };
    this.#fetches = new Fetches(blob, deps, this);
    this.#commit = new Commit(blob, deps);
    // At debug: a client that reads in ranges resumes with each of them.
    if (bytes > 0) deps.log.debug({ event: 'transfer.resumed', digest, bytes }, 'resuming a transfer');
  }

  get size(): number | undefined {
    return this.#size.value;
  }

  /** The size that a client may be told. */
  get announcedSize(): number | undefined {
    return this.isVerified ? this.size : this.#size.announced;
  }

  get isFilling(): boolean {
    return this.#state.kind === 'filling';
  }

  get isVerified(): boolean {
    return this.#state.kind === 'verified' || this.#state.kind === 'settled';
  }

  /** The blob is not kept, for want of capacity: readers get their bytes past the disk. */
  get isRelaying(): boolean {
    return this.#state.kind === 'relaying';
  }

  get readerCount(): number {
    return this.#readers.count;
  }

  /** Resolves once the bytes, if all of them are present, are in the store or will not be. */
  async settled(): Promise<void> {
    if ('done' in this.#state) await this.#state.done;
  }

  /** Whether another image could read here: verified bytes, or bytes from hosts that are its own, too. */
  isFor(source: ByteSource): boolean {
    const isUnderWay = this.isFilling || this.#state.kind === 'verifying';
    return this.isVerified || (isUnderWay && this.sources.share(source));
  }

  /** Whether it may: its own endpoints have the blob, with `confirmed` bytes, which is what was announced here. */
  admits(source: ByteSource, confirmed: number): boolean {
    return this.isFor(source) && confirmed === this.size && (this.isVerified || this.#size.isConfirmed);
  }

  /** A request begins to use the transfer; each `enter` is followed by one `leave`. */
  enter(): void {
    // All readers of the attempt that got wrong bytes have left, so the endpoints excluded for it may be asked again.
    if (this.#uses === 0) this.#contributors.readmit();
    this.#uses += 1;
  }

  leave(): void {
    this.#uses -= 1;
    this.#restIfUnused();
  }

  /** Makes the bytes from `start` on come, and waits until it is known whether they can. */
  async begin(start: number, end: number | undefined, prefer: string | undefined): Promise<Opening> {
    // The bytes of an earlier run must be open before they are counted on.
    if (this.isFilling && this.file.present.bytes > 0) this.file.create();
    const wanted = this.file.present.firstHole(start);
    const until = end ?? this.size;
    const isHere = !this.isFilling || (until !== undefined && wanted >= until);
    const fetch = isHere ? undefined : this.#fetches.bring(wanted, { start, end }, prefer);
    if (fetch) return fetch.opening;
    // An earlier run may have left all of it.
    this.#checkWhole();
    return nothingMore;
  }

  /** Streams the bytes from `start` to before `end`, or to the blob's end. `announced`: the blob's size as the reader was told. */
  reader(start: number, end: number | undefined, announced: number | undefined): ByteStream {
    const reader = new TransferReader(this, this.#deps, { start, end }, announced);
    this.#readers.add(reader);
    return reader;
  }

  forget(reader: TransferReader): void {
    this.#readers.delete(reader);
  }

  want(offset: number, range: OpenRange): void {
    const until = range.end ?? this.size;
    if (this.isFilling && (until === undefined || offset < until)) this.#fetches.bring(offset, range);
  }

  relay({ start, end }: OpenRange, verify: boolean): ByteStream {
    const { digest, size, file } = this;
    const { open } = this.#fetches;
    const contributors = this.#contributors.forReader(start > 0);
    return createRelay({ ...this.#deps, open, file, contributors }, { digest, size, start, end, verify });
  }

  /** Stops everything at once; what is on disk stays for the next run. */
  async abandon(): Promise<void> {
    this.#fetches.stopAll(stopped);
    this.#readers.fail(new Error('the server stops'));
    this.#uses = 0;
    // The next run must not find on its path what this one is still moving.
    await this.settled();
    await this.#end();
  }

  async reserve(): Promise<boolean> {
    const isReserved = await this.#commit.reserve(this.sources.images);
    if (!isReserved) this.#relayAll('no room in the cache');
    return isReserved;
  }

  sizeChanged(): void {
    this.#restart(`${this.digest} has ${this.size} bytes, not what was told before`);
  }

  arrived(start: number, end: number): void {
    this.#readers.wakeFor(start, end);
  }

  ended(end: FetchEnd): void {
    if (end.kind === 'failed') this.#readers.failWaiting(this.digest, end, (at) => this.#fetches.comes(at));
    else this.#readers.wake();
    this.#checkWhole();
    this.#restIfUnused();
  }

  crashed(error: unknown): void {
    this.#readers.fail(asError(error));
    this.#restIfUnused();
  }

  #relayAll(reason: string): void {
    if (!this.isFilling && this.#state.kind !== 'verifying') return;
    this.#state = { kind: 'relaying' };
    const { log, metrics } = this.#deps;
    metrics.transferEnded('relayed');
    const event = 'transfer.relayed';
    log.error({ event, digest: this.digest, reason }, 'a blob is passed on without being kept');
    this.#fetches.stopAll(nothingMore);
    this.#commit.release();
    this.file.remove();
    this.#readers.wake();
    if (this.#uses === 0) void this.#end();
  }

  #checkWhole(): void {
    const { size } = this;
    if (!this.isFilling || size === undefined || !this.file.present.covers(0, size)) return;
    // In the next turn, when the state is set: the disk may fail at once.
    const done = Promise.resolve()
      .then(() => this.#verify(size))
      .catch((error: unknown) => this.#relayAll(`cannot verify ${this.file.path}: ${error}`));
    this.#state = { kind: 'verifying', done };
    this.#fetches.stopAll(nothingMore);
  }

  async #verify(size: number): Promise<void> {
    if (this.#state.kind !== 'verifying') return;
    const isRight = await this.#commit.isRight(size);
    if (this.#state.kind !== 'verifying') return;
    if (!isRight) return this.#reject();
    this.#state = { kind: 'verified', done: this.#state.done };
    this.#readers.wake();
    await this.#commit.store(size);
    this.#state = { kind: 'settled' };
    this.#deps.ended(this);
    if (this.#uses === 0) await this.#end();
  }

  /** All bytes are present and they are wrong: they go, and no reader gets the last ones. */
  #reject(): void {
    this.#commit.reject();
    this.#state = { kind: 'filling' };
    this.#restart(`the bytes of ${this.digest} were wrong`, this.#commit.isGivenUp);
    this.#readers.wake();
    this.#restIfUnused();
  }

  /** Throws all bytes away. A reader that has received none of them may still get the right ones, unless this was the last try. */
  #restart(reason: string, isLast = false): void {
    this.#fetches.restart();
    this.#commit.release();
    this.#readers.fail(new Error(reason), (reader) => isLast || reader.delivered > 0);
  }

  /** No request uses the transfer any more: it fills on, or leaves its bytes to the next transfer. */
  #restIfUnused(): void {
    // Below 0 once the transfer was abandoned: the requests of then still leave.
    if (this.#uses !== 0) return;
    // The last reader may leave in the very turn that brings the last byte.
    if (this.file.present.bytes > 0) this.#checkWhole();
    if (this.isRelaying || this.#state.kind === 'settled') void this.#end();
    if (!this.isFilling) return;
    const goesOn = isFilledUp(this.#deps.fill(), this.file.present.bytes, this.size);
    if (goesOn && this.#fetches.fillOn(this.#commit.isGivenUp)) return;
    this.#fetches.stopAll(stopped);
    void this.#end();
  }

  #end(): Promise<void> {
    this.#ending ??= this.#endWhenIdle().finally(() => {
      this.#ending = undefined;
    });
    return this.#ending;
  }

  /** Ends the transfer and frees its memory, unless a request came while the last bytes went to the disk. */
  async #endWhenIdle(): Promise<void> {
    // A reader may join and leave while we flush, so loop until its bytes are saved too. The next transfer of this digest
    // reuses the path: no write may be in flight when this one ends.
    while (this.file.saving || (this.isFilling && this.#uses === 0 && !this.file.isSaved)) {
      await this.file.flush();
      await this.file.save();
    }
    if (this.#state.kind === 'ended' || this.#uses > 0 || this.#fetches.count > 0) return;
    // A request came meanwhile, brought the last bytes, and left: the verdict ends the transfer.
    if ('done' in this.#state) return;
    if (this.isFilling) {
      this.#deps.metrics.transferEnded('failed');
      if (this.file.written.bytes === 0) this.file.remove();
    }
    this.#state = { kind: 'ended' };
    this.#commit.release();
    this.#deps.ended(this);
    this.file.close();
  }
}
