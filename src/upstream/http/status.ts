/** What an HTTP answer that is not a success means, as an outcome, and the server's own words about it. */

import { dropBody, readBody } from '../../lib/bytes/small-body.ts';
import type { Clock } from '../../lib/clock.ts';
import { foreignWords } from '../../lib/foreign-words.ts';
import { isJsonObject, parseJson } from '../../oci/parse-json.ts';
import { single } from '../health/rate-limits.ts';
import type { FailureKind, Outcome } from '../outcome.ts';
import type { HttpResponse } from './exchange.ts';

const maxErrorBody = 64 * 1024;
/** Milliseconds that an error body may take. Its words are not worth a longer wait. */
const wordsTimeout = 2000;

export interface WordsOptions {
  readonly clock: Clock;
  readonly signal?: AbortSignal | undefined;
  /** The secrets that the request carried: servers repeat them in their messages. */
  readonly secrets?: readonly string[] | undefined;
}

/** For any status but 429, which depends on the account. */
export async function failureOf(response: HttpResponse, options: WordsOptions): Promise<Outcome<never>> {
  const { status } = response;
  const words = await serverWords(response, options);
  return { kind: kindOfStatus(status), reason: `HTTP ${status}${words}` };
}

/** For any status that is not a success. */
export function kindOfStatus(status: number): FailureKind {
  if (status === 404 || status === 410) return 'notFound';
  if (status === 401 || status === 407) return 'unauthorized';
  // A loop (RFC 5842, section 7.2): asked by another client, the endpoint may well have it. It is passed over.
  if (status === 508) return 'blocked';
  if (status === 408 || status >= 500) return 'unreachable';
  // A request that is refused as such (400, 403, 405 ...) says nothing against the endpoint's health.
  if (status >= 400) return 'denied';
  return 'invalid';
}

/** Statuses by which registries refuse a credential that has ended: ECR Public says 400, ECR 403, and some say neither. */
const refusals: ReadonlySet<number> = new Set([400, 401, 402, 403, 407, 419, 440, 498]);

/** Whether the answer may be due to the credential that the request carried, so that another one may help. */
export function mayRefuseCredential(status: number): boolean {
  return refusals.has(status);
}

/** Statuses that some registries give to anonymous requests instead of 401: they challenge at their ping only. */
export function answersAnonymousWith(status: number): boolean {
  return status === 400 || status === 403 || status === 404;
}

/** ` (CODE: message)`, or nothing. Takes the body. Never rejects. */
export async function serverWords(response: HttpResponse, options: WordsOptions): Promise<string> {
  const type = single(response.headers['content-type'])?.toLowerCase() ?? '';
  const isJson = type.includes('json');
  // The text of a plain "not found" is not worth a wait.
  const isText =
    (type === '' || type.startsWith('text/plain')) && kindOfStatus(response.status) !== 'notFound';
  if (!isJson && !isText) {
    dropBody(response.body, options.clock);
    return '';
  }
  const { clock, signal, secrets = [] } = options;
  const read = await readBody(response.body, { cap: maxErrorBody, clock, timeout: wordsTimeout, signal });
  if (!read.ok) return '';
  // Some registries call their JSON text.
  const message = jsonMessage(read.bytes) ?? (isJson ? '' : firstLine(read.bytes));
  const words = foreignWords(message, { secrets });
  return words === '' ? '' : ` (${words})`;
}

/** `CODE: message` of an error body, fit for one line; undefined for other bytes. */
export function errorWords(bytes: Buffer): string | undefined {
  const words = foreignWords(jsonMessage(bytes) ?? '');
  return words === '' ? undefined : words;
}

/** Of an OCI error body, of an OAuth2 one (RFC 6749, section 5.2), or of the forms that token servers use instead. */
function jsonMessage(bytes: Buffer): string | undefined {
  const parsed = parseJson(bytes);
  if (!parsed.ok || !isJsonObject(parsed.value)) return undefined;
  const body = parsed.value;
  const first: unknown = Array.isArray(body.errors) ? body.errors[0] : undefined;
  if (isJsonObject(first)) return joined(first.code, first.message);
  return (
    joined(body.error, body.error_description) ||
    joined(body.code, body.message ?? body.details ?? body.detail)
  );
}

function joined(...parts: readonly unknown[]): string {
  return parts.filter((part) => typeof part === 'string' && part !== '').join(': ');
}

/** Empty for a web page and for JSON that is cut off. */
function firstLine(bytes: Buffer): string {
  const line =
    bytes
      .toString('latin1')
      .trimStart()
      .split(/[\r\n]/, 1)[0] ?? '';
  return /^[<{[]/.test(line) ? '' : line;
}
