/**
 * The layer that follows redirects. A redirect within the registry's own host is followed as it is. One to another host is followed
 * without `Authorization`, unless it leads into the API of another registry: that one is handed back, to be asked in its own right.
 */

import { dropBody } from '../../lib/bytes/small-body.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Reference } from '../../oci/reference.ts';
import type { Endpoint } from '../endpoint.ts';
import { single } from '../health/rate-limits.ts';
import type { HostSettings } from '../host-settings.ts';
import type { Dispatchers } from '../http/dispatchers.ts';
import type { HttpResponse } from '../http/exchange.ts';
import { isRedirect, judgeRedirect, maxRedirects, type RedirectJudgement } from '../http/redirects.ts';
import {
  type Call,
  type Followed,
  type Hop,
  type Moved,
  mayHavePairs,
  type Place,
  registryAt,
  routeTo,
  type Send,
} from './call.ts';

export interface RedirectedDeps {
  readonly dispatchers: Dispatchers;
  readonly settings: HostSettings;
  readonly clock: Clock;
  /** Whether registries.conf lists a registry. */
  isListed(registry: string): boolean;
  /** Whether registries.conf marks the registry of this reference insecure. */
  isMarkedInsecure(reference: Reference): boolean;
}

type Accepted = Extract<RedirectJudgement, { ok: true }>;

/** The layer: `invalid` for a redirect that may not be followed, or for more than `maxRedirects` of them. */
export function redirected(
  inner: Send<Hop, HttpResponse>,
  deps: RedirectedDeps,
): Send<Call, Followed | Moved> {
  const { dispatchers, settings, clock } = deps;

  function judge(location: string | undefined, from: URL, place: Place): RedirectJudgement {
    return judgeRedirect(location, {
      from,
      origin: place.url,
      insecure: (place.redirectedBy ?? place.endpoint).insecure,
      originKind: dispatchers.kindOf(place.url.hostname),
      isNamed: (host) => settings.of(host) !== undefined,
    });
  }

  /** Another registry. It may not redirect to a third one: what a registry that was redirected to names is storage. */
  function registryOf(place: Place, { url, addressScope }: Accepted, hops: number): Place | undefined {
    if (place.redirectedBy || url.host === place.url.host) return undefined;
    const endpoint = registryAt(url, place.endpoint);
    if (!endpoint) return undefined;
    return {
      endpoint,
      url,
      verify: place.verify,
      addressScope,
      mayHaveCredentials: mayBeNamed(endpoint, place, url, deps),
      redirectedBy: place.endpoint,
      hops,
    };
  }

  return async (call, context) => {
    const { place } = call;
    let hop: Hop = { ...call, route: routeTo(place), isAway: false };
    for (let hops = place.hops; ; hops += 1) {
      const got = await inner(hop, context);
      if (got.kind !== 'ok') return got;
      const response = got.value;
      if (!isRedirect(response.status)) return { kind: 'ok', value: { response, isAway: hop.isAway } };

      dropBody(response.body, clock);
      if (hops === maxRedirects) {
        return { kind: 'invalid', reason: `redirects more than ${maxRedirects} times` };
      }
      const judged = judge(single(response.headers.location), hop.route.url, place);
      if (!judged.ok) return { kind: 'invalid', reason: judged.reason };
      if (judged.sameHost) {
        hop = { ...hop, route: { ...routeTo(place), url: judged.url } };
        continue;
      }
      context.redirected?.(judged.url.host);
      const registry = registryOf(place, judged, hops + 1);
      if (registry) return { kind: 'ok', value: { place: registry } };
      hop = { ...hop, route: routeToStorage(place, judged), isAway: true };
    }
  };
}

/** What certs.d has for the registry is used at its storage too. */
function routeToStorage(place: Place, { url, addressScope }: Accepted) {
  const { host } = place.redirectedBy ?? place.endpoint;
  const certificatesOf = { registry: host, withPairs: mayHavePairs(place.url, url) };
  return { url, name: url.host, verify: place.verify, addressScope, certificatesOf };
}

/**
 * The credentials that the configuration has for another registry are for the image that was asked for, not for any image that a
 * redirect names. They are used only for a registry that clients may name themselves, and only over a connection that is as safe
 * as the configuration demands for that registry.
 */
function mayBeNamed(
  registry: Endpoint,
  from: Place,
  url: URL,
  { isListed, isMarkedInsecure }: Pick<RedirectedDeps, 'isListed' | 'isMarkedInsecure'>,
): boolean {
  if (registry.reference.repository !== from.endpoint.reference.repository) return false;
  if (!isListed(registry.reference.registry)) return false;
  return (url.protocol === 'https:' && from.verify) || isMarkedInsecure(registry.reference);
}
