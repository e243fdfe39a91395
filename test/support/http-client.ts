/**
 * A small HTTP client that hides nothing: an answer that was cut is a value (`complete: false`), not an error, and a reader
 * decides how fast it reads. Each request has a connection of its own unless an agent is given.
 */
import {
  type Agent,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request as plainRequest,
} from 'node:http';
import { request as tlsRequest } from 'node:https';

export interface GetOptions {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string;
  /** PEM of the CA to trust, for HTTPS. */
  readonly ca?: string;
  /** PEM of a client certificate. */
  readonly client?: { readonly key: string; readonly cert: string };
  readonly agent?: Agent;
  readonly signal?: AbortSignal;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  /** False when the connection broke before the answer was whole. */
  readonly complete: boolean;
}

export interface OpenAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** Exactly `count` bytes, or fewer at the end or at a break. Between two reads no more than one buffer is taken. */
  read(count: number): Promise<Buffer>;
  /** All that is left. */
  rest(): Promise<{ readonly body: Buffer; readonly complete: boolean }>;
  /** Breaks the connection off. */
  destroy(): void;
}

/** Rejects only when no answer began. */
export async function get(url: string, options: GetOptions = {}): Promise<HttpAnswer> {
  const answer = await send(url, options);
  const parts: Buffer[] = [];
  const complete = await drain(answer, (part) => void parts.push(part));
  return {
    status: answer.statusCode ?? 0,
    headers: answer.headers,
    body: Buffer.concat(parts),
    complete,
  };
}

/** The answer's body read as JSON. */
export function json(answer: HttpAnswer): unknown {
  return JSON.parse(answer.body.toString());
}

/** Resolves with the headers; the body waits to be read. */
export async function open(url: string, options: GetOptions = {}): Promise<OpenAnswer> {
  const answer = await send(url, options);
  let broken = false;
  let wake = () => {};
  answer.on('error', () => {});
  answer.once('close', () => {
    broken = !answer.complete;
    wake();
  });
  answer.once('end', () => wake());
  answer.on('readable', () => wake());

  async function read(count: number): Promise<Buffer> {
    const parts: Buffer[] = [];
    for (let left = count; left > 0; ) {
      const woken = new Promise<void>((resolve) => {
        wake = resolve;
      });
      const available = Math.min(left, answer.readableLength);
      const part: Buffer | null = available > 0 ? answer.read(available) : answer.read(0);
      if (part) {
        parts.push(part);
        left -= part.length;
      } else if (broken || answer.readableEnded || answer.destroyed) {
        break;
      } else {
        await woken;
      }
    }
    return Buffer.concat(parts);
  }

  return {
    status: answer.statusCode ?? 0,
    headers: answer.headers,
    read,
    async rest() {
      const body = await read(Number.POSITIVE_INFINITY);
      return { body, complete: answer.complete };
    },
    destroy: () => answer.destroy(),
  };
}

/** Reads the body away without holding it. */
export async function measure(
  url: string,
  options: GetOptions & { readonly onData?: (part: Buffer) => void } = {},
): Promise<{ status: number; headers: IncomingHttpHeaders; bytes: number; complete: boolean }> {
  const answer = await send(url, options);
  let bytes = 0;
  const complete = await drain(answer, (part) => {
    bytes += part.length;
    options.onData?.(part);
  });
  return { status: answer.statusCode ?? 0, headers: answer.headers, bytes, complete };
}

function send(url: string, options: GetOptions): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const secure = url.startsWith('https:');
  const request = (secure ? tlsRequest : plainRequest)(
    url,
    {
      method: options.method ?? 'GET',
      headers: { ...options.headers },
      agent: options.agent ?? false,
      ...(options.signal && { signal: options.signal }),
      ...(secure && { ca: options.ca, ...options.client }),
    },
    resolve,
  );
  // After the answer began, what breaks is seen at the answer.
  request.on('error', reject);
  request.end(options.body);
  return promise;
}

function drain(answer: IncomingMessage, take: (part: Buffer) => void): Promise<boolean> {
  return new Promise((resolve) => {
    answer.on('data', take);
    answer.on('error', () => {});
    answer.once('close', () => resolve(answer.complete));
  });
}
