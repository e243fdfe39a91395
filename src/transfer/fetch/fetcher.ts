/**
 * One fetch: bytes from an offset on, in order, from one endpoint after another until its end is reached.
 *
 *   open --headers--> accept? --yes--> body (body-reader.ts) --> end reached    -> complete
 *     ^                  | no            | reset, stall, short, too long
 *     +------------------+---------------+   the next endpoint goes on at the byte reached
 *     no endpoint left                                                          -> failed
 *
 * An endpoint that broke off is asked again only after the others, and not at all once it broke off twice without a mebibyte
 * of progress in between: a front door that cuts every body at 8 MiB is usable, an endpoint that drips is not.
 */
import type { OpenRange } from '../../lib/bytes/byte-range.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Digest } from '../../oci/digest.ts';
import { verdict } from '../../upstream/consequences.ts';
import { type Endpoint, endpointKey } from '../../upstream/endpoint.ts';
import type { Attempt, Trail } from '../../upstream/outcome.ts';
import type { Answer, AskOptions, OpenedBlob, Verdict } from '../../upstream/upstream.ts';
import { isOfNothing } from '../blob-size.ts';
import type { TransferLimits } from '../limits.ts';
import type { BodyEnd } from './body-end.ts';
import { BodyReader, type BodyTaker } from './body-reader.ts';

/** The headers of one endpoint are in. */
export interface Answered {
  readonly opened: OpenedBlob;
  readonly endpoint: Endpoint;
  /** Of the whole fetch so far. */
  readonly trail: Trail;
  /** Of the next byte that the fetch wants. */
  readonly position: number;
}

/** Take the answer, refuse it with a reason that counts against the endpoint, or end the fetch. */
export type Acceptance = 'take' | 'end' | { readonly refuse: string };

/** What one fetch asks and tells. Each fetch has a host of its own. */
export interface FetcherHost {
  readonly digest: Digest;
  /** Asks the endpoints for the bytes from `start` to before `end`, or to the blob's end. */
  open(range: OpenRange, options: AskOptions): Promise<Answer<OpenedBlob>>;
  accept(answered: Answered): Acceptance | Promise<Acceptance>;
  /** Where the fetch has to stop as things are now (exclusive); undefined: at the blob's unknown end. */
  stopAt(): number | undefined;
  /** Takes bytes that `host` gave; false asks for a pause until `resume`. */
  data(offset: number, chunk: Buffer, host: string): boolean;
  /** An endpoint failed in the middle. */
  broke(endpoint: Endpoint, fault: 'invalid' | 'unreachable', reason: string): void;
  ended(end: FetchEnd): void;
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

/** endpointKeys that a fetch does not ask, and those that it asks last. */
export interface KnownEndpoints {
  readonly exclude: ReadonlySet<string>;
  readonly distrust: ReadonlySet<string>;
}

/** Bytes after which an earlier break of the same endpoint no longer counts. */
const forgivingProgress = 1024 * 1024;

/** `run` it once. Its bytes go to the host, in order and without a gap. */
export class Fetcher implements BodyTaker {
  /** The end that the fetch was started for; undefined: the blob's end. */
  readonly requestedEnd: number | undefined;
  readonly #host: FetcherHost;
  readonly #deps: FetcherDeps;
  readonly #abort = new AbortController();
  readonly #excluded: Set<string>;
  readonly #distrusted: Set<string>;
  readonly #breaks = new Map<string, number>();
  #start: number;
  #position: number;
  #body: BodyReader | undefined;
  /** Where the body under way, or the last one, began to bring something. */
  #bodyStart = 0;
  #endpoint: Endpoint | undefined;
  #isStopped = false;

  constructor(host: FetcherHost, deps: FetcherDeps, range: OpenRange, known: KnownEndpoints) {
    this.#host = host;
    this.#deps = deps;
    this.requestedEnd = range.end;
    this.#start = range.start;
    this.#position = range.start;
    this.#excluded = new Set(known.exclude);
    this.#distrusted = new Set(known.distrust);
  }

  /** Offset of its first byte. */
  get start(): number {
    return this.#start;
  }

  /** Offset of the next byte to come. */
  get position(): number {
    return this.#position;
  }

  /** That the body under way comes from. */
  get endpoint(): Endpoint | undefined {
    return this.#endpoint;
  }

  get isOfNothing(): boolean {
    return isOfNothing(this.#host.digest);
  }

  stopAt(): number | undefined {
    return this.#host.stopAt();
  }

  take(chunk: Buffer): boolean {
    const at = this.#position;
    this.#position += chunk.length;
    return this.#host.data(at, chunk, this.#endpoint?.host ?? '');
  }

  /** Runs to the end; the host's `ended` is called once, unless `stop` came first. Rejects on what `open` or `accept` throws. */
  async run(prefer: string | undefined): Promise<void> {
    const trail: Attempt[] = [];
    while (!this.#isStopped) {
      const askedEnd = this.#host.stopAt();
      const answer = await this.#open(askedEnd, prefer);
      if (!answer) return;
      trail.push(...answer.trail);
      if (!answer.ok) {
        // An endpoint that broke off before has shown that the blob exists.
        const whole = answer.verdict.kind === 'notFound' ? verdict(trail) : answer.verdict;
        return this.#finish({ kind: 'failed', verdict: whole, trail });
      }
      const { endpoint, value } = answer;
      const end = await this.#read({ opened: value, endpoint, trail, position: this.#position }, askedEnd);
      this.#body = undefined;
      this.#endpoint = undefined;
      if (this.#isStopped) return;
      if (end.kind !== 'broke') return this.#finish({ kind: 'complete', eof: end.kind === 'eof' });
      this.#remember(endpoint, this.#position - this.#bodyStart);
      const { fault: outcome, reason } = end;
      trail.push({ endpoint: endpointKey(endpoint), role: endpoint.role, outcome, reason, ms: 0 });
      this.#host.broke(endpoint, outcome, reason);
    }
  }

  /** After `data` asked for a pause. */
  resume(): void {
    this.#body?.resume();
  }

  /** Goes back to where an answer starts that ignored the range, so that nothing it brings is thrown away. */
  rebase(start: number): void {
    this.#start = start;
    this.#position = start;
  }

  /** Ends the fetch; the host is not told. */
  stop(): void {
    if (this.#isStopped) return;
    this.#isStopped = true;
    this.#abort.abort();
    this.#body?.stop();
  }

  /** Undefined when the fetch was stopped meanwhile. */
  async #open(end: number | undefined, prefer: string | undefined): Promise<Answer<OpenedBlob> | undefined> {
    try {
      const answer = await this.#host.open(
        { start: this.#position, ...(end !== undefined && { end }) },
        { exclude: this.#excluded, distrust: this.#distrusted, prefer, signal: this.#abort.signal },
      );
      if (!this.#isStopped) return answer;
      if (answer.ok) answer.value.body.cancel();
      return undefined;
    } catch (error) {
      // The signal's own reason says nothing new.
      if (this.#isStopped) return undefined;
      throw error;
    }
  }

  /** Reads the answer's body if the host accepts it, and cancels it otherwise. */
  async #read(answered: Answered, askedEnd: number | undefined): Promise<BodyEnd> {
    const { opened, endpoint } = answered;
    let accepted: Acceptance = 'end';
    try {
      accepted = await this.#host.accept(answered);
    } finally {
      if (accepted !== 'take' || this.#isStopped) opened.body.cancel();
    }
    this.#bodyStart = this.#position;
    if (this.#isStopped || accepted === 'end') return { kind: 'reached' };
    if (accepted !== 'take') return { kind: 'broke', fault: 'invalid', reason: accepted.refuse };
    this.#endpoint = endpoint;
    const { clock, limits, stallTimeoutOf } = this.#deps;
    this.#body = new BodyReader(opened, askedEnd, this, {
      clock,
      timeout: stallTimeoutOf(endpoint.host),
      bytes: limits.stallBytes,
    });
    return this.#body.read();
  }

  #finish(end: FetchEnd): void {
    if (this.#isStopped) return;
    this.#isStopped = true;
    this.#host.ended(end);
  }

  #remember(endpoint: Endpoint, progress: number): void {
    const key = endpointKey(endpoint);
    const breaks = (progress >= forgivingProgress ? 0 : (this.#breaks.get(key) ?? 0)) + 1;
    this.#breaks.set(key, breaks);
    // It is asked last from now on.
    this.#distrusted.delete(key);
    this.#distrusted.add(key);
    if (breaks > 1) this.#excluded.add(key);
  }
}
