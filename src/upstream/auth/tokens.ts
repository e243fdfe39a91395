/**
 * Asks a token server for a bearer token.
 *
 *   no credentials .......... GET (distribution, "Token Authentication Specification")
 *   name and password ....... GET with Basic; if the server answers 405, POST with grant_type=password (distribution, "OAuth2 Token
 *                             Authentication")
 *   identity token .......... POST with grant_type=refresh_token
 *
 * Redirects are followed. Each Location is judged as a realm is: credentials go on only to a host that may have
 * them, and once a host may not have them, no later one gets them.
 */
import type { FoundCredentials } from '../../config/credentials/auth-lookup.ts';
import { dropBody, readBody } from '../../lib/bytes/small-body.ts';
import type { Clock } from '../../lib/clock.ts';
import { isJsonObject, parseJson } from '../../oci/parse-json.ts';
import { anonymous, coolingEnd, notAsked, type RateLimits, single, tooMany } from '../health/rate-limits.ts';
import type { HttpRequest, HttpResponse } from '../http/exchange.ts';
import { headerUrl, isRedirect, maxRedirects } from '../http/redirects.ts';
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

/** `status`: that of the token server's refusal. */
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
  /** The token server refuses GET. */
  readonly byPost?: true;
  /** Whether another URL may be asked, and what it may be given. */
  judge(realm: string): RealmJudgement;
}

/** Bytes. */
const maxTokenBody = 1024 * 1024;
/** ms. */
const bodyTimeout = 15_000;
/** ms. A shorter lifetime is taken for this one, as every client does (distribution, "Requesting a Token"). */
const shortestLifetime = 60_000;
const clientId = 'entrepot';

export interface TokenDeps {
  readonly sender: Sender;
  readonly clock: Clock;
  readonly rateLimits: RateLimits;
}

/** Follows redirects. The reason of a failure begins with the name of the token server. */
export async function fetchToken(wanted: TokenRequest, deps: TokenDeps): Promise<TokenOutcome> {
  let hop = wanted;
  let keepsQuery = false;
  for (let hops = 0; ; ) {
    const { url, request } = buildRequest(hop, keepsQuery);
    const got = await send(hop, url, request, deps);
    if (got.kind !== 'ok') return got;
    const response = got.value;
    if (response.status === 405 && request.method === 'GET' && hop.credentials) {
      dropBody(response.body, deps.clock);
      hop = { ...hop, byPost: true };
      continue;
    }
    if (!isRedirect(response.status)) return judgeAnswer(hop, response, deps);

    dropBody(response.body, deps.clock);
    const server = `token server ${url.host}`;
    if (hops === maxRedirects) {
      return { kind: 'unauthorized', reason: `${server} redirects more than ${maxRedirects} times` };
    }
    hops += 1;
    const next = redirected(url, single(response.headers.location), hop);
    if ('problem' in next) {
      return { kind: 'unauthorized', reason: `${server}: HTTP ${response.status}, ${next.problem}` };
    }
    ({ hop, keepsQuery } = next);
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
      certificatesOf: { registry: hop.registry, withPairs: hop.realm.kind === 'trusted' },
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
  // Frameworks answer a POST with 201, and a proxy that changes answers says 203.
  if (status === 200 || status === 201 || status === 203) {
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
  const refused = `HTTP ${status}${asAccount(hop)} for ${hop.scope}${words}`;
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
): { readonly hop: TokenRequest; readonly keepsQuery: boolean } | { readonly problem: string } {
  const target = headerUrl(location, from);
  if (!target) return { problem: 'redirects without a usable Location' };
  const judged = hop.judge(target.href);
  if (judged.kind === 'refused') return { problem: `redirects: ${judged.reason}` };
  const { realm: before } = hop;
  const realm: Realm =
    before.kind === 'anonymous' ? { ...before, url: judged.url, addressScope: judged.addressScope } : judged;
  const credentials = realm.kind === 'trusted' ? hop.credentials : undefined;
  return { hop: { ...hop, realm, credentials }, keepsQuery: target.search !== '' };
}

/** `keepsQuery`: the URL says what is asked for, as a server wrote it into its redirect. */
function buildRequest(hop: TokenRequest, keepsQuery: boolean): { url: URL; request: HttpRequest } {
  const { realm, service, scope, credentials } = hop;
  const url = new URL(realm.url);
  // A realm may have a query of its own. Its scope gives way to the one that we ask for.
  if (!keepsQuery) url.searchParams.delete('scope');
  const grant = grantOf(hop);
  if (grant) {
    const form = new URLSearchParams({
      ...grant,
      client_id: clientId,
      scope,
      ...(service !== undefined && { service }),
    });
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    return { url, request: { method: 'POST', headers, body: form.toString() } };
  }
  const headers = credentials?.kind === 'basic' ? { authorization: basicHeader(credentials) } : {};
  if (!keepsQuery) {
    if (service !== undefined) url.searchParams.set('service', service);
    for (const one of scope.split(' ')) url.searchParams.append('scope', one);
    if (credentials !== undefined) url.searchParams.set('account', credentials.username);
  }
  return { url, request: { method: 'GET', headers } };
}

/** The fields of an OAuth2 grant (RFC 6749, sections 4.3.2 and 6); undefined if GET is to be used. */
function grantOf({ credentials, byPost }: TokenRequest): Record<string, string> | undefined {
  if (credentials?.kind === 'identityToken') {
    return { grant_type: 'refresh_token', refresh_token: credentials.token };
  }
  if (!byPost || credentials?.kind !== 'basic') return undefined;
  return { grant_type: 'password', username: credentials.username, password: credentials.password };
}

/** `Basic` and the user's name and password in base64 (RFC 7617). */
export function basicHeader(credentials: { username: string; password: string }): string {
  return `Basic ${Buffer.from(`${credentials.username}:${credentials.password}`).toString('base64')}`;
}

/** What the words of a server may not repeat. */
export function secretsOf(credentials: FoundCredentials | undefined): readonly string[] {
  // A signing key is in no request.
  if (credentials === undefined || credentials.kind === 'signingKey') return [];
  if (credentials.kind === 'identityToken') return [credentials.token];
  return [credentials.password, basicHeader(credentials).slice('Basic '.length)];
}

function asAccount({ realm, credentials }: TokenRequest): string {
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
