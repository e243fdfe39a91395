/**
 * AWS Signature Version 4, as S3 takes it: in headers for requests, in the query for URLs that are given to clients.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-authenticating-requests.html
 *
 *   key         HMAC(HMAC(HMAC(HMAC("AWS4" + secret, day), region), "s3"), "aws4_request")
 *   signature   HMAC(key, algorithm, time, scope and the hash of the canonical request)
 */
import { createHmac, hash } from 'node:crypto';

export interface AccessKey {
  readonly accessKey: string;
  readonly secretKey: string;
  /** With temporary credentials. */
  readonly sessionToken?: string | undefined;
}

export interface Signing {
  readonly key: AccessKey;
  readonly region: string;
  /** Epoch ms. */
  readonly now: number;
}

export interface SignedRequest {
  readonly method: string;
  /** Its path and query are encoded as `encodePath` and `queryOf` do. */
  readonly url: URL;
  /** Lower-case hex of the SHA-256 of the body. */
  readonly payloadHash: string;
  /** Its own; those of `x-amz-` are signed. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

const algorithm = 'AWS4-HMAC-SHA256';
/** Seconds. The most that the store accepts. */
const longestUrl = 7 * 86_400;

/** Of an empty body. */
export const emptyHash = hash('sha256', '', 'hex');

/** All headers of a request. */
export function signedHeaders(
  { method, url, payloadHash, headers: own = {} }: SignedRequest,
  signing: Signing,
): Record<string, string> {
  const { key, now } = signing;
  const time = timeOf(now);
  const isSigned = ([name]: readonly [string, string]) => name.startsWith('x-amz-');
  const headers: Record<string, string> = {
    ...Object.fromEntries(Object.entries(own).filter(isSigned)),
    host: url.host,
    'x-amz-content-sha256': payloadHash,
    'x-amz-date': time,
    ...(key.sessionToken !== undefined && { 'x-amz-security-token': key.sessionToken }),
  };
  const names = Object.keys(headers).sort();
  const lines = names.map((name) => `${name}:${headers[name]}\n`).join('');
  const signed = names.join(';');
  const canonical = [method, url.pathname, url.search.slice(1), lines, signed, payloadHash].join('\n');
  const credential = `${key.accessKey}/${scopeOf(signing)}`;
  const signature = signatureOf(canonical, signing);
  const authorization = `${algorithm} Credential=${credential}, SignedHeaders=${signed}, Signature=${signature}`;
  return { ...own, ...headers, authorization };
}

/** A URL that GETs the object at `url`, which has no query, for so many seconds, at most a week. */
export function presignedUrl(url: URL, seconds: number, signing: Signing): string {
  const { key, now } = signing;
  const query = queryOf([
    ['X-Amz-Algorithm', algorithm],
    ['X-Amz-Credential', `${key.accessKey}/${scopeOf(signing)}`],
    ['X-Amz-Date', timeOf(now)],
    ['X-Amz-Expires', String(Math.max(1, Math.min(Math.floor(seconds), longestUrl)))],
    ['X-Amz-SignedHeaders', 'host'],
    ...(key.sessionToken === undefined ? [] : ([['X-Amz-Security-Token', key.sessionToken]] as const)),
  ]);
  const canonical = ['GET', url.pathname, query, `host:${url.host}\n`, 'host', 'UNSIGNED-PAYLOAD'].join('\n');
  return `${url.href}?${query}&X-Amz-Signature=${signatureOf(canonical, signing)}`;
}

/** `a b/c` -> `a%20b/c`. */
export function encodePath(path: string): string {
  return path.split('/').map(encode).join('/');
}

/** A query in the order and the encoding that are signed. */
export function queryOf(pairs: readonly (readonly [string, string])[]): string {
  return pairs
    .map(([name, value]) => `${encode(name)}=${encode(value)}`)
    .sort()
    .join('&');
}

function encode(text: string): string {
  const percent = (letter: string) => `%${letter.charCodeAt(0).toString(16).toUpperCase()}`;
  return encodeURIComponent(text).replace(/[!'()*]/g, percent);
}

/** `20261130T033000Z`. */
function timeOf(now: number): string {
  return new Date(now).toISOString().replace(/[-:]|\.\d{3}/g, '');
}

function scopeOf({ now, region }: Signing): string {
  return `${timeOf(now).slice(0, 8)}/${region}/s3/aws4_request`;
}

function signatureOf(canonical: string, signing: Signing): string {
  const { key, region, now } = signing;
  const day = timeOf(now).slice(0, 8);
  const hmac = (secret: string | Buffer, text: string) => createHmac('sha256', secret).update(text).digest();
  const signingKey = [day, region, 's3', 'aws4_request'].reduce<string | Buffer>(
    hmac,
    `AWS4${key.secretKey}`,
  );
  const text = [algorithm, timeOf(now), scopeOf(signing), hash('sha256', canonical, 'hex')].join('\n');
  return hmac(signingKey, text).toString('hex');
}
