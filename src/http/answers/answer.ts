/**
 * An answer as a value. Handlers return it, and one place writes it (`send-answer.ts`). Handlers never touch the socket, so
 * status, length and headers are the same for GET and HEAD, and nothing is written before all of it is known.
 */
import type { OutgoingHttpHeaders } from 'node:http';
import type { ByteStream } from '../../lib/bytes/byte-stream.ts';
import type { CacheResult } from '../../pull/pull.ts';
import type { Trail } from '../../upstream/outcome.ts';

export interface Answer {
  readonly status: number;
  /** A new object for each answer: `registry-api.ts` adds the headers that every answer has. */
  readonly headers: OutgoingHttpHeaders;
  /** Not sent for HEAD. */
  readonly body?: Uint8Array | StreamedBody | undefined;
  /** For the log line, the metrics and the headers of every answer. */
  readonly cache?: CacheResult | undefined;
  readonly endpoint?: string | undefined;
  /** Epoch ms at which an endpoint confirmed it, for a peer. */
  readonly checkedAt?: number | undefined;
  readonly trail?: Trail | undefined;
  /** Why no endpoint was asked; for the log only. */
  readonly reason?: string | undefined;
  /** The credentials are wrong, or the principal lacks the right; for the audit log. A challenge is no denial. */
  readonly isDenied?: true | undefined;
  /** What is wrong, in a few words; for the reason phrase of an error. */
  readonly summary?: string | undefined;
  /** An error that was thrown; for the log only. */
  readonly fault?: unknown;
}

/** Sent part after part. */
export interface StreamedBody {
  readonly parts: readonly BodyPart[];
  /** Bytes of all parts. Undefined if the size is unknown: the body is then sent chunked. */
  readonly length: number | undefined;
  /** Call when the answer is over or will not be sent. May be called more than once. */
  close(): void;
}

/** Bytes, or a function that opens a stream of bytes when they are to be sent. */
export type BodyPart = Uint8Array | (() => ByteStream);

/** Whether the body is made of parts, and so must be closed. */
export function isStreamed(body: Answer['body']): body is StreamedBody {
  return body !== undefined && 'parts' in body;
}

/** An answer with `value` as its JSON body. */
export function jsonAnswer(
  status: number,
  value: unknown,
  more: Omit<Answer, 'status' | 'headers' | 'body'> & { readonly headers?: OutgoingHttpHeaders } = {},
): Answer {
  const body = Buffer.from(JSON.stringify(value));
  const headers = { 'Content-Type': 'application/json', 'Content-Length': body.length, ...more.headers };
  return { ...more, status, headers, body };
}
