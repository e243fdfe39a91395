/** One request to a store, with its answer as a value and its failures as StoreErrors that name the store. */

import { dropBody, readBody } from '../lib/bytes/small-body.ts';
import type { Clock } from '../lib/clock.ts';
import { StoreError, type StoreFault } from './object-store.ts';
import type { StoreRequest, StoreResponse, StoreTransport } from './transport.ts';

export interface SendOptions {
  readonly signal?: AbortSignal | undefined;
  /** The body of an object: it waits behind smaller requests for a connection. */
  readonly bulk?: boolean | undefined;
  /** What is asked for, if it is not the store that is asked: `credentials`. */
  readonly wanted?: string;
}

export interface Exchanges {
  /** Rejects StoreError if no answer comes, or with the reason of the signal. */
  send(url: URL, request: StoreRequest, options?: SendOptions): Promise<StoreResponse>;
  /** The body of an answer that is no object, at most 1 MiB. */
  read(response: StoreResponse, signal?: AbortSignal): Promise<Buffer>;
  drop(response: StoreResponse): void;
  /** Names the store in front of `reason`. */
  error(kind: StoreFault, reason: string, retryAfter?: number): StoreError;
}

export interface ExchangesDeps {
  readonly transport: Pick<StoreTransport, 'send'>;
  readonly clock: Clock;
  /** Of the `[[store]]` block. */
  readonly name: string;
  /** Milliseconds in which a body must move. */
  readonly stallTimeout: number;
}

const maxAnswer = 1024 * 1024;

/** For one store. */
export function createExchanges({ transport, clock, name, stallTimeout }: ExchangesDeps): Exchanges {
  const error: Exchanges['error'] = (kind, reason, retryAfter) =>
    new StoreError(kind, `store "${name}": ${reason}`, { retryAfter });

  return {
    error,

    async send(url, request, { signal, bulk = false, wanted } = {}) {
      signal?.throwIfAborted();
      const sent = await transport.send(url, request, { signal, bulk });
      if (sent.ok) return sent.response;
      signal?.throwIfAborted();
      const where = wanted === undefined ? '' : `no ${wanted} from ${url.host}: `;
      throw error('unreachable', `${where}${sent.fault.reason}`);
    },

    async read({ body }, signal) {
      const read = await readBody(body, { cap: maxAnswer, clock, timeout: stallTimeout, signal });
      if (read.ok) return read.bytes;
      signal?.throwIfAborted();
      throw error(read.kind === 'tooLarge' ? 'invalid' : 'unreachable', read.reason);
    },

    drop: ({ body }) => dropBody(body, clock),
  };
}

/** The one value of a header. */
export function headerOf({ headers }: StoreResponse, name: string): string | undefined {
  const value = headers[name];
  return typeof value === 'string' ? value : value?.[0];
}

/** Milliseconds from now, of a Retry-After in seconds (RFC 9110, section 10.2.3); at most an hour. */
export function retryAfterOf(response: StoreResponse): number | undefined {
  const seconds = headerOf(response, 'retry-after');
  return seconds !== undefined && /^\d{1,9}$/.test(seconds)
    ? Math.min(Number(seconds), 3600) * 1000
    : undefined;
}
