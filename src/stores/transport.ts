/** HTTP as clients of buckets need it. It is handed in: connections, DNS, proxies and TLS belong to `upstream/http/`. */
import type { PushedBody } from '../lib/bytes/pushed-body.ts';

export interface StoreRequest {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'DELETE';
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  /** Milliseconds until the headers are in, where the store has much to do first. */
  readonly patience?: number;
}

export interface StoreResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Must be consumed or cancelled. */
  readonly body: PushedBody;
}

export interface StoreTransport {
  /** Never rejects for what a server does. `reason`: why no answer came, without a secret. */
  send(
    url: URL,
    request: StoreRequest,
    options?: { readonly signal?: AbortSignal | undefined; readonly bulk?: boolean },
  ): Promise<
    | { readonly ok: true; readonly response: StoreResponse }
    | { readonly ok: false; readonly fault: { readonly reason: string } }
  >;
  close(): Promise<void>;
}
