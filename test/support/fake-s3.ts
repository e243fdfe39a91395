/**
 * A bucket over the S3 API on loopback, in memory, that can misbehave. What it says of itself is what the documentation of AWS says;
 * real servers are in test/e2e. It checks signatures, payload hashes, clocks and rights.
 */
import { createHash, randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type AccessKey, presignedUrl, signedHeaders } from '../../src/stores/s3/signature.ts';
import {
  answerOf,
  type BucketAnswer,
  createBucket,
  errorAnswer,
  type StoredObject,
} from './fake-s3-bucket.ts';
import { listen, type TlsOptions } from './listener.ts';

export interface S3RequestSeen {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}

/** What happens to a request in place of its answer. `hang`: nothing comes. `reset`: nor does the connection stay. `cut`: the body ends after so many bytes. */
export type S3Mischief =
  | BucketAnswer
  | 'hang'
  | 'reset'
  | { readonly cut: number }
  | { readonly stallAfter: number };

export interface FakeS3 {
  readonly endpoint: string;
  readonly bucket: string;
  readonly region: string;
  /** Keys that are accepted; tests put others here. */
  readonly keys: AccessKey[];
  readonly seen: S3RequestSeen[];
  readonly objects: Map<string, StoredObject>;
  /** Whether the account may list: without it, AWS says 403 of an absent object. */
  mayList: boolean;
  /** Whether `If-None-Match` is known. */
  knowsConditions: boolean;
  /** Milliseconds that its clock is ahead. */
  skew: number;
  /** Asked for each request; undefined lets it pass. */
  mischief: (request: S3RequestSeen) => S3Mischief | undefined;
  /** Begins an upload of parts, as a client does that then dies. */
  abandonUpload(key: string): Promise<void>;
  close(): Promise<void>;
}

/** ms. */
const allowedSkew = 15 * 60_000;

/** Listens on a free port of loopback. Virtual-host style is accepted as well, by the Host header. */
export async function startFakeS3({ tls }: { readonly tls?: TlsOptions } = {}): Promise<FakeS3> {
  const bucket = 'images';
  const region = 'eu-test-1';
  const state = createBucket();
  const held = new Set<ServerResponse>();

  async function answer(request: S3RequestSeen): Promise<BucketAnswer> {
    const refused = refusalOf(request, fake);
    if (refused) return refused;
    const inHost = request.headers.host?.startsWith(`${bucket}.`) === true;
    const path = inHost ? `${bucket}${request.path}` : request.path.slice(1);
    const slash = path.indexOf('/');
    const found = slash < 0 ? path : path.slice(0, slash);
    if (found !== bucket) return errorAnswer(404, 'NoSuchBucket');
    const key = slash < 0 ? '' : decodeURIComponent(path.slice(slash + 1));
    return answerOf(state, { ...request, key }, fake);
  }

  const listener = await listen({ tls }, async (incoming, response) => {
    response.on('error', () => {});
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of incoming) chunks.push(chunk);
    } catch {
      return;
    }
    const url = new URL(incoming.url ?? '/', 'http://any');
    const request: S3RequestSeen = {
      method: incoming.method ?? '',
      path: url.pathname,
      query: url.searchParams,
      headers: incoming.headers,
      body: Buffer.concat(chunks),
    };
    fake.seen.push(request);
    const mischief = fake.mischief(request);
    if (mischief === 'reset') return void response.destroy();
    if (mischief === 'hang') return void held.add(response);
    if (mischief && 'status' in mischief) return send(response, mischief, request.method);
    const given = await answer(request);
    if (!mischief) return send(response, given, request.method);
    response.writeHead(given.status, { ...given.headers, 'content-length': given.body.length });
    const at = 'cut' in mischief ? mischief.cut : mischief.stallAfter;
    response.write(given.body.subarray(0, at), () => {
      if ('cut' in mischief) response.destroy();
      else held.add(response);
    });
  });

  const fake: FakeS3 = {
    endpoint: listener.url,
    bucket,
    region,
    keys: [{ accessKey: 'AKTEST', secretKey: 'secret-of-the-test' }],
    seen: [],
    objects: state.objects,
    mayList: true,
    knowsConditions: true,
    skew: 0,
    mischief: () => undefined,
    async abandonUpload(key) {
      state.uploads.set(randomUUID(), { key, begun: Date.now(), parts: new Map() });
    },
    async close() {
      for (const response of held) response.destroy();
      await listener.close();
    },
  };
  return fake;
}

function send(response: ServerResponse, { status, headers, body }: BucketAnswer, method: string): void {
  const length = headers['content-length'] ?? body.length;
  response.writeHead(status, { date: new Date().toUTCString(), ...headers, 'content-length': length });
  response.end(method === 'HEAD' ? undefined : body);
}

/** Undefined: the request is signed by one of the keys. */
function refusalOf(request: S3RequestSeen, fake: FakeS3): BucketAnswer | undefined {
  const { method, path, query, headers, body } = request;
  const now = Date.now() + fake.skew;
  const isUrl = query.has('X-Amz-Signature');
  const time = timeIn(isUrl ? query.get('X-Amz-Date') : headers['x-amz-date']);
  const credential = isUrl
    ? (query.get('X-Amz-Credential') ?? '')
    : (/Credential=([^,]+)/.exec(headers.authorization ?? '')?.[1] ?? '');
  const [accessKey, , region] = credential.split('/');
  const key = fake.keys.find((one) => one.accessKey === accessKey);
  if (!key) return errorAnswer(403, 'InvalidAccessKeyId');
  if (region !== fake.region) {
    return errorAnswer(400, 'AuthorizationHeaderMalformed', `<Region>${fake.region}</Region>`);
  }
  const url = new URL(`http://${headers.host}${path}`);
  const signing = { key, region, now: time };
  if (isUrl) {
    const seconds = Number(query.get('X-Amz-Expires'));
    if (time + seconds * 1000 < now) return errorAnswer(403, 'AccessDenied');
    const expected = new URL(presignedUrl(url, seconds, signing)).searchParams.get('X-Amz-Signature');
    return query.get('X-Amz-Signature') === expected ? undefined : errorAnswer(403, 'SignatureDoesNotMatch');
  }
  if (Math.abs(time - now) > allowedSkew) {
    const answer = errorAnswer(403, 'RequestTimeTooSkewed');
    return { ...answer, headers: { ...answer.headers, date: new Date(now).toUTCString() } };
  }
  url.search = [...query]
    .map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`)
    .sort()
    .join('&');
  const payloadHash = String(headers['x-amz-content-sha256']);
  const own = Object.entries(headers).filter(([name]) => name.startsWith('x-amz-'));
  const given = Object.fromEntries(own.map(([name, value]) => [name, String(value)]));
  const expected = signedHeaders({ method, url, payloadHash, headers: given }, signing).authorization;
  if (headers.authorization !== expected) return errorAnswer(403, 'SignatureDoesNotMatch');
  const isRight = createHash('sha256').update(body).digest('hex') === payloadHash;
  return isRight ? undefined : errorAnswer(400, 'XAmzContentSHA256Mismatch');
}

function timeIn(text: string | string[] | null | undefined): number {
  const match = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(String(text));
  return match ? Date.parse(`${match[1]}-${match[2]}-${match[3]}T${match[4]}:${match[5]}:${match[6]}Z`) : 0;
}
