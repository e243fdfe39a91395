/**
 * One HTTP request and its answer, on undici's `dispatch`: the body stays where it is until a sink asks for it, and is
 * pushed to the sink without a stream in between. The time to the headers is measured here, by our own clock:
 * undici's timers are coarse, and its body timeout does not run while a reader is slow.
 */
import { Readable } from 'node:stream';
import type { Dispatcher } from 'undici';
import type { BodySink, PushedBody } from '../../lib/bytes/pushed-body.ts';
import type { Clock } from '../../lib/clock.ts';
import type { TransportFault } from './transport-fault.ts';

export type ResponseHeaders = Readonly<Record<string, string | string[] | undefined>>;

export interface HttpRequest {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly headers: Readonly<Record<string, string>>;
  /**
   * Bytes are an upload: it may take as long as it moves. They must not change until the answer is here. Chunks are passed on as they
   * come, in as many bytes as a `content-length` says; such a request is sent once.
   */
  readonly body?: string | Uint8Array | AsyncIterable<Uint8Array>;
  /** Milliseconds until the headers are in, where the server has much to do first; Infinity: the signal alone ends the wait. Default: as for every request. */
  readonly patience?: number;
}

export interface HttpResponse {
  readonly status: number;
  readonly headers: ResponseHeaders;
  readonly body: PushedBody;
  /** What was asked, after redirects. */
  readonly url: URL;
}

export type Exchanged =
  | { readonly ok: true; readonly response: HttpResponse }
  | { readonly ok: false; readonly fault: TransportFault };

export interface ExchangeOptions {
  readonly clock: Clock;
  /** Milliseconds until the headers are in, from the last byte of an upload that was taken. */
  readonly headerTimeout: number;
  /** Called when that time is over: whether only `signal` ends the wait from then on. */
  mayOutlast?(): boolean;
  /** Called for each interim answer (1xx). */
  alive?(): void;
  /** Gives up before the headers are in. After that, the owner of the body cancels it. */
  readonly signal?: AbortSignal | undefined;
  /** Called for each chunk that a sink is given: its memory is the sink's from then on. */
  readonly retain: (chunk: Buffer) => void;
  /** `hasHead`: the head of the answer was in before. */
  describe(error: unknown, hasHead: boolean): TransportFault;
  /** Called once, when the exchange no longer holds its connection. */
  released(): void;
}

/** Never rejects: what keeps an answer from coming is a fault. The body is paused until it is consumed. */
export function exchange(
  dispatcher: Dispatcher,
  url: URL,
  request: HttpRequest,
  options: ExchangeOptions,
): Promise<Exchanged> {
  const { clock, signal } = options;
  const headerTimeout = request.patience ?? options.headerTimeout;
  const { promise, resolve } = Promise.withResolvers<Exchanged>();
  let controller: Dispatcher.DispatchController | undefined;
  let body: ExchangeBody | undefined;
  let settled = false;
  const settle = (result: Exchanged) => {
    if (settled) return;
    settled = true;
    timer?.cancel();
    signal?.removeEventListener('abort', onAbort);
    if (!result.ok) options.released();
    resolve(result);
  };
  const giveUp = (fault: TransportFault) => {
    settle({ ok: false, fault });
    controller?.abort(new Error(fault.reason));
  };
  const onAbort = () => giveUp({ kind: 'aborted', reason: 'given up' });
  let lastSentAt = clock.monotonic();
  const overdue = () => {
    const left = lastSentAt + headerTimeout - clock.monotonic();
    if (left > 0) timer = clock.after(left, overdue);
    else if (!options.mayOutlast?.())
      giveUp({ kind: 'unanswered', reason: `no answer within ${headerTimeout / 1000} s` });
  };
  let timer = Number.isFinite(headerTimeout) ? clock.after(headerTimeout, overdue) : undefined;
  signal?.addEventListener('abort', onAbort);
  if (signal?.aborted) onAbort();
  if (settled) return promise;

  const fail = (error: unknown) => {
    const fault = options.describe(error, body !== undefined);
    settle({ ok: false, fault });
    body?.fail(fault.reason);
  };
  try {
    dispatcher.dispatch(
      {
        origin: url.origin,
        path: `${url.pathname}${url.search}`,
        method: request.method,
        headers: withLength(request),
        body: sendable(request.body, () => {
          lastSentAt = clock.monotonic();
        }),
        headersTimeout: 0,
        bodyTimeout: 0,
        // undici gives up the connection after each HEAD otherwise, and every revalidation would cost a handshake.
        reset: false,
      },
      {
        onRequestStart(started) {
          controller = started;
          if (settled) started.abort(new Error('given up'));
        },
        onResponseStart(started, status, headers) {
          if (status < 200 && !settled) options.alive?.();
          if (status < 200 || settled) return;
          started.pause();
          body = new ExchangeBody(started, options);
          settle({ ok: true, response: { status, headers, body, url } });
        },
        onResponseData: (_, chunk) => body?.data(chunk),
        onResponseEnd: () => body?.end(),
        onResponseError: (_, error) => fail(error),
      },
    );
  } catch (error) {
    fail(error);
  }
  return promise;
}

/** Bytes of an upload that are handed to the connection at once. */
const uploadSlice = 128 * 1024;

/** A stream has no length of its own, and would be sent in chunks. */
function withLength({ headers, body }: HttpRequest): HttpRequest['headers'] {
  return body instanceof Uint8Array ? { ...headers, 'content-length': String(body.length) } : headers;
}

/** What undici takes as a body. `onSent` is called each time that the connection takes a slice. */
function sendable(body: HttpRequest['body'], onSent: () => void): string | Uint8Array | Readable | null {
  if (body === undefined || typeof body === 'string') return body ?? null;
  if (isStream(body)) return Readable.from(body, { highWaterMark: 1 });
  if (body.length <= uploadSlice) return body;
  return Readable.from(slicesOf(body, onSent), { highWaterMark: 1 });
}

/** Whether a body is passed on as it comes, and so cannot be sent again. */
export function isStream(body: HttpRequest['body']): body is AsyncIterable<Uint8Array> {
  return typeof body === 'object' && !(body instanceof Uint8Array);
}

function* slicesOf(bytes: Uint8Array, onSent: () => void): Generator<Uint8Array> {
  for (let start = 0; start < bytes.length; start += uploadSlice) {
    yield bytes.subarray(start, start + uploadSlice);
    onSent();
  }
}

/** Bytes. Smaller chunks that come at once are handed on in one piece. */
const smallChunk = 4096;

class ExchangeBody implements PushedBody {
  readonly #controller: Dispatcher.DispatchController;
  readonly #retain: (chunk: Buffer) => void;
  readonly #released: () => void;
  #sink: BodySink | undefined;
  #small: Buffer[] = [];
  #over: { failed: string | undefined } | undefined;
  #cancelled = false;

  constructor(
    controller: Dispatcher.DispatchController,
    options: Pick<ExchangeOptions, 'retain' | 'released'>,
  ) {
    this.#controller = controller;
    this.#retain = options.retain;
    this.#released = options.released;
  }

  consume(sink: BodySink): void {
    if (this.#sink) throw new Error('a body is consumed once');
    this.#sink = sink;
    if (this.#over) queueMicrotask(() => this.#tellEnd());
    else if (!this.#cancelled) this.#controller.resume();
  }

  resume(): void {
    if (!this.#over && !this.#cancelled) this.#controller.resume();
  }

  cancel(): void {
    if (this.#cancelled) return;
    this.#cancelled = true;
    if (this.#over) return;
    this.#controller.abort(new Error('cancelled'));
    this.#released();
  }

  data(chunk: Buffer): void {
    if (this.#cancelled || !this.#sink) return;
    if (chunk.length >= smallChunk) {
      this.#deliverSmall();
      this.#deliver(chunk);
      return;
    }
    this.#small.push(chunk);
    if (this.#small.length > 1) return;
    queueMicrotask(() => {
      try {
        this.#deliverSmall();
      } catch (error) {
        // As undici does it where a handler throws.
        this.#controller.abort(error as Error);
      }
    });
  }

  end(): void {
    this.#deliverSmall();
    this.#finish(undefined);
  }

  fail(reason: string): void {
    this.#deliverSmall();
    this.#finish(reason);
  }

  /** Hands on the small chunks of one read of the socket together: a server that sends single bytes would else keep us busy. */
  #deliverSmall(): void {
    const small = this.#small;
    const [only] = small;
    if (!only) return;
    this.#small = [];
    this.#deliver(small.length === 1 ? only : Buffer.concat(small));
  }

  #deliver(chunk: Buffer): void {
    if (this.#cancelled || !this.#sink) return;
    this.#retain(chunk);
    if (!this.#sink.data(chunk) && !this.#cancelled) this.#controller.pause();
  }

  #finish(failed: string | undefined): void {
    if (this.#over || this.#cancelled) return;
    this.#over = { failed };
    this.#released();
    if (this.#sink) this.#tellEnd();
  }

  #tellEnd(): void {
    if (this.#cancelled || !this.#sink || !this.#over) return;
    if (this.#over.failed === undefined) this.#sink.end();
    else this.#sink.fail(this.#over.failed);
  }
}
