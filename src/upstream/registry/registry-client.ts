/**
 * One endpoint, one request: the right scheme, in the right name, over redirects, and every answer that is no success turned into
 * an outcome. What a success holds is judged by manifests.ts, blobs.ts, tag-list.ts and referrers.ts.
 */
import type { Clock } from '../../lib/clock.ts';
import { isDomain, parseRepository, type Reference } from '../../oci/reference.ts';
import type { AttemptContext } from '../ask-in-order.ts';
import type { Auth } from '../auth/auth.ts';
import type { Authorization } from '../auth/auth-memory.ts';
import { type Challenge, parseChallenges } from '../auth/challenge.ts';
import type { Credentials } from '../auth/credentials.ts';
import { areSameSite } from '../auth/same-site.ts';
import { secretsOf } from '../auth/tokens.ts';
import type { Endpoint } from '../endpoint.ts';
import { anonymous, coolingEnd, notAsked, type RateLimits, single, tooMany } from '../health/rate-limits.ts';
import type { HostSettings } from '../host-settings.ts';
import type { AddressScope } from '../http/addresses.ts';
import { dropBody } from '../http/body.ts';
import type { Dispatchers, Route } from '../http/dispatchers.ts';
import type { HttpResponse } from '../http/exchange.ts';
import { isRedirect, judgeRedirect, maxRedirects } from '../http/redirects.ts';
import type { Schemes } from '../http/scheme.ts';
import type { Sender } from '../http/sender.ts';
import { failureOf, mayRefuseCredential, serverWords, strangersMayHear } from '../http/status.ts';
import { outcomeOfFault, type TransportFault } from '../http/transport-fault.ts';
import type { Outcome } from '../outcome.ts';

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

/** Where a request goes, and what may go with it. */
interface Place {
  readonly endpoint: Endpoint;
  readonly url: URL;
  readonly verify: boolean;
  readonly addressScope: AddressScope;
  readonly mayHaveCredentials: boolean;
  /** The endpoint that redirected here; undefined for the first place. */
  readonly redirectedBy: Endpoint | undefined;
  /** Redirects until here. */
  readonly hops: number;
}

interface Followed {
  readonly response: HttpResponse;
  /** On another host than the place's. */
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
  /** Whether registries.conf lists a registry. */
  isListed(registry: string): boolean;
  /** Whether registries.conf marks the registry of this reference insecure. */
  isMarkedInsecure(reference: Reference): boolean;
}): RegistryClient {
  const { sender, schemes, auth, dispatchers, rateLimits, settings, clock } = deps;

  /** Follows redirects to the answer, or to another registry that may want an answer of its own. */
  async function follow(
    place: Place,
    request: RegistryRequest,
    authorization: Authorization | undefined,
    context: AttemptContext,
  ): Promise<Outcome<Followed | Place>> {
    const { endpoint, url: origin } = place;
    const lender = place.redirectedBy ?? endpoint;
    let hop: Route = routeTo(place);
    let away = false;
    for (let hops = place.hops; ; hops += 1) {
      const headers = {
        ...request.headers,
        ...(!away && authorization && { authorization: authorization.header }),
      };
      const where = away || place.redirectedBy ? `redirected to ${hop.url.host}: ` : '';
      const account = away ? anonymous : (auth.account(endpoint) ?? anonymous);
      const until = where === '' ? undefined : rateLimits.coolingUntil(hop.url.host, account);
      if (until !== undefined) return notAsked(where, until);
      const got = await sender.send(
        hop,
        { method: request.method, headers },
        { ...context, bulk: request.bulk },
      );
      if (!got.ok) {
        if (where === '' && mayHaveChanged.has(got.fault.kind)) schemes.forget(endpoint);
        return outcomeOfFault(got.fault, where);
      }
      if (where === '') context.heard();
      const { response } = got;
      if (!isRedirect(response.status)) return { kind: 'ok', value: { response, away } };

      dropBody(response.body, clock);
      if (hops === maxRedirects)
        return { kind: 'invalid', reason: `redirects more than ${maxRedirects} times` };
      const judged = judgeRedirect(single(response.headers.location), {
        from: hop.url,
        origin,
        insecure: lender.insecure,
        originKind: dispatchers.kindOf(origin.hostname),
        isNamed: (host) => settings.of(host) !== undefined,
      });
      if (!judged.ok) return { kind: 'invalid', reason: judged.reason };
      const { url, addressScope } = judged;
      if (judged.sameHost) {
        hop = { ...routeTo(place), url };
        continue;
      }
      away = true;
      context.redirected?.(url.host);
      // Only one: what it redirects to is storage, and the first registry is not asked again in its own name.
      const registry = place.redirectedBy ? undefined : registryAt(url, endpoint);
      if (registry && url.host !== origin.host) {
        const mayHaveCredentials = mayBeNamed(registry, place, url);
        const { verify } = place;
        const there = { endpoint: registry, url, verify, addressScope, mayHaveCredentials };
        return { kind: 'ok', value: { ...there, redirectedBy: endpoint, hops: hops + 1 } };
      }
      const withPairs = mayHavePairs(origin, url);
      hop = {
        url,
        name: url.host,
        verify: place.verify,
        addressScope,
        lent: { from: lender.host, withPairs },
      };
    }
  }

  /** A client certificate goes where the registry's credentials might go. */
  function mayHavePairs(origin: URL, url: URL): boolean {
    return origin.hostname === url.hostname || areSameSite(origin.hostname, url.hostname);
  }

  function routeTo({ endpoint, url, verify, addressScope, redirectedBy }: Place): Route {
    const route = { url, name: endpoint.host, verify, addressScope };
    if (!redirectedBy) return route;
    const first = URL.parse(`https://${redirectedBy.host}`) ?? url;
    return { ...route, lent: { from: redirectedBy.host, withPairs: mayHavePairs(first, url) } };
  }

  /**
   * The credentials that the configuration has for another registry are for the image that was asked for, not for whatever a
   * redirect names. They are used only for a registry that clients may name themselves, and do not go over a connection that is
   * less safe than the configuration makes that registry's.
   */
  function mayBeNamed(registry: Endpoint, from: Place, url: URL): boolean {
    if (registry.reference.repository !== from.endpoint.reference.repository) return false;
    if (!deps.isListed(registry.reference.registry)) return false;
    return (url.protocol === 'https:' && from.verify) || deps.isMarkedInsecure(registry.reference);
  }

  /** Some registries put the challenge on their ping only. */
  async function pingChallenges(place: Place, context: AttemptContext): Promise<readonly Challenge[]> {
    const route = { ...routeTo(place), url: new URL('/v2/', place.url) };
    const ping = await sender.send(route, { method: 'GET', headers: {} }, { signal: context.signal });
    if (!ping.ok) return [];
    dropBody(ping.response.body, clock);
    return parseChallenges(ping.response.headers['www-authenticate']);
  }

  async function accountOf(endpoint: Endpoint, mayHaveCredentials: boolean): Promise<string> {
    const known = auth.account(endpoint);
    if (known !== undefined) return known;
    const found = mayHaveCredentials
      ? await deps.credentials.find(endpoint).catch(() => undefined)
      : undefined;
    return found?.username ?? anonymous;
  }

  async function cooling(endpoint: Endpoint): Promise<Outcome<never> | undefined> {
    if (rateLimits.hostCoolingUntil(endpoint.host) === undefined) return undefined;
    const until = rateLimits.coolingUntil(endpoint.host, await accountOf(endpoint, true));
    return until === undefined ? undefined : notAsked('', until);
  }

  async function judge(
    place: Place,
    { response, away }: Followed,
    request: RegistryRequest,
    context: AttemptContext,
    authorization: Authorization | undefined,
  ): Promise<Outcome<HttpResponse>> {
    const { status, headers } = response;
    const { host } = place.endpoint;
    const isElsewhere = away || place.redirectedBy !== undefined;
    const where = isElsewhere ? `redirected to ${response.url.host}: ` : '';
    if (!isElsewhere) rateLimits.observe(host, auth.account(place.endpoint) ?? anonymous, headers);
    if (status === 200 || status === 206) return { kind: 'ok', value: response };
    if (request.pass?.includes(status)) {
      dropBody(response.body, clock);
      return { kind: 'ok', value: response };
    }
    const options = { clock, signal: context.signal, secrets: secretsIn(authorization) };
    if (status === 429) {
      const words = await serverWords(response, options);
      const until = coolingEnd(headers, clock.now());
      if (away) rateLimits.cool(response.url.host, anonymous, until);
      else rateLimits.cool(host, await accountOf(place.endpoint, place.mayHaveCredentials), until);
      return { kind: 'rateLimited', reason: `${where}${tooMany(until, words)}`, until };
    }
    return elsewhere(await failureOf(response, options), where);
  }

  async function converse(
    place: Place,
    request: RegistryRequest,
    context: AttemptContext,
  ): Promise<Outcome<HttpResponse>> {
    const { endpoint, verify, mayHaveCredentials, redirectedBy } = place;
    const { signal } = context;
    const negotiation = auth.begin(
      {
        endpoint,
        method: request.method,
        realm: {
          registry: place.url,
          host: endpoint.host,
          insecure: endpoint.insecure,
          ownAddressScope: place.addressScope,
          registryKind: dispatchers.kindOf(place.url.hostname),
        },
        verify,
        mayHaveCredentials,
        registry: redirectedBy?.host ?? endpoint.host,
      },
      signal,
    );
    let refused: HttpResponse | undefined;
    let step = await untilAborted(negotiation.start(), signal);
    for (;;) {
      if (step.kind !== 'ok') {
        if (refused && request.pass?.includes(refused.status)) return { kind: 'ok', value: refused };
        return elsewhere(step, redirectedBy ? `redirected to ${place.url.host}: ` : '');
      }
      const { authorization, lastResort } = step.value;
      const followed = await follow(place, request, authorization, context);
      if (followed.kind !== 'ok') return followed;
      if (authorization?.credentials) context.used(authorization.credentials.source);
      if ('endpoint' in followed.value) return converse(followed.value, request, context);
      const { response, away } = followed.value;
      const { status } = response;
      const isBare = !authorization && !away && !lastResort;
      const isRefused = !away && (authorization ? mayRefuseCredential(status) : status === 401);
      const isForStrangers = isBare && strangersMayHear(status) && (await negotiation.mayBeForStrangers());
      if (!isRefused && !isForStrangers && !(lastResort && status >= 400)) {
        negotiation.worked();
        return judge(place, followed.value, request, context, authorization);
      }
      if (!lastResort) refused = response;
      // Read meanwhile: its connection may be the only one that the host allows us.
      const words = serverWords(response, { clock, signal, secrets: secretsIn(authorization) });
      const told = parseChallenges(response.headers['www-authenticate']);
      const asksNothing = told.length === 0 && !authorization && (status === 401 || isForStrangers);
      const challenges = asksNothing ? await pingChallenges(place, context) : told;
      step = await untilAborted(negotiation.next({ status, challenges, words }), signal);
    }
  }

  return {
    async request(endpoint, request, context) {
      const isCooling = await cooling(endpoint);
      if (isCooling) return isCooling;
      const base = await untilAborted(schemes.of(endpoint, context), context.signal);
      if (base.kind !== 'ok') return base;
      // Not resolved against the base: a path that begins with two slashes would name another host.
      const url = new URL(`${base.value.url.origin}${request.path}`);
      if (endpoint.namespaceProxy !== undefined) url.searchParams.set('ns', endpoint.namespaceProxy);
      const place = {
        endpoint,
        url,
        verify: base.value.verify,
        addressScope: settings.addressScope(endpoint),
        mayHaveCredentials: true,
        redirectedBy: undefined,
        hops: 0,
      };
      return converse(place, request, context);
    },
  };
}

/** The registry that a URL is of, as an endpoint for the same image; undefined for one outside the API. */
function registryAt(url: URL, from: Endpoint): Endpoint | undefined {
  const path = /^\/v2\/(.+)\/(?:manifests|blobs|tags|referrers)\/[^/]+$/.exec(url.pathname)?.[1];
  const repository = path === undefined ? undefined : parseRepository(path);
  if (repository === undefined || !isDomain(url.host)) return undefined;
  const { digest, tag } = from.reference;
  return {
    reference: { registry: url.host, repository, ...(tag && { tag }), ...(digest && { digest }) },
    host: url.host,
    location: `${url.host}/${repository}`,
    role: from.role,
    insecure: from.insecure,
    blockedBy: undefined,
  };
}

/** What another host's failure means for the endpoint that redirected to it. */
function elsewhere(failure: Outcome<never>, where: string): Outcome<never> {
  if (where === '' || failure.kind === 'ok') return failure;
  const reason = failure.reason.startsWith(where) ? failure.reason : `${where}${failure.reason}`;
  if (failure.kind === 'rateLimited') return { ...failure, reason };
  return { ...failure, reason, kind: failure.kind === 'unauthorized' ? 'denied' : failure.kind };
}

function secretsIn(authorization: Authorization | undefined): readonly string[] {
  if (!authorization) return [];
  return [authorization.header.replace(/^\w+ /, ''), ...secretsOf(authorization.credentials)];
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
