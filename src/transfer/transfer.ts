/**
 * One blob on its way in: one sparse file, the bytes that it holds, fetches that fill it, readers that wait for bytes.
 *
 *   state      what is true                             next state, and when
 *   filling    bytes are missing                        verifying: all bytes are present; relaying: no capacity, or the disk fails;
 *                                                       closed: unused, and not filled on (`transfer.fill`)
 *   verifying  the digest is being checked              verified: right; filling: wrong, all bytes go; relaying: the disk fails
 *   verified   the store takes the file                 settled: the store has the blob, or cannot take it
 *   settled    requests still read the file             closed: unused
 *   relaying   not kept: readers get it past the disk   closed: unused
 *   closed     its memory is freed                      (the next request for the blob starts another transfer)
 *
 * "Unused": every request that entered has left. `abandon` leads from every state to `closed`. A reader that comes or leaves, a fetch
 * that fails and an endpoint that breaks off change no state by themselves. If it is closed while filling, its bytes stay on disk and
 * the next transfer resumes from them. The last bytes of an answer from 0 to the end wait until the digest is known to be right.
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
import { Throttle } from './fetch/throttle.ts';
import { findResumeState, partialFileOf } from './file/resume-state.ts';
import { SparseFile } from './file/sparse-file.ts';
import { Readers, type WaitingReader } from './read/readers.ts';
import { createRelay } from './read/relay.ts';
import { type Readable, TransferReader } from './read/transfer-reader.ts';
import type { TransferDeps } from './transfer-deps.ts';

/** `done` resolves when the blob is in the store, or will not be. */
type State =
  | { readonly kind: 'filling' | 'settled' | 'relaying' | 'closed' }
  | { readonly kind: 'verifying' | 'verified'; readonly done: Promise<void> };

/** Made by `createTransfers` alone, whose requests call what comes first. It closes by itself; `abandon` closes it at once. */
export class Transfer implements FetchOwner, Readable {
  readonly digest: Digest;
  readonly file: SparseFile;
  readonly sources: ByteSources;
  readonly throttle = new Throttle();
  readonly #deps: TransferDeps;
  readonly #size: BlobSize;
  readonly contributors: Contributors;
  readonly #fetches: Fetches;
  readonly commit: Commit;
  readonly #readers = new Readers();
  #state: State = { kind: 'filling' };
  /** Requests that use the transfer: each calls `enter` and `leave`. Below 0 after `abandon`: nothing begins any more. */
  #uses = 0;
  #closing: Promise<void> | undefined;

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
    this.contributors = new Contributors(deps, digest, deps.contributorMemory.take(this.file.path, bytes));
    const { file, sources, throttle } = this;
    const blob = { digest, file, sources, throttle, size: this.#size, contributors: this.contributors };
    this.#fetches = new Fetches(blob, deps, this);
    this.commit = new Commit(blob, deps);
    // At debug: a client that reads in ranges resumes with each of them.
    if (bytes > 0) deps.log.debug({ event: 'transfer.resumed', digest, bytes }, 'resuming a transfer');
  }

  /** The size of the blob that a client may be told. */
  get announcedSize(): number | undefined {
    return this.isVerified ? this.size : this.#size.announced;
  }

  /** Resolves at once while bytes are missing; else once the blob is in the store, could not be stored, or was wrong. */
  async settled(): Promise<void> {
    if ('done' in this.#state) await this.#state.done;
  }

  /** Whether the image of `source` could read here: the bytes are verified, or come from hosts that are its own, too. */
  isFor(source: ByteSource): boolean {
    const isUnderWay = this.isFilling || this.#state.kind === 'verifying';
    return this.isVerified || (isUnderWay && this.sources.share(source));
  }

  /** Whether it may, since its own endpoints have the blob with `confirmed` bytes: an endpoint must have told as many here. */
  admits(source: ByteSource, confirmed: number): boolean {
    return this.isFor(source) && confirmed === this.size && (this.isVerified || this.#size.isConfirmed);
  }

  /** A request begins to use the transfer. Each `enter` is followed by one `leave`. */
  enter(): void {
    // All readers of the attempt that got wrong bytes have left, so the endpoints excluded for it may be asked again.
    if (this.#uses === 0) this.contributors.readmit();
    this.#uses += 1;
  }

  leave(): void {
    this.#uses -= 1;
    this.#closeIfUnused();
  }

  /** Starts or joins a fetch for the bytes from `start` on, and waits until an endpoint gives them or none can. */
  async begin(start: number, end: number | undefined, prefer: string | undefined): Promise<Opening> {
    if (this.#uses < 0) return stopped;
    // The file of an earlier run is opened first: if that fails, its bytes are not here.
    if (this.isFilling && this.file.present.bytes > 0) this.file.create();
    const wanted = this.file.present.firstHole(start);
    const fetch = this.#mustFetch(wanted, end) && this.#fetches.bring(wanted, { start, end }, prefer);
    if (fetch) return fetch.opening;
    // An earlier run may have left the whole blob.
    this.#checkWhole();
    return nothingMore;
  }

  /** Streams the bytes from `start` to before `end`, or to the blob's end. `announced`: the blob's size as the reader was told. */
  reader(start: number, end: number | undefined, announced: number | undefined): ByteStream {
    return this.#readers.add(new TransferReader(this, this.#deps, { start, end }, announced));
  }

  /** Wakes the reader when bytes come, until it is forgotten. */
  await(reader: WaitingReader): void {
    this.#readers.add(reader);
  }

  /** Stops all fetches and readers at once, and closes. The bytes on disk stay for the next run. */
  async abandon(): Promise<void> {
    this.#fetches.stopAll(stopped);
    this.#readers.end(new Error('the server stops'));
    this.#uses = Number.NEGATIVE_INFINITY;
    // The store may be moving the file at this moment: the next run must not find it half moved.
    await this.settled();
    await this.#close();
  }

  // For readers: `Readable` says what each member means.
  get size(): number | undefined {
    return this.#size.value;
  }

  get isVerified(): boolean {
    return this.#state.kind === 'verified' || this.#state.kind === 'settled';
  }

  get isRelaying(): boolean {
    return this.#state.kind === 'relaying';
  }

  get readerCount(): number {
    return this.#readers.count;
  }

  forget(reader: WaitingReader): void {
    this.#readers.delete(reader);
  }

  want(offset: number, range: OpenRange): void {
    if (this.#mustFetch(offset, range.end)) this.#fetches.bring(offset, range);
  }

  relay({ start, end }: OpenRange, verify: boolean): ByteStream {
    const { digest, size, file } = this;
    const { open } = this.#fetches;
    const contributors = this.contributors.forReader(start > 0);
    return createRelay({ ...this.#deps, open, file, contributors }, { digest, size, start, end, verify });
  }

  // For fetches: `FetchOwner` says what each member means.
  get isFilling(): boolean {
    return this.#state.kind === 'filling' && this.#uses >= 0;
  }

  async reserve(): Promise<boolean> {
    const isReserved = await this.commit.reserve(this.sources.images);
    if (!isReserved) this.#relayAll('no room in the cache');
    return isReserved;
  }

  sizeChanged(): void {
    this.#restart(`${this.digest} has ${this.size} bytes, not what was announced before`);
  }

  bytesArrived(start: number, end: number): void {
    this.#readers.wakeFor(start, end);
  }

  fetchEnded(end: FetchEnd): void {
    if (end.kind === 'failed') this.#readers.failWaiting(this.digest, end, (at) => this.#fetches.comes(at));
    else this.#readers.wake();
    this.#checkWhole();
    this.#closeIfUnused();
  }

  fetchCrashed(error: unknown): void {
    this.#readers.fail(asError(error));
    this.#closeIfUnused();
  }

  /** Whether the byte at `offset` is to be fetched, for a range that ends before `end`, or with the blob. */
  #mustFetch(offset: number, end = this.size): boolean {
    return this.isFilling && (end === undefined || offset < end);
  }

  #relayAll(reason: string): void {
    if (this.#state.kind !== 'filling' && this.#state.kind !== 'verifying') return;
    this.#state = { kind: 'relaying' };
    this.#fetches.stopAll(nothingMore);
    this.commit.relay(reason);
    this.#readers.wake();
    if (this.#uses === 0) void this.#close();
  }

  #checkWhole(): void {
    const { size } = this;
    if (!this.isFilling || size === undefined || !this.file.present.covers(0, size)) return;
    // `#verify` starts in the next turn, after the state is set: if the disk fails at once, the state must be `verifying`.
    const done = Promise.resolve()
      .then(() => this.#verify(size))
      .catch((error: unknown) => this.#relayAll(`cannot verify ${this.file.path}: ${error}`));
    this.#state = { kind: 'verifying', done };
    this.#fetches.stopAll(nothingMore);
  }

  async #verify(size: number): Promise<void> {
    if (this.#state.kind !== 'verifying') return;
    const isRight = await this.commit.isRight(size);
    if (this.#state.kind !== 'verifying') return;
    if (!isRight) return this.#reject();
    this.#state = { kind: 'verified', done: this.#state.done };
    this.#readers.wake();
    await this.commit.store(size, this.throttle.mustKeep);
    this.#state = { kind: 'settled' };
    this.#deps.unlist(this);
    if (this.#uses === 0) await this.#close();
  }

  /** All bytes are present and wrong: throws them away. Readers of the whole blob have not had its last bytes. */
  #reject(): void {
    this.commit.reject();
    this.#state = { kind: 'filling' };
    this.#restart(`the bytes of ${this.digest} were wrong`, this.commit.isGivenUp);
    this.#readers.wake();
    this.#closeIfUnused();
  }

  /** Throws all bytes away. A reader that has received none of them may still get the right ones, unless this was the last try. */
  #restart(reason: string, isLast = false): void {
    this.#fetches.restart();
    this.commit.release();
    this.#readers.fail(new Error(reason), (reader) => isLast || reader.delivered > 0);
  }

  /** If no request uses the transfer: goes on filling (`transfer.fill`), or closes and leaves the bytes to the next transfer. */
  #closeIfUnused(): void {
    if (this.#uses !== 0) return;
    // The last byte may have come in this same turn, before its fetch has ended.
    if (this.file.present.bytes > 0) this.#checkWhole();
    if (this.isRelaying || this.#state.kind === 'settled') void this.#close();
    if (!this.isFilling) return;
    const goesOn = isFilledUp(this.#deps.fill(), this.file.present.bytes, this.size);
    if (goesOn && this.throttle.hadClients && this.#fetches.fillOn(this.commit.isGivenUp)) return;
    this.#fetches.stopAll(stopped);
    void this.#close();
  }

  #close(): Promise<void> {
    this.#closing ??= this.#closeWhenIdle().finally(() => {
      this.#closing = undefined;
    });
    return this.#closing;
  }

  /** Closes the transfer and frees its memory, unless a request came while the last bytes were written. */
  async #closeWhenIdle(): Promise<void> {
    // A reader may join and leave while we flush, so loop until its bytes are saved too. The next transfer of this digest
    // reuses the path: no write may be in flight when this one closes.
    while (this.file.saving || (this.#state.kind === 'filling' && this.#uses <= 0 && !this.file.isSaved)) {
      await this.file.flush();
      await this.file.save();
    }
    if (this.#state.kind === 'closed' || this.#uses > 0 || this.#fetches.count > 0) return;
    // A request came meanwhile, fetched the last bytes, and left: `#verify` closes the transfer.
    if ('done' in this.#state) return;
    if (this.#state.kind === 'filling') this.commit.leave();
    this.#state = { kind: 'closed' };
    this.commit.release();
    this.#deps.unlist(this);
    this.file.close();
  }
}
