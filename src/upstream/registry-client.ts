/**
 * One endpoint, one request: the right scheme, in the right name, over redirects, and every answer that is no success turned into
 * an outcome. What a success holds is judged by manifests.ts, blobs.ts, tag-list.ts and referrers.ts.
 */
import type { Clock } from '../lib/clock.ts';
import type { AttemptContext } from './ask-in-order.ts';
import type { Auth, Authorization } from './auth.ts';
import { dropBody } from './body.ts';
import { type Challenge, parseChallenges } from './challenge.ts';
import type { Credentials } from './credentials.ts';
import type { Dispatchers, Route } from './dispatchers.ts';
import type { Endpoint } from './endpoint.ts';
import type { HttpResponse } from './exchange.ts';
import type { HostSettings } from './host-settings.ts';
import type { Outcome } from './outcome.ts';
import { anonymous, coolingEnd, notAsked, type RateLimits, single, tooMany } from './rate-limits.ts';
import { isRedirect, judgeRedirect, maxRedirects } from './redirects.ts';
import type { Base, Schemes } from './scheme.ts';
import type { Sender } from './sender.ts';
import { failureOf, registryWords } from './status.ts';
import { outcomeOfFault, type TransportFault } from './transport-fault.ts';

export interface RegistryRequest {
  readonly method: 'GET' | 'HEAD';
  /** With the query, absolute. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** A blob: waits behind smaller things for a connection. */
  readonly bulk?: true;
  /** Statuses, besides 200 and 206, that are handed back as they are, but for their body: that is dropped. */
  readonly pass?: readonly number[];
}

export interface RegistryClient {
  /** The body of a 200 or 206 is to be consumed or cancelled. */
  request(
    endpoint: Endpoint,
    request: RegistryRequest,
    context: AttemptContext,
  ): Promise<Outcome<HttpResponse>>;
}

/** `/v2/REPOSITORY/REST` as this endpoint knows the repository. */
export function repositoryPath(endpoint: Endpoint, rest: string): string {
  return `/v2/${endpoint.reference.repository}/${rest}`;
}

interface Followed {
  readonly response: HttpResponse;
  /** On another host than the registry's. */
  readonly away: boolean;
}

export function createRegistryClient(deps: {
  sender: Sender;
  schemes: Schemes;
  auth: Auth;
  credentials: Credentials;
  dispatchers: Dispatchers;
  rateLimits: RateLimits;
  settings: HostSettings;
  clock: Clock;
}): RegistryClient {
  const { sender, schemes, auth, dispatchers, rateLimits, settings, clock } = deps;

  async function follow(
    endpoint: Endpoint,
    base: Base,
    request: RegistryRequest,
    authorization: Authorization | undefined,
    context: AttemptContext,
  ): Promise<Outcome<Followed>> {
    // Not resolved against the base: a path that begins with two slashes would name another host.
    const origin = new URL(`${base.url.origin}${request.path}`);
    if (endpoint.namespaceProxy !== undefined) origin.searchParams.set('ns', endpoint.namespaceProxy);
    const ownReach = settings.reach(endpoint);
    let hop: Route = { url: origin, name: endpoint.host, verify: base.verify, reach: ownReach };
    let away = false;
    for (let hops = 0; ; hops += 1) {
      const headers = {
        ...request.headers,
        ...(!away && authorization && { authorization: authorization.header }),
      };
      const where = away ? `redirected to ${hop.url.host}: ` : '';
      const until = away ? rateLimits.coolingUntil(hop.url.host, anonymous) : undefined;
      if (until !== undefined) return notAsked(where, until);
      const got = await sender.send(
        hop,
        { method: request.method, headers },
        { ...context, bulk: request.bulk },
      );
      if (!got.ok) {
        if (!away && mayHaveChanged.has(got.fault.kind)) schemes.forget(endpoint);
        return outcomeOfFault(got.fault, where);
      }
      if (!away) context.heard();
      const { response } = got;
      if (!isRedirect(response.status)) return { kind: 'ok', value: { response, away } };

      dropBody(response.body, clock);
      if (hops === maxRedirects)
        return { kind: 'invalid', reason: `redirects more than ${maxRedirects} times` };
      const judged = judgeRedirect(single(response.headers.location), {
        from: hop.url,
        origin,
        insecure: endpoint.insecure,
        originKind: dispatchers.kindOf(origin.hostname),
        isNamed: (host) => settings.of(host) !== undefined,
      });
      if (!judged.ok) return { kind: 'invalid', reason: judged.reason };
      away ||= !judged.sameHost;
      if (!judged.sameHost) context.redirected?.(judged.url.host);
      const name = judged.sameHost ? endpoint.host : judged.url.host;
      const reach = judged.sameHost ? ownReach : judged.reach;
      hop = { url: judged.url, name, verify: base.verify, reach };
    }
  }

  /** Some registries put the challenge on their ping only. */
  async function challengesOf(
    endpoint: Endpoint,
    base: Base,
    response: HttpResponse,
    context: AttemptContext,
  ) {
    const own = parseChallenges(response.headers['www-authenticate']);
    if (own.length > 0) return own;
    const route = {
      url: new URL('/v2/', base.url),
      name: endpoint.host,
      verify: base.verify,
      reach: settings.reach(endpoint),
    };
    const ping = await sender.send(route, { method: 'GET', headers: {} }, { signal: context.signal });
    if (!ping.ok) return [];
    dropBody(ping.response.body, clock);
    return parseChallenges(ping.response.headers['www-authenticate']);
  }

  async function accountOf(endpoint: Endpoint): Promise<string> {
    const known = auth.account(endpoint);
    if (known !== undefined) return known;
    const found = await deps.credentials.find(endpoint).catch(() => undefined);
    return found?.username ?? anonymous;
  }

  async function cooling(endpoint: Endpoint): Promise<Outcome<never> | undefined> {
    if (rateLimits.hostCoolingUntil(endpoint.host) === undefined) return undefined;
    const until = rateLimits.coolingUntil(endpoint.host, await accountOf(endpoint));
    return until === undefined ? undefined : notAsked('', until);
  }

  async function judge(
    endpoint: Endpoint,
    { response, away }: Followed,
    request: RegistryRequest,
    context: AttemptContext,
  ): Promise<Outcome<HttpResponse>> {
    const { status, headers } = response;
    const where = away ? `redirected to ${response.url.host}: ` : '';
    if (!away) rateLimits.observe(endpoint.host, auth.account(endpoint) ?? anonymous, headers);
    if (status === 200 || status === 206) return { kind: 'ok', value: response };
    if (request.pass?.includes(status)) {
      dropBody(response.body, clock);
      return { kind: 'ok', value: response };
    }
    const timeout = settings.stallTimeout(endpoint.host);
    if (status === 429) {
      const until = coolingEnd(headers, clock.now());
      if (away) rateLimits.cool(response.url.host, anonymous, until);
      else rateLimits.cool(endpoint.host, await accountOf(endpoint), until);
      const words = await registryWords(response, { clock, timeout, signal: context.signal });
      return { kind: 'rateLimited', reason: `${where}${tooMany(until)}${words}`, until };
    }
    const failure = await failureOf(response, { clock, timeout, signal: context.signal });
    if (!away || failure.kind === 'ok' || failure.kind === 'rateLimited') return failure;
    const kind = failure.kind === 'unauthorized' ? 'denied' : failure.kind;
    return { kind, reason: `${where}${failure.reason}` };
  }

  return {
    async request(endpoint, request, context) {
      const isCooling = await cooling(endpoint);
      if (isCooling) return isCooling;
      const base = await untilAborted(schemes.of(endpoint, context), context.signal);
      if (base.kind !== 'ok') return base;
      const known = await untilAborted(auth.known(endpoint, context.signal), context.signal);
      if (known.kind !== 'ok') return known;

      let authorization = known.value;
      let wasFresh = false;
      // At most three rounds: as known, with a fresh answer, with a scope that the registry named.
      for (let round = 0; ; round += 1) {
        const followed = await follow(endpoint, base.value, request, authorization, context);
        if (followed.kind !== 'ok') return followed;
        if (authorization?.credentials) context.used(authorization.credentials.source);
        const { response, away } = followed.value;
        if (response.status !== 401 || away || round === 2) {
          return judge(endpoint, followed.value, request, context);
        }
        // Its connection may be the only one that the host allows us.
        dropBody(response.body, clock);
        const challenges: readonly Challenge[] = await challengesOf(endpoint, base.value, response, context);
        const realm = {
          registry: base.value.url,
          host: endpoint.host,
          insecure: endpoint.insecure,
          ownReach: settings.reach(endpoint),
          registryKind: dispatchers.kindOf(base.value.url.hostname),
        };
        const answer = await untilAborted(
          auth.answer(
            {
              endpoint,
              challenges,
              realm,
              verify: base.value.verify,
              refused: authorization,
              wasFresh,
            },
            context.signal,
          ),
          context.signal,
        );
        if (answer.kind !== 'ok') {
          if (request.pass?.includes(401)) return { kind: 'ok', value: response };
          return answer;
        }
        authorization = answer.value;
        wasFresh = true;
      }
    },
  };
}

/** Faults of a host that has gone from HTTPS to HTTP, or back. */
const mayHaveChanged: ReadonlySet<TransportFault['kind']> = new Set([
  'refused',
  'tls',
  'notTls',
  'closed',
  'broken',
]);

/** What is shared with others goes on without us. */
async function untilAborted<T>(work: Promise<Outcome<T>>, signal: AbortSignal): Promise<Outcome<T>> {
  const { promise, resolve } = Promise.withResolvers<Outcome<T>>();
  const onAbort = () => resolve({ kind: 'unreachable', reason: 'given up' });
  signal.addEventListener('abort', onAbort);
  if (signal.aborted) onAbort();
  try {
    return await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
