/**
 * What the layers of the registry client hand to each other. Each layer takes the one below it and gives the same kind of function:
 *
 *   authorized   answers challenges, and sends again with another `Authorization` when one is refused
 *   redirected   follows redirects to storage; hands a redirect to another registry back to `authorized`
 *   cooled       sends nothing to a host that has asked for a pause (429)
 *   sent         one HTTP exchange
 */
import { isDomain, parseRepository } from '../../oci/reference.ts';
import type { AttemptContext } from '../attempt.ts';
import type { Authorization } from '../auth/auth-memory.ts';
import { areSameSite } from '../auth/same-site.ts';
import type { Endpoint } from '../endpoint.ts';
import type { AddressScope } from '../http/addresses.ts';
import type { HttpResponse } from '../http/exchange.ts';
import type { Route } from '../http/route.ts';
import type { Outcome } from '../outcome.ts';

export interface RegistryRequest {
  readonly method: 'GET' | 'HEAD';
  /** Absolute, with the query. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** A blob: it waits behind smaller answers for a connection. */
  readonly bulk?: true;
  /** Statuses, besides 200, 203 and 206, that are handed to the caller. Their bodies are dropped. */
  readonly pass?: readonly number[];
}

/** A registry to ask, and what it may be given. */
export interface Place {
  readonly endpoint: Endpoint;
  readonly url: URL;
  /** Whether its TLS certificate is verified. */
  readonly verify: boolean;
  readonly addressScope: AddressScope;
  readonly mayHaveCredentials: boolean;
  /** The endpoint that redirected to this registry; undefined for the endpoint itself. */
  readonly redirectedBy: Endpoint | undefined;
  /** Redirects so far. */
  readonly hops: number;
}

export interface Call {
  readonly place: Place;
  readonly request: RegistryRequest;
  /** Undefined: the request goes without `Authorization`. */
  readonly authorization: Authorization | undefined;
}

/** One URL to send a call to: the place itself, or where it redirects. */
export interface Hop extends Call {
  readonly route: Route;
  /** On another host than the place's: it gets no `Authorization`. */
  readonly isAway: boolean;
}

/** The answer at the end of all redirects. */
export interface Followed {
  readonly response: HttpResponse;
  /** It came from another host than the place's. */
  readonly isAway: boolean;
}

/** A redirect to another registry, which may want an `Authorization` of its own. */
export interface Moved {
  readonly place: Place;
}

/** An answer that is final as far as `Authorization` is concerned, and how it was asked for. */
export interface Answered extends Followed {
  readonly place: Place;
  readonly authorization: Authorization | undefined;
  /** The body has been read already, for the words of a refusal. */
  readonly isRead: boolean;
}

/** One layer. It never throws for what a server does. */
export type Send<Sent, Received> = (sent: Sent, context: AttemptContext) => Promise<Outcome<Received>>;

/** How the place itself is reached. */
export function routeTo({ endpoint, url, verify, addressScope, redirectedBy }: Place): Route {
  const route = { url, name: endpoint.host, verify, addressScope };
  if (!redirectedBy) return route;
  const first = URL.parse(`https://${redirectedBy.host}`) ?? url;
  return { ...route, certificatesOf: { registry: redirectedBy.host, withPairs: mayHavePairs(first, url) } };
}

/** Whether `url` may be shown the client certificates of `origin`: the rule for credentials applies to them too. */
export function mayHavePairs(origin: URL, url: URL): boolean {
  return origin.hostname === url.hostname || areSameSite(origin.hostname, url.hostname);
}

/** The registry that a URL of the registry API belongs to, as an endpoint for the same image; undefined for any other URL. */
export function registryAt(url: URL, from: Endpoint): Endpoint | undefined {
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

/** How the reason of a failure begins if another host than the endpoint's caused it; empty for the endpoint's own host. */
export function whereOf(place: Place, isAway: boolean, url: URL): string {
  return isAway || place.redirectedBy ? `redirected to ${url.host}: ` : '';
}

/**
 * What another host's failure means for the endpoint that redirected to it. `where` begins the reason. The endpoint's credentials
 * were not refused there, so `unauthorized` becomes `denied`.
 */
export function failureElsewhere(failure: Outcome<never>, where: string): Outcome<never> {
  if (where === '' || failure.kind === 'ok') return failure;
  const reason = failure.reason.startsWith(where) ? failure.reason : `${where}${failure.reason}`;
  if (failure.kind === 'rateLimited') return { ...failure, reason };
  return { ...failure, reason, kind: failure.kind === 'unauthorized' ? 'denied' : failure.kind };
}
