/** Requests to one container of Azure Blob Storage, and what its refusals mean. */
import type { Clock } from '../../lib/clock.ts';
import { foreignWords } from '../../lib/foreign-words.ts';
import { type Exchanges, headerOf, retryAfterOf, type SendOptions } from '../exchange.ts';
import type { StoreError } from '../object-store.ts';
import type { StoreRequest, StoreResponse } from '../transport.ts';
import { readXml, type XmlElement } from '../xml.ts';
import { type AzureCredentials, type AzureSecret, authorized } from './azure-auth.ts';

export interface AzureRequest extends Omit<StoreRequest, 'headers' | 'body'> {
  /** In the container; undefined for a request about the container. */
  readonly blob?: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
}

export interface AzureRefusal {
  readonly ok: false;
  readonly status: number;
  /** `BlobNotFound` and the like. */
  readonly code: string | undefined;
  readonly error: StoreError;
}

export type AzureAnswer = { readonly ok: true; readonly response: StoreResponse } | AzureRefusal;

export interface AzureClient {
  /** Rejects StoreError if no answer comes. The body of a success must be consumed or dropped. */
  ask(request: AzureRequest, options?: SendOptions): Promise<AzureAnswer>;
  /** As `ask`; rejects with the error of a refusal too. */
  must(request: AzureRequest, options?: SendOptions): Promise<StoreResponse>;
  readDocument(response: StoreResponse, root: string, signal?: AbortSignal): Promise<XmlElement>;
  url(blob: string): URL;
}

export interface AzureClientDeps {
  readonly exchanges: Exchanges;
  readonly credentials: AzureCredentials;
  readonly clock: Clock;
  readonly account: string;
  readonly container: string;
  /** URL of the account's blobs, without a slash at its end. */
  readonly endpoint: string;
}

/** For one container. */
export function createAzureClient(deps: AzureClientDeps): AzureClient {
  const { exchanges, credentials, clock, account, container, endpoint } = deps;

  function urlOf(blob: string | undefined, query: Readonly<Record<string, string>> = {}): URL {
    const path = blob === undefined ? '' : `/${blob.split('/').map(encodeURIComponent).join('/')}`;
    const url = new URL(`${endpoint}/${container}${path}`);
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
    return url;
  }

  async function once(
    { blob, query, ...request }: AzureRequest,
    secret: AzureSecret,
    options: SendOptions,
  ): Promise<AzureAnswer> {
    const wanted = { ...request, headers: request.headers ?? {} };
    const sent = authorized(urlOf(blob, query), wanted, { account, secret, time: clock.now() });
    const response = await exchanges.send(sent.url, sent.request, options);
    if (response.status >= 200 && response.status < 300) return { ok: true, response };
    const body = await exchanges.read(response, options.signal);
    return refusalOf(response, body, exchanges, clock.now());
  }

  async function ask(request: AzureRequest, options: SendOptions = {}): Promise<AzureAnswer> {
    const secret = await credentials.get(options.signal);
    const answer = await once(request, secret, options);
    const isOfCredentials = !answer.ok && (answer.status === 401 || answer.code === 'AuthenticationFailed');
    if (!isOfCredentials || !credentials.doubt(secret)) return answer;
    return once(request, await credentials.get(options.signal), options);
  }

  return {
    ask,
    url: urlOf,

    async must(request, options) {
      const answer = await ask(request, options);
      if (!answer.ok) throw answer.error;
      return answer.response;
    },

    async readDocument(response, root, signal) {
      const document = readXml(await exchanges.read(response, signal));
      if (document?.name === root) return document;
      throw exchanges.error('invalid', 'answered with something that is not of Azure: is a proxy between?');
    },
  };
}

function refusalOf(
  response: StoreResponse,
  body: Uint8Array,
  { error }: Pick<Exchanges, 'error'>,
  now: number,
): AzureRefusal {
  const { status } = response;
  const told = body.length > 0 ? readXml(body) : undefined;
  const code = headerOf(response, 'x-ms-error-code') ?? told?.text('Code');
  const wait = retryAfterOf(response);
  const words = code === undefined ? `HTTP ${status}` : `HTTP ${status}, ${foreignWords(code)}`;
  const refusal = (kind: StoreError['kind'], reason: string) =>
    ({ ok: false, status, code, error: error(kind, reason, wait) }) as const;

  if (code === undefined && headerOf(response, 'x-ms-request-id') === undefined && status < 500) {
    return refusal('invalid', `answered ${status} with something that is not of Azure: is a proxy between?`);
  }
  if (code === 'ContainerNotFound')
    return refusal('refused', 'has no such container: create it, or correct container');
  if (status === 429 || code === 'ServerBusy') return refusal('throttled', `asks to slow down (${words})`);
  if (status >= 500) return refusal(wait === undefined ? 'unreachable' : 'throttled', `failed (${words})`);
  if (status !== 401 && status !== 403) return refusal('invalid', `refused the request (${words})`);
  // The server says only that the authentication failed: a wrong clock is a frequent reason.
  const skew = Math.round((now - Date.parse(headerOf(response, 'date') ?? '')) / 60_000);
  const hint = Math.abs(skew) >= 10 ? `: the clock of this machine differs by ${Math.abs(skew)} minutes` : '';
  return refusal('refused', `refused (${words})${hint}`);
}
