/**
 * One fetch: bytes from an offset on, in order, from one endpoint after another until its end is reached.
 *
 *   open --headers--> accept? --yes--> bytes ... --> end reached          -> complete
 *     ^                  | no            | reset, stall, short, too long
 *     +------------------+---------------+   (the next endpoint goes on at the byte reached)
 *     no endpoint left                                                    -> failed
 *
 * An endpoint that broke is asked again only after the others, and not at all once it broke twice without a mebibyte
 * of progress in between: a front door that cuts every body at 8 MiB can be lived with, a dripping one cannot.
 */
import type { OpenRange } from '../../lib/bytes/byte-range.ts';
import type { Clock, Timer } from '../../lib/clock.ts';
import type { Digest } from '../../oci/digest.ts';
import { type Endpoint, endpointKey } from '../../upstream/endpoint.ts';
import { verdict } from '../../upstream/fallback.ts';
import type { Attempt, Trail } from '../../upstream/outcome.ts';
import type { Answer, AskOptions, OpenedBlob, UpstreamBody, Verdict } from '../../upstream/upstream.ts';
import { isOfNothing } from '../blob-size.ts';
import type { TransferLimits } from '../limits.ts';

export interface FetcherHost {
  readonly digest: Digest;
  open(range: OpenRange, options: AskOptions): Promise<Answer<OpenedBlob>>;
  /** Headers are in: take the answer, refuse it with a reason that counts against the endpoint, or end the fetch. */
  accept(
    fetcher: Fetcher,
    opened: OpenedBlob,
    endpoint: Endpoint,
    trail: Trail,
  ): 'take' | 'end' | { refuse: string };
  /** Where the fetch has to stop as things are now (exclusive); undefined where only the blob's unknown end stops it. */
  stopAt(fetcher: Fetcher): number | undefined;
  /** Takes bytes; false asks for a pause until `fetcher.resume()`. */
  data(fetcher: Fetcher, offset: number, chunk: Buffer): boolean;
  /** An endpoint failed in the middle. */
  broke(fetcher: Fetcher, endpoint: Endpoint, fault: 'invalid' | 'unreachable', reason: string): void;
  ended(fetcher: Fetcher, end: FetchEnd): void;
}

export interface FetcherDeps {
  readonly clock: Clock;
  readonly limits: Pick<TransferLimits, 'stallBytes'>;
  /** ms without progress after which a host has stalled. */
  readonly stallTimeoutOf: (host: string) => number;
}

export type FetchEnd =
  /** `eof`: the body ended by itself where no size was known. */
  | { readonly kind: 'complete'; readonly eof: boolean }
  | { readonly kind: 'failed'; readonly verdict: Verdict; readonly trail: Trail };

type BodyEnd =
  | { kind: 'reached' }
  | { kind: 'eof' }
  | { kind: 'broke'; fault: 'invalid' | 'unreachable'; reason: string };

const forgivingProgress = 1024 * 1024;

export class Fetcher {
  /** Offset of its first byte. */
  start: number;
  /** Where the reader's wish ends; undefined: at the blob's end. */
  readonly wish: number | undefined;
  /** Offset of the next byte to come. */
  position: number;
  /** Who gives the bytes now, or gave the last ones. */
  endpoint: Endpoint | undefined;
  readonly #host: FetcherHost;
  readonly #deps: FetcherDeps;
  readonly #abort = new AbortController();
  readonly #excluded: Set<string>;
  readonly #distrusted: Set<string>;
  readonly #breaks = new Map<string, number>();
  #body: UpstreamBody | undefined;
  #paused = false;
  #stopped = false;
  #finishBody: ((end: BodyEnd) => void) | undefined;

  constructor(
    host: FetcherHost,
    deps: FetcherDeps,
    range: OpenRange,
    known: { exclude: ReadonlySet<string>; distrust: ReadonlySet<string> },
  ) {
    this.#host = host;
    this.#deps = deps;
    this.start = range.start;
    this.wish = range.end;
    this.position = range.start;
    this.#excluded = new Set(known.exclude);
    this.#distrusted = new Set(known.distrust);
  }

  /** Runs to the end; `host.ended` is called once, unless `stop` came first. */
  async run(prefer: string | undefined): Promise<void> {
    const trail: Attempt[] = [];
    while (!this.#stopped) {
      const stop = this.#host.stopAt(this);
      const answer = await this.#open(stop, prefer);
      if (!answer) return;
      trail.push(...answer.trail);
      if (!answer.ok) {
        // Those who broke off before have said that it exists.
        const whole = answer.verdict.kind === 'notFound' ? verdict(trail) : answer.verdict;
        return this.#finish({ kind: 'failed', verdict: whole, trail });
      }
      const { endpoint, value } = answer;
      const taken = this.#host.accept(this, value, endpoint, trail);
      if (taken === 'end') {
        value.body.cancel();
        return this.#finish({ kind: 'complete', eof: false });
      }
      this.endpoint = endpoint;
      const from = this.position;
      const end: BodyEnd =
        taken === 'take'
          ? await this.#consume(value, stop)
          : { kind: 'broke', fault: 'invalid', reason: taken.refuse };
      this.#body = undefined;
      if (this.#stopped) return;
      if (end.kind !== 'broke') return this.#finish({ kind: 'complete', eof: end.kind === 'eof' });
      if (taken !== 'take') value.body.cancel();
      this.#remember(endpoint, this.position - from);
      trail.push({
        endpoint: endpointKey(endpoint),
        role: endpoint.role,
        outcome: end.fault,
        reason: end.reason,
        ms: 0,
      });
      this.#host.broke(this, endpoint, end.fault, end.reason);
    }
  }

  /** Undefined when the fetch was stopped meanwhile. */
  async #open(stop: number | undefined, prefer: string | undefined): Promise<Answer<OpenedBlob> | undefined> {
    try {
      const answer = await this.#host.open(
        { start: this.position, ...(stop !== undefined && { end: stop }) },
        { exclude: this.#excluded, distrust: this.#distrusted, prefer, signal: this.#abort.signal },
      );
      if (!this.#stopped) return answer;
      if (answer.ok) answer.value.body.cancel();
      return undefined;
    } catch (error) {
      // The signal's own reason says nothing new.
      if (this.#stopped) return undefined;
      throw error;
    }
  }

  /** After `data` asked for a pause. */
  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#body?.resume();
  }

  /** Goes back to where an answer starts that ignored the range, so that nothing it brings is thrown away. */
  rebase(start: number): void {
    this.start = start;
    this.position = start;
  }

  /** Ends the fetch without a word to the host. */
  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#abort.abort();
    this.#body?.cancel();
    this.#finishBody?.({ kind: 'reached' });
  }

  #finish(end: FetchEnd): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#host.ended(this, end);
  }

  #remember(endpoint: Endpoint, progress: number): void {
    const key = endpointKey(endpoint);
    const breaks = (progress >= forgivingProgress ? 0 : (this.#breaks.get(key) ?? 0)) + 1;
    this.#breaks.set(key, breaks);
    // The last to have its turn.
    this.#distrusted.delete(key);
    this.#distrusted.add(key);
    if (breaks > 1) this.#excluded.add(key);
  }

  #consume(opened: OpenedBlob, asked: number | undefined): Promise<BodyEnd> {
    return new Promise((resolve) => {
      const { body } = opened;
      this.#body = body;
      this.#paused = false;
      // An endpoint that ignored the range sends what came before, too.
      let offset = opened.start;
      let watched = 0;
      let timer: Timer | undefined;
      const { limits } = this.#deps;
      const stallTimeout = this.#deps.stallTimeoutOf(this.endpoint?.host ?? '');
      const stopNow = (): number | undefined => this.#host.stopAt(this);
      const finish = (end: BodyEnd, cancel: boolean): void => {
        if (this.#finishBody !== finishOnce) return;
        this.#finishBody = undefined;
        timer?.cancel();
        if (cancel) body.cancel();
        resolve(end);
      };
      const finishOnce = (end: BodyEnd): void => finish(end, true);
      this.#finishBody = finishOnce;
      const watch = (): void => {
        timer = this.#deps.clock.after(stallTimeout, () => {
          if (!this.#paused && watched < limits.stallBytes) {
            const seconds = stallTimeout / 1000;
            finish(
              { kind: 'broke', fault: 'unreachable', reason: `stalled: ${watched} bytes in ${seconds} s` },
              true,
            );
          } else {
            watched = 0;
            watch();
          }
        });
      };
      watch();
      body.consume({
        data: (chunk) => {
          if (this.#finishBody !== finishOnce) return false;
          watched += chunk.length;
          const stop = stopNow();
          const fresh =
            offset < this.position ? chunk.subarray(Math.min(chunk.length, this.position - offset)) : chunk;
          offset += chunk.length;
          const room = stop === undefined ? fresh.length : Math.max(0, stop - this.position);
          const wanted = fresh.length > room ? fresh.subarray(0, room) : fresh;
          let goOn = true;
          if (wanted.length > 0) {
            const at = this.position;
            this.position += wanted.length;
            goOn = this.#host.data(this, at, wanted);
          }
          if (stop !== undefined && this.position >= stop) {
            finish({ kind: 'reached' }, opened.end === undefined || offset < opened.end);
            return true;
          }
          if (!goOn) {
            this.#paused = true;
            watched = limits.stallBytes;
          }
          return goOn;
        },
        end: () => {
          // A part that was asked for ends where it should, though the fetch may have farther to go by now.
          const asIsKnown = Math.min(opened.end ?? asked ?? stopNow() ?? 0, stopNow() ?? Infinity);
          // Nor is there an end before what another has given.
          const expected = Math.max(this.position, asIsKnown);
          if (offset < expected) {
            const reason = `sent too little: ended ${expected - offset} bytes before byte ${expected}`;
            finish({ kind: 'broke', fault: 'invalid', reason }, false);
          } else if (
            this.position === opened.start &&
            (this.position > 0 || !isOfNothing(this.#host.digest))
          ) {
            finish({ kind: 'broke', fault: 'invalid', reason: 'sent nothing' }, false);
          } else {
            // Beyond the part that was asked for: the whole came instead, and this is its end.
            const isWhole = asked === undefined || this.position > asked;
            finish({ kind: isWhole && stopNow() === undefined ? 'eof' : 'reached' }, false);
          }
        },
        fail: (reason) => {
          const stop = stopNow();
          if (stop !== undefined && this.position >= stop) finish({ kind: 'reached' }, false);
          else finish({ kind: 'broke', fault: 'unreachable', reason }, false);
        },
      });
    });
  }
}
