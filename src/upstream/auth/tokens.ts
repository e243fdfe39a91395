/**
 * Asks a token server for a bearer token (distribution, "Token Authentication"): GET with the user's name and
 * password or with nothing, POST with an identity token (OAuth2 refresh_token grant).
 *
 * Redirects are followed. Each Location is judged as a realm is: credentials go on only to a host that may have
 * them, and once a host may not have them, no later one gets them.
 */
import type { FoundCredentials } from '../../config/credentials/auth-lookup.ts';
import type { Clock } from '../../lib/clock.ts';
import { isJsonObject, parseJson } from '../../oci/parse-json.ts';
import { anonymous, coolingEnd, notAsked, type RateLimits, single, tooMany } from '../health/rate-limits.ts';
import { dropBody, readBody } from '../http/body.ts';
import type { HttpRequest, HttpResponse } from '../http/exchange.ts';
import { isRedirect, maxRedirects } from '../http/redirects.ts';
import type { Sender } from '../http/sender.ts';
import { serverWords } from '../http/status.ts';
import { outcomeOfFault } from '../http/transport-fault.ts';
import type { Outcome } from '../outcome.ts';
import { describeSource } from './credentials.ts';
import type { RealmJudgement } from './realms.ts';

export interface Token {
  readonly text: string;
  /** Milliseconds from when it was asked for. */
  readonly lifetime: number;
}

/** `status`: what the token server said, where it said no. */
export type TokenOutcome = Outcome<Token> & { readonly status?: number };

type Realm = Exclude<RealmJudgement, { kind: 'refused' }>;

export interface TokenRequest {
  readonly realm: Realm;
  readonly service: string | undefined;
  /** One or more, separated by spaces. */
  readonly scope: string;
  readonly credentials: FoundCredentials | undefined;
  readonly verify: boolean;
  /** The registry that named the token server: its certificates are used there too. */
  readonly registry: string;
  /** Whether another URL may be asked, and what it may be given. */
  judge(realm: string): RealmJudgement;
}

const maxTokenBody = 1024 * 1024;
const bodyTimeout = 15_000;
/** A shorter lifetime is taken for this one, as every client does (distribution, "Requesting a Token"). */
const shortestLifetime = 60_000;
const clientId = 'entrepot';

export interface TokenDeps {
  readonly sender: Sender;
  readonly clock: Clock;
  readonly rateLimits: RateLimits;
}

export async function fetchToken(wanted: TokenRequest, deps: TokenDeps): Promise<TokenOutcome> {
  let hop = wanted;
  let { url, request } = buildRequest(hop);
  for (let hops = 0; ; hops += 1) {
    const got = await send(hop, url, request, deps);
    if (got.kind !== 'ok') return got;
    const response = got.value;
    if (!isRedirect(response.status)) return judgeAnswer(hop, response, deps);

    dropBody(response.body, deps.clock);
    const server = `token server ${url.host}`;
    if (hops === maxRedirects) {
      return { kind: 'unauthorized', reason: `${server} redirects more than ${maxRedirects} times` };
    }
    const next = redirected(url, single(response.headers.location), hop);
    if ('problem' in next) {
      return { kind: 'unauthorized', reason: `${server}: HTTP ${response.status}, ${next.problem}` };
    }
    hop = next;
    ({ url, request } = buildRequest(hop, next.keepsQuery));
  }
}

/** Asks one URL. Its status may be anything. */
async function send(
  hop: TokenRequest,
  url: URL,
  request: HttpRequest,
  { sender, rateLimits }: TokenDeps,
): Promise<Outcome<HttpResponse>> {
  const where = `token server ${url.host}: `;
  const cooling = rateLimits.coolingUntil(url.host, accountOf(hop));
  if (cooling !== undefined) return notAsked(where, cooling);
  const got = await sender.send(
    {
      url,
      name: url.host,
      verify: hop.verify,
      addressScope: hop.realm.addressScope,
      lent: { from: hop.registry, withPairs: hop.realm.kind === 'trusted' },
    },
    request,
  );
  if (got.ok) return { kind: 'ok', value: got.response };
  if (got.fault.kind === 'forbidden') return { kind: 'unauthorized', reason: `${where}${got.fault.reason}` };
  return outcomeOfFault(got.fault, where);
}

async function judgeAnswer(
  hop: TokenRequest,
  response: HttpResponse,
  { clock, rateLimits }: TokenDeps,
): Promise<TokenOutcome> {
  const { status, headers, body, url } = response;
  const server = `token server ${url.host}`;
  if (status === 200) {
    const read = await readBody(body, { cap: maxTokenBody, clock, timeout: bodyTimeout });
    if (!read.ok) return { kind: 'unreachable', reason: `${server}: ${read.reason}` };
    const token = parseToken(read.bytes);
    return token
      ? { kind: 'ok', value: token }
      : { kind: 'invalid', reason: `${server}: the answer holds no token` };
  }
  const words = await serverWords(response, { clock, secrets: secretsOf(hop.credentials) });
  if (status === 429) {
    const until = coolingEnd(headers, clock.now());
    rateLimits.cool(url.host, accountOf(hop), until);
    return { kind: 'rateLimited', reason: `${server}: ${tooMany(until, words)}`, until };
  }
  if (status >= 500) return { kind: 'unreachable', reason: `${server}: HTTP ${status}${words}` };
  const refused = `HTTP ${status}${inWhoseName(hop)} for ${hop.scope}${words}`;
  return { kind: 'unauthorized', reason: `${server}: ${refused}`, status };
}

function accountOf({ credentials }: TokenRequest): string {
  return credentials?.username ?? anonymous;
}

/** The request for the place that `location` names, or why that is not asked. */
function redirected(
  from: URL,
  location: string | undefined,
  hop: TokenRequest,
): (TokenRequest & { readonly keepsQuery: boolean }) | { readonly problem: string } {
  const target = location === undefined || location === '' ? undefined : URL.parse(location, from.href);
  if (!target) return { problem: 'redirects without a usable Location' };
  const judged = hop.judge(target.href);
  if (judged.kind === 'refused') return { problem: `redirects: ${judged.reason}` };
  const { realm: before } = hop;
  const realm: Realm =
    before.kind === 'anonymous' ? { ...before, url: judged.url, addressScope: judged.addressScope } : judged;
  const credentials = realm.kind === 'trusted' ? hop.credentials : undefined;
  return { ...hop, realm, credentials, keepsQuery: target.search !== '' };
}

/** `keepsQuery`: the URL says what is asked for, as a server wrote it into its redirect. */
function buildRequest(
  { realm, service, scope, credentials }: TokenRequest,
  keepsQuery = false,
): { url: URL; request: HttpRequest } {
  const url = new URL(realm.url);
  // A realm may have a query of its own. What we ask for is ours to say.
  if (!keepsQuery) url.searchParams.delete('scope');
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
  const headers = credentials === undefined ? {} : { authorization: basicHeader(credentials) };
  if (!keepsQuery) {
    if (service !== undefined) url.searchParams.set('service', service);
    for (const one of scope.split(' ')) url.searchParams.append('scope', one);
    if (credentials !== undefined) url.searchParams.set('account', credentials.username);
  }
  return { url, request: { method: 'GET', headers } };
}

export function basicHeader(credentials: { username: string; password: string }): string {
  return `Basic ${Buffer.from(`${credentials.username}:${credentials.password}`).toString('base64')}`;
}

/** What a server may not be quoted with. */
export function secretsOf(credentials: FoundCredentials | undefined): readonly string[] {
  if (credentials === undefined) return [];
  if (credentials.kind === 'identityToken') return [credentials.token];
  return [credentials.password, basicHeader(credentials).slice('Basic '.length)];
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
