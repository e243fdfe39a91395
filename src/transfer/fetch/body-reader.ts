/** Reads one response body into a fetch, until the fetch has what it wants, the body ends, breaks off or stalls. */
import type { Clock, Timer } from '../../lib/clock.ts';
import type { OpenedBlob } from '../../upstream/upstream.ts';
import { type BodyEnd, type BodyProgress, judgeEnd, judgeFailure, judgeStall } from './body-end.ts';

/** The fetch that takes the bytes. */
export interface BodyTaker {
  /** Offset of the next byte that it wants. */
  readonly position: number;
  /** Whether the blob is known by its digest to be empty. */
  readonly isOfNothing: boolean;
  /** Where it has to stop as things are now (exclusive); undefined: at the blob's unknown end. */
  stopAt(): number | undefined;
  /** Takes the bytes at `position`, which moves on; false asks for a pause until `resume`. */
  take(chunk: Buffer): boolean;
}

export interface StallWatch {
  readonly clock: Clock;
  /** ms. */
  readonly timeout: number;
  /** A body that brings fewer bytes within `timeout` has stalled. A pause does not count. */
  readonly bytes: number;
}

/** ms for the end of a body whose bytes are all here: without it, the connection cannot be used again. */
const endTimeout = 5000;

/** One per body. Its result never rejects: what went wrong is a `BodyEnd`. */
export class BodyReader {
  readonly #opened: OpenedBlob;
  readonly #askedEnd: number | undefined;
  readonly #taker: BodyTaker;
  readonly #watch: StallWatch;
  readonly #end = Promise.withResolvers<BodyEnd>();
  /** Of the next byte in the body. An endpoint that ignored the range sends what comes before, too. */
  #received: number;
  /** Bytes since the watch looked last. */
  #progress = 0;
  #timer: Timer | undefined;
  #isPaused = false;
  #isOver = false;

  constructor(opened: OpenedBlob, askedEnd: number | undefined, taker: BodyTaker, watch: StallWatch) {
    this.#opened = opened;
    this.#askedEnd = askedEnd;
    this.#taker = taker;
    this.#watch = watch;
    this.#received = opened.start;
  }

  /** Resolves when the body is over. Call it once. */
  read(): Promise<BodyEnd> {
    this.#startWatch();
    this.#opened.body.consume({
      data: (chunk) => this.#take(chunk),
      end: () => this.#finish(judgeEnd(this.#state, this.#taker.isOfNothing)),
      fail: (reason) => this.#finish(judgeFailure(this.#state, reason)),
    });
    return this.#end.promise;
  }

  /** Goes on after `take` asked for a pause. */
  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#opened.body.resume();
  }

  /** Ends the body now: the fetch wants no more of it. */
  stop(): void {
    this.#cancel();
    this.#finish({ kind: 'reached' });
  }

  get #state(): BodyProgress {
    const { start, end } = this.#opened;
    return {
      start,
      announcedEnd: end,
      askedEnd: this.#askedEnd,
      stop: this.#taker.stopAt(),
      position: this.#taker.position,
      received: this.#received,
    };
  }

  #take(chunk: Buffer): boolean {
    if (this.#isOver) {
      // It goes on past the end that its headers announced.
      this.#cancel();
      return false;
    }
    this.#progress += chunk.length;
    const { position } = this.#taker;
    const stop = this.#taker.stopAt();
    const known = Math.min(chunk.length, Math.max(0, position - this.#received));
    this.#received += chunk.length;
    const wanted = Math.min(
      chunk.length - known,
      stop === undefined ? chunk.length : Math.max(0, stop - position),
    );
    const isAll = known === 0 && wanted === chunk.length;
    const goesOn = wanted === 0 || this.#taker.take(isAll ? chunk : chunk.subarray(known, known + wanted));
    // The taker may have stopped the fetch.
    if (this.#isOver) return false;
    if (stop !== undefined && position + wanted >= stop) {
      this.#finish({ kind: 'reached' });
      if (this.#received === this.#opened.end) {
        this.#timer = this.#watch.clock.after(endTimeout, () => this.#opened.body.cancel());
      } else this.#opened.body.cancel();
      return true;
    }
    if (!goesOn) {
      this.#isPaused = true;
      this.#progress = this.#watch.bytes;
    }
    return goesOn;
  }

  #startWatch(): void {
    const { clock, timeout, bytes } = this.#watch;
    this.#timer = clock.after(timeout, () => {
      if (!this.#isPaused && this.#progress < bytes) {
        const stalled = judgeStall(this.#progress, timeout);
        this.#opened.body.cancel();
        this.#finish(stalled);
        return;
      }
      this.#progress = 0;
      this.#startWatch();
    });
  }

  #cancel(): void {
    this.#timer?.cancel();
    this.#opened.body.cancel();
  }

  #finish(end: BodyEnd): void {
    this.#timer?.cancel();
    if (this.#isOver) return;
    this.#isOver = true;
    this.#end.resolve(end);
  }
}
