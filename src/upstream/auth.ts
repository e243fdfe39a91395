/**
 * How an endpoint is asked in somebody's name. Nothing is sent before a registry has asked for it: its 401 carries the challenge,
 * the answer to it is kept for the endpoint (host, repository and so account), and a token is renewed before it ends.
 *
 *   401 -> challenge -> credentials (looked up anew: a helper's answer may have expired) -> token or Basic -> again
 *   401 after a fresh answer -> only when the registry names a scope that was not asked for: once more, with that
 */
import { isDeepStrictEqual } from 'node:util';
import { LRUCache } from 'lru-cache';
import type { FoundCredentials } from '../config/auth-lookup.ts';
import { EntrepotError } from '../errors.ts';
import type { Clock } from '../lib/clock.ts';
import { SingleFlight } from '../lib/single-flight.ts';
import type { Challenge } from './challenge.ts';
import { type Credentials, describeSource } from './credentials.ts';
import { type Endpoint, endpointKey } from './endpoint.ts';
import type { Outcome } from './outcome.ts';
import { anonymous, type RateLimits } from './rate-limits.ts';
import { judgeRealm, type RealmContext } from './realms.ts';
import type { Sender } from './sender.ts';
import { basicHeader, fetchToken } from './tokens.ts';

/** Something to put into `Authorization`, and whose it is. */
export interface Authorization {
  readonly header: string;
  /** Undefined for anonymous. */
  readonly credentials: FoundCredentials | undefined;
  readonly scope: string | undefined;
  /** Why credentials that exist were not used. */
  readonly withheld: string | undefined;
}

export interface AuthRequest {
  readonly endpoint: Endpoint;
  readonly challenges: readonly Challenge[];
  readonly realm: Omit<RealmContext, 'tokenRealms'>;
  readonly verify: boolean;
  /** What the registry has just refused. */
  readonly refused: Authorization | undefined;
  /** That was made in answer to a challenge of this very request. */
  readonly wasFresh: boolean;
}

export interface Auth {
  /**
   * What worked before, renewed when it is about to end; ok with undefined where nothing is known. Here as below the token
   * server is asked once for all who wait; when `leaves` is aborted, one of them does not any more.
   */
  known(endpoint: Endpoint, leaves: AbortSignal): Promise<Outcome<Authorization | undefined>>;
  /** Whose name the endpoint is asked in, where that is known: empty for anonymous. */
  account(endpoint: Endpoint): string | undefined;
  /** Answers a challenge, or says why that cannot be. */
  answer(request: AuthRequest, leaves: AbortSignal): Promise<Outcome<Authorization>>;
}

interface Kept {
  readonly authorization: Authorization;
  /** Monotonic ms; Infinity for Basic. */
  readonly renewAt: number;
  readonly request: AuthRequest;
}

const renewBefore = 10_000;
const refusalMemory = 30_000;

export function createAuth(deps: {
  credentials: Credentials;
  sender: Sender;
  clock: Clock;
  rateLimits: RateLimits;
  tokenRealms: readonly string[];
  /** Files that credentials were looked for in, for the words of a refusal. */
  searched: readonly string[];
}): Auth {
  const { clock } = deps;
  const inFiles = deps.searched.length === 0 ? '' : ` in ${deps.searched.join(', ')}`;
  const noneFor = (endpoint: Endpoint) => `no credentials${inFiles} for ${endpointKey(endpoint)}`;
  const kept = new LRUCache<string, Kept>({
    max: 10_000,
    maxSize: 64 * 1024 * 1024,
    sizeCalculation: ({ authorization }) => authorization.header.length,
  });
  /** By endpoint: credentials that were refused, and when they may be tried again (monotonic ms). */
  const refusals = new LRUCache<string, { found: FoundCredentials; until: number; reason: string }>({
    max: 1000,
  });
  const flights = new SingleFlight<Outcome<Authorization>>();

  /** A wrong password is not tried again for a while: registries lock accounts for that. A changed one is, at once. */
  function refused(endpoint: Endpoint, found: FoundCredentials, reason: string): Outcome<never> {
    refusals.set(endpointKey(endpoint), { found, until: clock.monotonic() + refusalMemory, reason });
    return { kind: 'unauthorized', reason, credentials: found.source };
  }

  function recentRefusal(
    endpoint: Endpoint,
    found: FoundCredentials | undefined,
  ): Outcome<never> | undefined {
    const last = refusals.get(endpointKey(endpoint));
    if (!last || !found || clock.monotonic() >= last.until || !isDeepStrictEqual(last.found, found))
      return undefined;
    return { kind: 'unauthorized', reason: last.reason, credentials: found.source };
  }

  async function bearer(
    request: AuthRequest,
    challenge: Challenge,
    scope: string,
    found: FoundCredentials | undefined,
  ): Promise<Outcome<Authorization>> {
    const realm = judgeRealm(challenge.parameters.get('realm') ?? '', {
      ...request.realm,
      tokenRealms: deps.tokenRealms,
    });
    if (realm.kind === 'refused') return { kind: 'unauthorized', reason: realm.reason };
    const credentials = realm.kind === 'trusted' ? found : undefined;
    const askedAt = clock.monotonic();
    const service = challenge.parameters.get('service');
    const token = await fetchToken({ realm, service, scope, credentials, verify: request.verify }, deps);
    if (token.kind === 'unauthorized' && credentials) {
      return refused(request.endpoint, credentials, token.reason);
    }
    if (token.kind === 'unauthorized' && realm.kind === 'trusted') {
      return { ...token, reason: `${token.reason}: ${noneFor(request.endpoint)}` };
    }
    if (token.kind !== 'ok') return token;
    const withheld = realm.kind === 'anonymous' && found ? realm.reason : undefined;
    const authorization = { header: `Bearer ${token.value.text}`, credentials, scope, withheld };
    const renewAt = askedAt + token.value.lifetime - renewBefore;
    kept.set(endpointKey(request.endpoint), { authorization, renewAt, request });
    return { kind: 'ok', value: authorization };
  }

  function basic(request: AuthRequest, found: FoundCredentials | undefined): Outcome<Authorization> {
    const name = endpointKey(request.endpoint);
    if (!found) return { kind: 'unauthorized', reason: noneFor(request.endpoint) };
    const from = describeSource(found.source);
    if (found.kind === 'identityToken') {
      return { kind: 'unauthorized', reason: `wants a password, but ${from} has an identity token` };
    }
    const header = basicHeader(found);
    if (header === request.refused?.header) {
      return refused(request.endpoint, found, `refuses the credentials of ${from}`);
    }
    const authorization = { header, credentials: found, scope: undefined, withheld: undefined };
    kept.set(name, { authorization, renewAt: Number.POSITIVE_INFINITY, request });
    return { kind: 'ok', value: authorization };
  }

  async function work(request: AuthRequest): Promise<Outcome<Authorization>> {
    const challenge = request.challenges.find(({ scheme }) => scheme === 'bearer' || scheme === 'basic');
    if (!challenge) {
      const schemes = request.challenges.map(({ scheme }) => scheme).join(', ');
      const asked =
        schemes === '' ? 'HTTP 401 without a challenge' : `asks for ${schemes} authentication only`;
      return { kind: 'unauthorized', reason: asked };
    }
    const scope = chooseScope(request, challenge);
    if (scope === undefined) {
      const reason =
        refusal(request.refused) ?? `HTTP 401 for an anonymous token: ${noneFor(request.endpoint)}`;
      const tried = challenge.scheme === 'basic' ? request.refused?.credentials : undefined;
      return tried ? refused(request.endpoint, tried, reason) : { kind: 'unauthorized', reason };
    }
    try {
      const found = await deps.credentials.find(request.endpoint);
      const recent = recentRefusal(request.endpoint, found);
      if (recent) return recent;
      return challenge.scheme === 'basic'
        ? basic(request, found)
        : await bearer(request, challenge, scope, found);
    } catch (error) {
      if (!(error instanceof EntrepotError)) throw error;
      return { kind: 'unauthorized', reason: error.located };
    }
  }

  return {
    async known(endpoint, leaves) {
      const key = endpointKey(endpoint);
      const entry = kept.get(key);
      if (!entry) return { kind: 'ok', value: undefined };
      if (clock.monotonic() < entry.renewAt) return { kind: 'ok', value: entry.authorization };
      kept.delete(key);
      const renewal = { ...entry.request, refused: undefined, wasFresh: false };
      return flights.run(`${key} false`, () => work(renewal), leaves);
    },
    account(endpoint) {
      const entry = kept.get(endpointKey(endpoint));
      return entry && (entry.authorization.credentials?.username ?? anonymous);
    },
    async answer(request, leaves) {
      const key = endpointKey(request.endpoint);
      const current = kept.get(key);
      // Somebody else was asked the same and has answered it meanwhile.
      if (current && !request.wasFresh && current.authorization.header !== request.refused?.header) {
        if (clock.monotonic() < current.renewAt) return { kind: 'ok', value: current.authorization };
      }
      kept.delete(key);
      return flights.run(`${key} ${request.wasFresh}`, () => work(request), leaves);
    },
  };
}

/** The scope to ask for; undefined where asking again makes no sense. */
function chooseScope(request: AuthRequest, challenge: Challenge): string | undefined {
  const own = `repository:${request.endpoint.reference.repository}:pull`;
  const named = challenge.parameters.get('scope');
  if (!request.wasFresh) return own;
  if (challenge.scheme !== 'bearer' || named === undefined || named === request.refused?.scope) {
    return undefined;
  }
  return readingScope.test(named) ? named : undefined;
}

/** A registry may widen what we ask for, but not to a token that could change anything. */
const readingScope =
  /^(?:(?:repository|registry):[A-Za-z0-9._\-/:]+:(?:pull|metadata_read|catalog)(?:,(?:pull|metadata_read|catalog))*(?: |$))+$/;

/** Undefined where nobody's credentials were used, and nobody's were withheld. */
function refusal(refused: Authorization | undefined): string | undefined {
  if (refused?.withheld !== undefined) return `HTTP 401 for an anonymous token: ${refused.withheld}`;
  if (!refused?.credentials) return undefined;
  return `refuses the credentials of ${describeSource(refused.credentials.source)}`;
}
