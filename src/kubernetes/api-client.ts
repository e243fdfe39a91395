/**
 * Asks the API server: JSON answers, and the lines of a watch. Everything is capped. The token is read for each request, because it is
 * renewed in its file; after a failure the connection is made anew, with the CA and the certificates as they are then.
 */
import { EntrepotError } from '../errors.ts';
import type { PushedBody } from '../lib/bytes/pushed-body.ts';
import { dropBody, readBody } from '../lib/bytes/small-body.ts';
import type { Clock } from '../lib/clock.ts';
import { parseJson } from '../oci/parse-json.ts';
import type { ApiAccess } from './api-access.ts';
import { createLineSplitter } from './line-splitter.ts';

/** HTTP to the one server that `ApiAccess` names. */
export interface ApiTransport {
  send(
    url: URL,
    request: { readonly method: 'GET'; readonly headers: Readonly<Record<string, string>> },
    options: { readonly signal: AbortSignal },
  ): Promise<
    | { readonly ok: true; readonly response: { readonly status: number; readonly body: PushedBody } }
    | { readonly ok: false; readonly fault: { readonly reason: string } }
  >;
  close(): Promise<void>;
}

export type ApiAnswer =
  /** `value`: parsed JSON; undefined if the body was none. */
  | { readonly ok: true; readonly status: number; readonly value: unknown }
  | { readonly ok: false; readonly reason: string };

export type WatchEnd =
  /** The server ended the stream, or `onLine` did. */
  | { readonly kind: 'ended' }
  | { readonly kind: 'status'; readonly status: number; readonly reason: string }
  | { readonly kind: 'failed'; readonly reason: string }
  /** A line cannot be read. It may have been a change. */
  | { readonly kind: 'invalid'; readonly reason: string };

export interface WatchOptions {
  /** ms without a byte after which the watch is given up. */
  readonly silence: number;
  readonly signal: AbortSignal;
  /** The server has begun to answer with 200. */
  opened(): void;
  /** Gets each line, parsed; false ends the watch. */
  onLine(value: unknown): boolean;
}

export interface ApiClient {
  /** `path` begins with a slash. Never rejects. */
  get(path: string, signal: AbortSignal): Promise<ApiAnswer>;
  /** Never rejects, unless `onLine` throws. */
  watch(path: string, options: WatchOptions): Promise<WatchEnd>;
  close(): Promise<void>;
}

/** Bytes. etcd refuses an object of more than 1.5 MiB; a page has as many as `limit` says. */
const maxBodyBytes = 16 * 1024 * 1024;
const maxLineBytes = 4 * 1024 * 1024;
/** ms without a byte of an answer. */
const bodyTimeout = 30_000;

/** `connect` makes a transport with the CA and certificates of this moment; it throws EntrepotError if they cannot be used. */
export function createApiClient(
  access: ApiAccess,
  deps: { readonly clock: Clock; readonly connect: () => ApiTransport },
): ApiClient {
  const { clock } = deps;
  let transport: ApiTransport | undefined;

  async function disconnect(): Promise<void> {
    const last = transport;
    transport = undefined;
    await last?.close();
  }

  async function send(path: string, signal: AbortSignal) {
    try {
      transport ??= deps.connect();
      const token = access.token();
      const headers = { accept: 'application/json', ...(token && { authorization: `Bearer ${token}` }) };
      const url = new URL(access.server.href.replace(/\/+$/, '') + path);
      const sent = await transport.send(url, { method: 'GET', headers }, { signal });
      if (sent.ok) return sent;
      await disconnect();
      return { ok: false as const, reason: sent.fault.reason };
    } catch (error) {
      if (!(error instanceof EntrepotError)) throw error;
      return { ok: false as const, reason: error.located };
    }
  }

  return {
    async get(path, signal) {
      const sent = await send(path, signal);
      if (!sent.ok) return sent;
      const { status, body } = sent.response;
      const read = await readBody(body, { cap: maxBodyBytes, clock, timeout: bodyTimeout, signal });
      if (!read.ok) return { ok: false, reason: read.reason };
      const parsed = parseJson(read.bytes);
      if (!parsed.ok && status === 200) return { ok: false, reason: `the answer ${parsed.problem}` };
      return { ok: true, status, value: parsed.ok ? parsed.value : undefined };
    },

    async watch(path, options) {
      const sent = await send(path, options.signal);
      if (!sent.ok) return { kind: 'failed', reason: sent.reason };
      const { status, body } = sent.response;
      if (status !== 200) {
        dropBody(body, clock);
        return { kind: 'status', status, reason: `HTTP ${status}` };
      }
      options.opened();
      return await readLines(body, options, clock);
    },

    close: disconnect,
  };
}

function readLines(
  body: PushedBody,
  { silence, signal, onLine }: WatchOptions,
  clock: Clock,
): Promise<WatchEnd> {
  const { promise, resolve, reject } = Promise.withResolvers<WatchEnd>();
  let isOver = false;
  const over = (end: WatchEnd) => {
    isOver = true;
    timer.cancel();
    signal.removeEventListener('abort', abort);
    body.cancel();
    resolve(end);
  };
  const failed = (reason: string) => over({ kind: 'failed', reason });
  const invalid = (reason: string) => over({ kind: 'invalid', reason });
  const abort = () => failed('given up');
  const silent = () => failed(`no byte of the watch for ${silence / 1000} s`);
  let timer = clock.after(silence, silent);
  const splitter = createLineSplitter(maxLineBytes, (line) => {
    if (isOver) return;
    const parsed = parseJson(line);
    if (!parsed.ok) invalid(`a line of the watch ${parsed.problem}`);
    else if (!onLine(parsed.value)) over({ kind: 'ended' });
  });
  signal.addEventListener('abort', abort);
  body.consume({
    data(chunk) {
      timer.cancel();
      timer = clock.after(silence, silent);
      try {
        if (!splitter.push(chunk)) invalid(`a line of the watch has more than ${maxLineBytes} bytes`);
      } catch (error) {
        reject(error);
        failed('a line could not be taken');
      }
      return true;
    },
    end: () => over({ kind: 'ended' }),
    fail: failed,
  });
  if (signal.aborted) abort();
  return promise;
}
