/** Asks a scanner. Each format is one function of this shape. */
import type { ScannerGate } from '../../config/gates/gate-config.ts';
import type { Clock } from '../../lib/clock.ts';
import { foreignWords } from '../../lib/foreign-words.ts';
import { parseJson } from '../../oci/parse-json.ts';
import type { Upstream, UrlRequest } from '../../upstream/upstream.ts';
import type { GatedImage } from '../gates.ts';
import type { Scanned } from './findings.ts';

export interface ScanDeps {
  readonly askUrl: Upstream['askUrl'];
  readonly clock: Clock;
  /** The first line of a file. Throws where it cannot be read. */
  readonly readSecret: (file: string) => string;
}

/** Rejects where a secret file cannot be read. */
export type Scan = (image: GatedImage, signal: AbortSignal) => Promise<Scanned>;

export type ScannerAnswer =
  | { readonly ok: true; readonly json: unknown }
  | { readonly ok: false; readonly reason: string };

/** Bytes of an answer: a report on an old image has some thousand vulnerabilities. */
const maxAnswer = 32 * 1024 * 1024;

/** Sends JSON and reads JSON. An answer counts with 200 or 201. */
export async function askScanner(
  { askUrl, readSecret }: Pick<ScanDeps, 'askUrl' | 'readSecret'>,
  gate: ScannerGate,
  url: string,
  request: {
    readonly method: UrlRequest['method'];
    readonly body?: unknown;
    readonly signal: AbortSignal;
  },
): Promise<ScannerAnswer> {
  const { method, body, signal } = request;
  const authorization = gate.secretFile === undefined ? undefined : readSecret(gate.secretFile);
  const headers = {
    accept: 'application/json',
    ...(body !== undefined && { 'content-type': 'application/json' }),
    ...(authorization !== undefined && { authorization }),
  };
  const answer = await askUrl(url, {
    method,
    headers,
    ...(body !== undefined && { body: JSON.stringify(body) }),
    timeout: gate.timeout,
    cap: maxAnswer,
    signal,
  });
  const { host } = new URL(url);
  if (!answer.ok) return { ok: false, reason: `${host}: ${foreignWords(answer.reason)}` };
  const { status, bytes } = answer;
  if (status !== 200 && status !== 201) return { ok: false, reason: `${host}: HTTP ${status}` };
  const parsed = parseJson(bytes);
  return parsed.ok
    ? { ok: true, json: parsed.value }
    : { ok: false, reason: `${host}: its answer ${parsed.problem}` };
}
