/**
 * Signed requests to one bucket. A request whose credentials are refused as expired or unknown is sent once more if there are others
 * by then: files are rotated, sessions end. The refusal of a HEAD has no body that would say so: a GET of one byte tells its code.
 */
import { hash } from 'node:crypto';
import type { Clock } from '../../lib/clock.ts';
import type { Credentials } from '../credentials.ts';
import type { Exchanges, SendOptions } from '../exchange.ts';
import type { StoreRequest, StoreResponse } from '../transport.ts';
import { readXml, type XmlElement } from '../xml.ts';
import type { Addressing } from './addressing.ts';
import { isOfCredentials, refusalOf, type S3Refusal } from './s3-refusal.ts';
import { type AccessKey, emptyHash, signedHeaders } from './signature.ts';

export interface S3Request {
  readonly method: StoreRequest['method'];
  /** Of the store; undefined for a request about the bucket. */
  readonly key?: string;
  readonly query?: readonly (readonly [string, string])[];
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  /** Lower-case hex of the SHA-256 of the body, where it is known. */
  readonly sha256?: string | undefined;
  readonly patience?: StoreRequest['patience'];
}

export type S3Answer = { readonly ok: true; readonly response: StoreResponse } | S3Refusal;

export interface S3Client {
  /** Rejects StoreError if no answer comes. The body of a success must be consumed or dropped. */
  ask(request: S3Request, options?: SendOptions): Promise<S3Answer>;
  /** As `ask`; rejects with the error of a refusal too. */
  must(request: S3Request, options?: SendOptions): Promise<StoreResponse>;
  /** The XML of a success. Some errors come as 200, after the store has worked for a while. */
  readDocument(response: StoreResponse, root: string, signal?: AbortSignal): Promise<XmlElement>;
}

export interface S3ClientDeps {
  readonly exchanges: Exchanges;
  readonly credentials: Credentials<AccessKey>;
  readonly addressing: Addressing;
  readonly region: string;
  readonly clock: Clock;
}

/** For one bucket. */
export function createS3Client(deps: S3ClientDeps): S3Client {
  const { exchanges, credentials, addressing, region, clock } = deps;

  async function once(request: S3Request, using: AccessKey, options: SendOptions): Promise<S3Answer> {
    const { method, key, query, body } = request;
    const url = addressing.url(key, query);
    const payloadHash = request.sha256 ?? (body ? hash('sha256', body, 'hex') : emptyHash);
    const signing = { key: using, region, now: clock.now() };
    const headers = signedHeaders({ method, url, payloadHash, headers: request.headers }, signing);
    const { patience } = request;
    const sent = { method, headers, ...(body && { body }), ...(patience !== undefined && { patience }) };
    const response = await exchanges.send(url, sent, options);
    if (response.status >= 200 && response.status < 300) return { ok: true, response };
    const said = await exchanges.read(response, options.signal);
    return refusalOf(response, said, exchanges, { region, now: clock.now() });
  }

  /** The refusal of a HEAD of an object with its code, where a GET is refused as well. */
  async function withCode(request: S3Request, using: AccessKey, options: SendOptions): Promise<S3Answer> {
    const answer = await once(request, using, options);
    const { method, key } = request;
    // AWS says 400 of a token that has expired.
    const mayBeTold = !answer.ok && (answer.status === 403 || answer.status === 400);
    if (!mayBeTold || method !== 'HEAD' || key === undefined) return answer;
    const told = await once({ method: 'GET', key, headers: { range: 'bytes=0-0' } }, using, options);
    if (!told.ok) return told;
    told.response.body.cancel();
    return answer;
  }

  async function ask(request: S3Request, options: SendOptions = {}): Promise<S3Answer> {
    const using = await credentials.get(options.signal);
    const answer = await withCode(request, using, options);
    if (answer.ok || !isOfCredentials(answer) || !credentials.doubt(using)) return answer;
    return withCode(request, await credentials.get(options.signal), options);
  }

  return {
    ask,

    async must(request, options) {
      const answer = await ask(request, options);
      if (!answer.ok) throw answer.error;
      return answer.response;
    },

    async readDocument(response, root, signal) {
      const bytes = await exchanges.read(response, signal);
      const document = readXml(bytes);
      if (document?.name === root) return document;
      if (document?.name === 'Error') {
        // The status of an error that comes late is 200; the code says what it would have been.
        const code = document.text('Code');
        const status =
          code === 'InternalError' || code === 'SlowDown' || code === 'ServiceUnavailable' ? 503 : 400;
        throw refusalOf({ ...response, status }, bytes, exchanges, { region, now: clock.now() }).error;
      }
      throw exchanges.error('invalid', `answered with something that is not of S3: is a proxy between?`);
    },
  };
}
