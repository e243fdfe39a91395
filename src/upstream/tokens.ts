/**
 * Asks a token server for a bearer token (distribution, "Token Authentication"): GET with the user's name and
 * password or with nothing, POST with an identity token (OAuth2 refresh_token grant).
 */
import type { FoundCredentials } from '../config/auth-lookup.ts';
import type { Clock } from '../lib/clock.ts';
import { isJsonObject, parseJson } from '../oci/parse-json.ts';
import { dropBody, readBody } from './body.ts';
import { describeSource } from './credentials.ts';
import type { HttpRequest } from './exchange.ts';
import type { Outcome } from './outcome.ts';
import { anonymous, coolingEnd, notAsked, type RateLimits, tooMany } from './rate-limits.ts';
import type { RealmJudgement } from './realms.ts';
import type { Sender } from './sender.ts';
import { outcomeOfFault } from './transport-fault.ts';

export interface Token {
  readonly text: string;
  /** Milliseconds from when it was asked for. */
  readonly lifetime: number;
}

export interface TokenRequest {
  readonly realm: Exclude<RealmJudgement, { kind: 'refused' }>;
  readonly service: string | undefined;
  readonly scope: string;
  readonly credentials: FoundCredentials | undefined;
  readonly verify: boolean;
}

const maxTokenBody = 1024 * 1024;
const bodyTimeout = 15_000;
/** A shorter lifetime is taken for this one, as every client does (distribution, "Requesting a Token"). */
const shortestLifetime = 60_000;
const clientId = 'entrepot';

export async function fetchToken(
  wanted: TokenRequest,
  deps: { sender: Sender; clock: Clock; rateLimits: RateLimits },
): Promise<Outcome<Token>> {
  const { rateLimits } = deps;
  const { url, request } = buildRequest(wanted);
  const server = `token server ${url.host}`;
  const account = wanted.credentials?.username ?? anonymous;
  const cooling = rateLimits.coolingUntil(url.host, account);
  if (cooling !== undefined) return notAsked(`${server}: `, cooling);
  const got = await deps.sender.send(
    { url, name: url.host, verify: wanted.verify, reach: wanted.realm.reach },
    request,
  );
  if (!got.ok) {
    const { kind, reason } = got.fault;
    if (kind === 'forbidden') return { kind: 'unauthorized', reason: `${server}: ${reason}` };
    return outcomeOfFault(got.fault, `${server}: `);
  }
  const { status, headers, body } = got.response;
  if (status === 200) {
    const read = await readBody(body, { cap: maxTokenBody, clock: deps.clock, timeout: bodyTimeout });
    if (!read.ok) return { kind: 'unreachable', reason: `${server}: ${read.reason}` };
    const token = parseToken(read.bytes);
    return token
      ? { kind: 'ok', value: token }
      : { kind: 'invalid', reason: `${server}: the answer holds no token` };
  }
  dropBody(body, deps.clock);
  if (status === 429) {
    const until = coolingEnd(headers, deps.clock.now());
    rateLimits.cool(url.host, account, until);
    return { kind: 'rateLimited', reason: `${server}: ${tooMany(until)}`, until };
  }
  if (status >= 500) return { kind: 'unreachable', reason: `${server}: HTTP ${status}` };
  return { kind: 'unauthorized', reason: `${server}: HTTP ${status}${inWhoseName(wanted)}` };
}

function buildRequest({ realm, service, scope, credentials }: TokenRequest): {
  url: URL;
  request: HttpRequest;
} {
  const url = new URL(realm.url);
  // A realm may have a query of its own. What we ask for is ours to say.
  url.searchParams.delete('scope');
  if (credentials?.kind === 'identityToken') {
    const form = new URLSearchParams({
      grant_type: 'refresh_token',
      client_id: clientId,
      refresh_token: credentials.token,
      scope,
      ...(service !== undefined && { service }),
    });
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    return { url, request: { method: 'POST', headers, body: form.toString() } };
  }
  if (service !== undefined) url.searchParams.set('service', service);
  url.searchParams.append('scope', scope);
  if (credentials === undefined) return { url, request: { method: 'GET', headers: {} } };
  url.searchParams.set('account', credentials.username);
  return { url, request: { method: 'GET', headers: { authorization: basicHeader(credentials) } } };
}

export function basicHeader(credentials: { username: string; password: string }): string {
  return `Basic ${Buffer.from(`${credentials.username}:${credentials.password}`).toString('base64')}`;
}

function inWhoseName({ realm, credentials }: TokenRequest): string {
  if (credentials) return ` with the credentials of ${describeSource(credentials.source)}`;
  return realm.kind === 'anonymous' ? ` without credentials (${realm.reason})` : ' without credentials';
}

function parseToken(bytes: Buffer): Token | undefined {
  const parsed = parseJson(bytes);
  if (!parsed.ok || !isJsonObject(parsed.value)) return undefined;
  const { token, access_token, expires_in } = parsed.value;
  const text = typeof token === 'string' && token !== '' ? token : access_token;
  // Anything else could not be sent in a header.
  if (typeof text !== 'string' || !/^[\x21-\x7e]+$/.test(text)) return undefined;
  const seconds = typeof expires_in === 'number' && Number.isFinite(expires_in) ? expires_in : 0;
  return { text, lifetime: Math.max(shortestLifetime, seconds * 1000) };
}
