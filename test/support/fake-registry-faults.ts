/**
 * What can be wrong with an answer. A fault is a value; several may be given to one rule and are applied in their order:
 *
 *   registry.on({ kind: 'blob', nth: 1 }, rate(1_000_000), endShort(5_000))
 *
 * Offsets named `bytes` count the body of the one answer; those named `offset` count the whole blob.
 */
import type { OutgoingHttpHeaders } from 'node:http';
import { setTimeout as wait } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { blobOf, collect, corrupted, joined } from './byte-source.ts';
import { type Answer, errorAnswer, textAnswer } from './fake-registry-content.ts';
import type { SeenRequest } from './fake-registry-journal.ts';
import { aborted, type Gate } from './gate.ts';

export interface Fault {
  /** Waits before anything is sent; `over` fires when the exchange is. */
  readonly before?: (over: AbortSignal) => Promise<void>;
  readonly ignoreRange?: true;
  readonly answer?: (answer: Answer, request: SeenRequest) => Answer;
  readonly delivery?: Delivery;
}

/** How an answer goes over the wire. */
export interface Delivery {
  /** These bytes instead of an HTTP answer, then the end of the connection. */
  readonly raw?: string;
  /** No Content-Length. */
  readonly chunked?: true;
  /** Stops after so many body bytes; `hold` goes on when its gate opens. */
  readonly stop?: { readonly bytes: number; readonly how: 'reset' | 'end' | { readonly hold: Gate } };
  /** Made once for each answer. */
  readonly pace?: () => Pace;
  /** Milliseconds between the single bytes of the header block; Infinity: half of the block, then nothing. */
  readonly headerBytesEvery?: number;
}

export interface Pace {
  /** Resolves with how many bytes, at most `wanted`, may be sent now. */
  grant(wanted: number, over: AbortSignal): Promise<number>;
}

/** Answers `code` instead. Without a body, an OCI error body. */
export function status(code: number, headers: OutgoingHttpHeaders = {}, body?: string): Fault {
  return instead(
    body === undefined
      ? errorAnswer(code, 'UNKNOWN', `HTTP ${code}`, headers)
      : textAnswer(code, body, headers),
  );
}

/** 429. `retryAfter`: seconds, or an HTTP date. */
export function rateLimited(retryAfter?: number | string, headers: OutgoingHttpHeaders = {}): Fault {
  const after = retryAfter === undefined ? {} : { 'retry-after': String(retryAfter) };
  return instead(errorAnswer(429, 'TOOMANYREQUESTS', 'too many requests', { ...after, ...headers }));
}

/** A captive portal's page, with 200. */
export function htmlPage(
  text = '<!doctype html><title>Log in</title><p>Please log in to the network.',
): Fault {
  return instead(textAnswer(200, text, { 'content-type': 'text/html; charset=utf-8' }));
}

/** Sends the client elsewhere. A function gets the request, for a target of its own for each. */
export function redirect(to: string | ((request: SeenRequest) => string), code = 307): Fault {
  return {
    answer: (_, request) => textAnswer(code, '', { location: typeof to === 'string' ? to : to(request) }),
  };
}

/** Adds or replaces headers; undefined removes one. */
export function withHeaders(headers: OutgoingHttpHeaders): Fault {
  return {
    answer(answer) {
      const all = { ...answer.headers, ...headers };
      const kept = Object.entries(all).filter(([, value]) => value !== undefined);
      return { ...answer, headers: Object.fromEntries(kept) };
    },
  };
}

/** A header block of at least so many bytes. */
export function hugeHeaders(bytes: number): Fault {
  return withHeaders({ 'x-huge': 'x'.repeat(bytes) });
}

export function ignoreRange(): Fault {
  return { ignoreRange: true };
}

/** A Content-Range of another place than was asked for, such as `bytes 0-9/100`. */
export function wrongContentRange(text: string): Fault {
  return withHeaders({ 'content-range': text });
}

/** Says another length than the body has; more bytes than said go out after the answer, as garbage. */
export function wrongContentLength(bytes: number): Fault {
  return withHeaders({ 'content-length': bytes });
}

/** Sends the body in chunks, without a Content-Length. */
export function noContentLength(): Fault {
  return { delivery: { chunked: true } };
}

/** Compresses the body though nobody asked for it. */
export function gzipped(): Fault {
  return {
    answer: (answer) => ({
      ...answer,
      headers: { ...answer.headers, 'content-encoding': 'gzip' },
      body: blobOf(gzipSync(collect(answer.body))),
    }),
  };
}

/** Changes the byte at this offset of the blob, where the answer holds it. */
export function corruptAt(offset: number): Fault {
  return { answer: (answer) => ({ ...answer, body: corrupted(answer.body, offset - answer.from) }) };
}

/** Sends other content. */
export function otherBody(content: Uint8Array | string): Fault {
  return { answer: (answer) => ({ ...answer, body: blobOf(content) }) };
}

/** Sends so many bytes more than there are; the Content-Length counts them. */
export function tooMuch(bytes: number): Fault {
  return {
    answer: (answer) => ({ ...answer, body: joined(answer.body, blobOf(Buffer.alloc(bytes, 0x2b))) }),
  };
}

/**
 * Resets the connection after so many body bytes. The reset may overtake bytes that the client has not read yet;
 * where each byte must arrive, use endShort. Over TLS it is a close without a notice.
 */
export function cutAfter(bytes: number): Fault {
  return { delivery: { stop: { bytes, how: 'reset' } } };
}

/** Closes the connection in an orderly way after so many body bytes; with noContentLength the answer then looks complete. */
export function endShort(bytes: number): Fault {
  return { delivery: { stop: { bytes, how: 'end' } } };
}

/** Sends so many body bytes, then nothing until the gate opens. */
export function stallAfter(bytes: number, hold: Gate): Fault {
  return { delivery: { stop: { bytes, how: { hold } } } };
}

/** Holds the whole answer until the gate opens. */
export function holdHeaders(hold: Gate): Fault {
  return { before: (over) => hold.pass(over) };
}

/** Takes the request and never answers it. */
export function neverAnswer(): Fault {
  return { before: aborted };
}

/** Closes the connection without a word, as a server does that dies or gives up an idle connection. */
export function hangUp(): Fault {
  return rawAnswer('');
}

/** Answers with these bytes, HTTP or not, and closes the connection. */
export function rawAnswer(text: string): Fault {
  return { delivery: { raw: text } };
}

/** Answers after so many milliseconds: for benches; tests hold a gate instead. */
export function latency(ms: number): Fault {
  return { before: (over) => pause(ms, over) };
}

/** Sends the header block byte by byte, one every so many milliseconds; without an argument half of it and no more. */
export function slowHeaders(everyMs = Number.POSITIVE_INFINITY): Fault {
  return { delivery: { headerBytesEvery: everyMs } };
}

/** At most so many body bytes a second for each answer: each connection has its own. */
export function rate(bytesPerSecond: number): Fault {
  return { delivery: { pace: () => createPace(bytesPerSecond) } };
}

/** At most so many body bytes a second for all answers of the rule together. */
export function sharedRate(bytesPerSecond: number): Fault {
  const pace = createPace(bytesPerSecond);
  return { delivery: { pace: () => pace } };
}

function instead(answer: Answer): Fault {
  return { answer: () => answer };
}

/** Grants a fiftieth of a second's bytes at a time. */
function createPace(bytesPerSecond: number): Pace {
  let due = performance.now();
  return {
    async grant(wanted, over) {
      const granted = Math.min(wanted, Math.max(1, Math.floor(bytesPerSecond / 50)));
      const now = performance.now();
      const start = Math.max(due, now - 100);
      due = start + (granted / bytesPerSecond) * 1000;
      if (start > now) await pause(start - now, over);
      return granted;
    },
  };
}

async function pause(ms: number, over: AbortSignal): Promise<void> {
  // The only rejection is that of the signal, and whoever waits looks at the signal.
  await wait(ms, undefined, { signal: over }).catch(() => {});
}
