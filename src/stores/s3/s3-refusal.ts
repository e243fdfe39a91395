/** What an answer of S3 that is no success means, for the caller and for the operator. */
import { foreignWords } from '../../lib/foreign-words.ts';
import { type Exchanges, headerOf, retryAfterOf } from '../exchange.ts';
import type { StoreError } from '../object-store.ts';
import type { StoreResponse } from '../transport.ts';
import { readXml } from '../xml.ts';

export interface S3Refusal {
  readonly ok: false;
  readonly status: number;
  /** `NoSuchKey` and the like; undefined where the answer has none. */
  readonly code: string | undefined;
  /** The answer has no body, as after a HEAD. */
  readonly isBare: boolean;
  readonly error: StoreError;
}

/** Codes that say that the credentials are not, or no longer, right: others may be. A pair of files may be read in the middle of a rotation. */
const badCredentials = new Set([
  'SignatureDoesNotMatch',
  'ExpiredToken',
  'InvalidAccessKeyId',
  'InvalidToken',
  'TokenRefreshRequired',
]);
const moved = new Set([
  'PermanentRedirect',
  'TemporaryRedirect',
  'AuthorizationHeaderMalformed',
  'IllegalLocationConstraintException',
]);
const slow = new Set(['SlowDown', 'TooManyRequests', 'RequestLimitExceeded', 'Throttling']);

export interface RefusalContext {
  readonly region: string;
  /** Epoch ms, for the difference of the clocks. */
  readonly now: number;
}

/** `body`: of the answer; empty after a HEAD. */
export function refusalOf(
  response: StoreResponse,
  body: Uint8Array,
  { error }: Pick<Exchanges, 'error'>,
  context: RefusalContext,
): S3Refusal {
  const { status } = response;
  const root = body.length > 0 ? readXml(body) : undefined;
  const told = root?.name === 'Error' ? root : undefined;
  const code = told?.text('Code');
  const wait = retryAfterOf(response);
  const refusal = (kind: StoreError['kind'], reason: string) =>
    ({ ok: false, status, code, isBare: body.length === 0, error: error(kind, reason, wait) }) as const;
  const words = wordsOf(status, code, told?.text('Message'));
  const region = headerOf(response, 'x-amz-bucket-region') ?? told?.text('Region');

  if (code === 'RequestTimeTooSkewed') return refusal('refused', skewReason(response, context.now));
  const isElsewhere = (status >= 300 && status < 400) || (code !== undefined && moved.has(code));
  if (isElsewhere && region !== undefined && region !== context.region) {
    const name = foreignWords(region);
    return refusal(
      'refused',
      `the bucket is in the region "${name}": write region = "${name}", and the endpoint of that region if there is one`,
    );
  }
  if (status >= 300 && status < 400) {
    return refusal('invalid', `redirects (${words}): correct endpoint and path_style`);
  }
  if (code === 'NoSuchBucket') return refusal('refused', `has no such bucket: create it, or correct bucket`);
  if (status === 429 || (code !== undefined && slow.has(code)))
    return refusal('throttled', `asks to slow down (${words})`);
  if (status >= 500) return refusal(wait === undefined ? 'unreachable' : 'throttled', `failed (${words})`);
  if (body.length > 0 && !told)
    return refusal('invalid', `answered ${status} with something that is not of S3: is a proxy between?`);
  if (status === 401 || status === 403 || (code !== undefined && badCredentials.has(code))) {
    return refusal('refused', `refused (${words})`);
  }
  return refusal('invalid', `refused the request (${words})`);
}

/** Whether other credentials may help. */
export function isOfCredentials({ code }: S3Refusal): boolean {
  return code !== undefined && badCredentials.has(code);
}

function wordsOf(status: number, code: string | undefined, message: string | undefined): string {
  const words = [code, message].filter((text) => text !== undefined && text !== '').join(': ');
  return words === '' ? `HTTP ${status}` : `HTTP ${status}, ${foreignWords(words)}`;
}

function skewReason(response: StoreResponse, now: number): string {
  const theirs = Date.parse(headerOf(response, 'date') ?? '');
  if (Number.isNaN(theirs)) return 'refused: the clock of this machine is wrong, set it by NTP';
  const minutes = Math.round(Math.abs(now - theirs) / 60_000);
  const way = now < theirs ? 'behind' : 'ahead of';
  return `refused: the clock of this machine is ${minutes} minutes ${way} that of the store, set it by NTP`;
}
