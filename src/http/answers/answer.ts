/**
 * An answer as a value: what a handler returns, and what one place writes. Handlers never touch the socket, so status,
 * length and headers are the same for GET and HEAD, and nothing is written before everything is known.
 */
import type { OutgoingHttpHeaders } from 'node:http';
import type { ByteStream } from '../../lib/byte-stream.ts';
import type { CacheResult } from '../../pull/pull.ts';
import type { Trail } from '../../upstream/outcome.ts';

export interface Answer {
  readonly status: number;
  readonly headers: OutgoingHttpHeaders;
  /** Not sent for HEAD. */
  readonly body?: Uint8Array | StreamedBody | undefined;
  /** For the log line, the metrics and the headers that every answer bears. */
  readonly cache?: CacheResult | undefined;
  readonly endpoint?: string | undefined;
  readonly trail?: Trail | undefined;
  /** Why nobody was asked, for the log alone. */
  readonly reason?: string | undefined;
  /** What is wrong, in a few words, for the reason phrase of an error. */
  readonly summary?: string | undefined;
  /** What was thrown, for the log alone. */
  readonly fault?: unknown;
}

/** Sent part after part. */
export interface StreamedBody {
  readonly parts: readonly BodyPart[];
  /** Bytes of all parts; undefined where nobody knows: the body is then sent chunked. */
  readonly length: number | undefined;
  /** When the answer is over, or will not be given. May be called more than once. */
  close(): void;
}

/** Bytes, or what opens a stream of them when it is their turn. */
export type BodyPart = Uint8Array | (() => ByteStream);

export function isStreamed(body: Answer['body']): body is StreamedBody {
  return body !== undefined && 'parts' in body;
}

/** An answer whose whole body is `value` as JSON. */
export function jsonAnswer(
  status: number,
  value: unknown,
  more: Omit<Answer, 'status' | 'headers' | 'body'> & { readonly headers?: OutgoingHttpHeaders } = {},
): Answer {
  const body = Buffer.from(JSON.stringify(value));
  const headers = { 'Content-Type': 'application/json', 'Content-Length': body.length, ...more.headers };
  return { ...more, status, headers, body };
}
