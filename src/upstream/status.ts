/** What an HTTP answer that is no success means, as an outcome. The body is read for the registry's own words, capped, and gone after. */
import type { Clock } from '../lib/clock.ts';
import { isJsonObject, parseJson } from '../oci/parse-json.ts';
import { dropBody, readBody } from './body.ts';
import type { HttpResponse } from './exchange.ts';
import type { FailureKind, Outcome } from './outcome.ts';

const maxErrorBody = 64 * 1024;
const maxWords = 160;

/** 429 is not for here: it needs to know the account. */
export async function failureOf(
  response: HttpResponse,
  options: { clock: Clock; timeout: number; signal?: AbortSignal | undefined },
): Promise<Outcome<never>> {
  const { status } = response;
  const words = await registryWords(response, options);
  return { kind: kindOfStatus(status), reason: `HTTP ${status}${words}` };
}

export function kindOfStatus(status: number): FailureKind {
  if (status === 404 || status === 410) return 'notFound';
  if (status === 401 || status === 407) return 'unauthorized';
  if (status === 408 || status >= 500) return 'unreachable';
  // A request that is refused as such (400, 403, 405 ...) says nothing against the endpoint's health.
  if (status >= 400) return 'denied';
  return 'invalid';
}

/** ` (CODE: message)` as the registry's error body has it; empty if it has none. */
export async function registryWords(
  response: HttpResponse,
  options: { clock: Clock; timeout: number; signal?: AbortSignal | undefined },
): Promise<string> {
  const type = response.headers['content-type'];
  if (typeof type !== 'string' || !type.includes('json')) {
    dropBody(response.body, options.clock);
    return '';
  }
  const read = await readBody(response.body, { cap: maxErrorBody, ...options });
  const error = read.ok ? errorWords(read.bytes) : undefined;
  return error === undefined ? '' : ` (${error})`;
}

/** `CODE: message` of an OCI error body, fit for one line; undefined for other bytes. */
export function errorWords(bytes: Buffer): string | undefined {
  const parsed = parseJson(bytes);
  if (!parsed.ok || !isJsonObject(parsed.value) || !Array.isArray(parsed.value.errors)) return undefined;
  const first: unknown = parsed.value.errors[0];
  if (!isJsonObject(first)) return undefined;
  const words = [first.code, first.message]
    .filter((part) => typeof part === 'string' && part !== '')
    .join(': ');
  return words === '' ? undefined : words.replace(/[^\x20-\x7e]+/g, ' ').slice(0, maxWords);
}
