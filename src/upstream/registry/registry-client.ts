/**
 * One endpoint, one request: the right scheme, with the right credentials, over redirects. Every answer that is not a success
 * becomes an outcome here. `manifests.ts`, `blobs.ts`, `tag-list.ts` and `referrers.ts` judge what a success holds. `call.ts`
 * lists the layers.
 */

import { dropBody } from '../../lib/bytes/small-body.ts';
import type { Clock } from '../../lib/clock.ts';
import type { AttemptContext } from '../attempt.ts';
import type { Auth } from '../auth/auth.ts';
import type { Credentials } from '../auth/credentials.ts';
import type { Endpoint } from '../endpoint.ts';
import type { RateLimits } from '../health/rate-limits.ts';
import type { HostSettings } from '../host-settings.ts';
import type { HttpResponse } from '../http/exchange.ts';
import type { Base, Schemes } from '../http/scheme.ts';
import type { Sender } from '../http/sender.ts';
import { failureOf, serverWords } from '../http/status.ts';
import type { Outcome } from '../outcome.ts';
import { authorized, secretsIn, untilAborted } from './authorized.ts';
import { type Answered, failureElsewhere, type Place, type RegistryRequest, whereOf } from './call.ts';
import { cooled, createCooling } from './cooled.ts';
import { type RedirectedDeps, redirected } from './redirected.ts';
import { sent } from './sent.ts';

export interface RegistryClient {
  /** The caller consumes or cancels the body of a 200, 203 or 206. */
  request(
    endpoint: Endpoint,
    request: RegistryRequest,
    context: AttemptContext,
  ): Promise<Outcome<HttpResponse>>;
}

export interface RegistryClientDeps extends RedirectedDeps {
  /** For endpoints that are peers: no credentials, redirects or pauses. */
  readonly peers: RegistryClient;
  readonly sender: Sender;
  readonly schemes: Schemes;
  readonly auth: Auth;
  readonly credentials: Credentials;
  readonly rateLimits: RateLimits;
  readonly settings: HostSettings;
  readonly clock: Clock;
}

/** `/v2/REPOSITORY/REST` as this endpoint calls the repository. */
export function repositoryPath(endpoint: Endpoint, rest: string): string {
  return `/v2/${endpoint.reference.repository}/${rest}`;
}

/** Puts the layers together and judges what comes out of them. */
export function createRegistryClient(deps: RegistryClientDeps): RegistryClient {
  const { schemes, settings, clock } = deps;
  const cooling = createCooling(deps);
  const send = authorized(redirected(cooled(sent(deps), deps), deps), deps);

  async function judge(
    answered: Answered,
    request: RegistryRequest,
    context: AttemptContext,
  ): Promise<Outcome<HttpResponse>> {
    const { response, place, isAway, authorization } = answered;
    const { status } = response;
    cooling.observe(answered);
    // 203: from a proxy that changes answers (RFC 9110, section 15.3.4). The digest tells whether it has.
    if (status === 200 || status === 203 || status === 206) return { kind: 'ok', value: response };
    if (request.pass?.includes(status)) {
      if (!answered.isRead) dropBody(response.body, clock);
      return { kind: 'ok', value: response };
    }
    const options = { clock, signal: context.signal, secrets: secretsIn(authorization) };
    if (status === 429) return cooling.begin(answered, await serverWords(response, options));
    return failureElsewhere(await failureOf(response, options), whereOf(place, isAway, response.url));
  }

  function placeOf(endpoint: Endpoint, base: Base, path: string): Place {
    // Not resolved against the base: a path that begins with two slashes would name another host.
    const url = new URL(`${base.url.origin}${path}`);
    if (endpoint.namespaceProxy !== undefined) url.searchParams.set('ns', endpoint.namespaceProxy);
    return {
      endpoint,
      url,
      verify: base.verify,
      addressScope: settings.addressScope(endpoint),
      mayHaveCredentials: true,
      redirectedBy: undefined,
      hops: 0,
    };
  }

  return {
    async request(endpoint, request, context) {
      if (endpoint.peer) return deps.peers.request(endpoint, request, context);
      const isCooling = await cooling.ofEndpoint(endpoint);
      if (isCooling) return isCooling;
      const base = await untilAborted(schemes.of(endpoint, context), context.signal);
      if (base.kind !== 'ok') return base;
      const answered = await send({ place: placeOf(endpoint, base.value, request.path), request }, context);
      return answered.kind === 'ok' ? judge(answered.value, request, context) : answered;
    },
  };
}
