/**
 * The layer that answers challenges. It sends what `auth` proposes, and sends again while an answer may be about the
 * `Authorization` rather than about the content:
 *
 *   sent with one, answered by a status that registries use to refuse credentials ... `auth` proposes another
 *   sent without, answered 401 ...................................................... `auth` answers the challenge
 *   sent without, answered 400, 403 or 404 although there are credentials ........... the challenge is looked for at `/v2/`
 *   sent as a last resort, answered by an error ..................................... the failure of what was sent before counts
 */

import { dropBody } from '../../lib/bytes/small-body.ts';
import type { Clock } from '../../lib/clock.ts';
import type { AttemptContext } from '../attempt.ts';
import type { Auth } from '../auth/auth.ts';
import type { Authorization } from '../auth/auth-memory.ts';
import { type Challenge, parseChallenges } from '../auth/challenge.ts';
import type { Negotiation, Try } from '../auth/negotiation.ts';
import { secretsOf } from '../auth/tokens.ts';
import { single } from '../health/rate-limits.ts';
import type { Dispatchers } from '../http/dispatchers.ts';
import type { HttpResponse } from '../http/exchange.ts';
import type { Sender } from '../http/sender.ts';
import { answersAnonymousWith, mayRefuseCredential, serverWords } from '../http/status.ts';
import type { Outcome } from '../outcome.ts';
import {
  type Answered,
  type Call,
  type Followed,
  failureElsewhere,
  type Moved,
  type Place,
  routeTo,
  type Send,
} from './call.ts';

export interface AuthorizedDeps {
  readonly auth: Auth;
  readonly sender: Sender;
  readonly dispatchers: Dispatchers;
  readonly clock: Clock;
}

/** What an answer says of the `Authorization` that was sent for it. */
type Bearing = 'content' | 'refused' | 'perhapsForAnonymous';

/** The layer. The `authorization` of the calls that it is given is not used. */
export function authorized(
  inner: Send<Call, Followed | Moved>,
  deps: AuthorizedDeps,
): Send<Omit<Call, 'authorization'>, Answered> {
  const { auth, sender, dispatchers, clock } = deps;

  function begin(place: Place, method: 'GET' | 'HEAD', signal: AbortSignal): Negotiation {
    const { endpoint, url, verify, mayHaveCredentials, redirectedBy } = place;
    const realm = {
      registry: url,
      host: endpoint.host,
      insecure: endpoint.insecure,
      ownAddressScope: place.addressScope,
      registryKind: dispatchers.kindOf(url.hostname),
    };
    const registry = redirectedBy?.host ?? endpoint.host;
    return auth.begin({ endpoint, method, realm, verify, mayHaveCredentials, registry }, signal);
  }

  /** The challenges of the registry's ping: some registries challenge nowhere else. */
  async function pingChallenges(place: Place, context: AttemptContext): Promise<readonly Challenge[]> {
    const route = { ...routeTo(place), url: new URL('/v2/', place.url) };
    const ping = await sender.send(route, { method: 'GET', headers: {} }, { signal: context.signal });
    if (!ping.ok) return [];
    dropBody(ping.response.body, clock);
    return parseChallenges(ping.response.headers['www-authenticate']);
  }

  /** What to send after a refusal. Reads the refusal's words meanwhile: its connection may be the only one the host allows us. */
  async function nextTry(
    negotiation: Negotiation,
    place: Place,
    { response, authorization, bearing }: Refused,
    context: AttemptContext,
  ): Promise<Outcome<Try>> {
    const { status, headers } = response;
    const { signal } = context;
    const words = serverWords(response, { clock, signal, secrets: secretsIn(authorization) });
    const told = parseChallenges(headers['www-authenticate']);
    const isSilent = told.length === 0 && !authorization;
    const mayBeAtPing = isSilent && (status === 401 || bearing === 'perhapsForAnonymous');
    const challenges = mayBeAtPing ? await pingChallenges(place, context) : told;
    const date = single(headers.date);
    return untilAborted(negotiation.next({ status, challenges, words, date }), signal);
  }

  return async function send(call, context): Promise<Outcome<Answered>> {
    const { place, request } = call;
    const { signal } = context;
    const negotiation = begin(place, request.method, signal);
    let refused: { response: HttpResponse; authorization: Authorization | undefined } | undefined;
    let step = await untilAborted(negotiation.start(), signal);
    for (;;) {
      if (step.kind !== 'ok') {
        if (refused && request.pass?.includes(refused.response.status)) {
          return { kind: 'ok', value: { ...refused, place, isAway: false, isRead: true } };
        }
        return failureElsewhere(step, place.redirectedBy ? `redirected to ${place.url.host}: ` : '');
      }
      const { authorization, lastResort } = step.value;
      const followed = await inner({ place, request, authorization }, context);
      if (followed.kind !== 'ok') return followed;
      if (authorization?.credentials) context.used(authorization.credentials.source);
      if ('place' in followed.value) return send({ place: followed.value.place, request }, context);
      const { response, isAway } = followed.value;
      const bearing = await bearingOf(followed.value, step.value, negotiation);
      if (bearing === 'content' && !(lastResort && response.status >= 400)) {
        negotiation.worked();
        return { kind: 'ok', value: { response, isAway, place, authorization, isRead: false } };
      }
      if (!lastResort) refused = { response, authorization };
      step = await nextTry(negotiation, place, { response, authorization, bearing }, context);
    }
  };
}

interface Refused {
  readonly response: HttpResponse;
  readonly authorization: Authorization | undefined;
  readonly bearing: Bearing;
}

async function bearingOf(
  { response: { status }, isAway }: Followed,
  { authorization, lastResort }: Try,
  negotiation: Negotiation,
): Promise<Bearing> {
  if (isAway) return 'content';
  if (authorization) return mayRefuseCredential(status) ? 'refused' : 'content';
  if (status === 401) return 'refused';
  const isDoubtful = !lastResort && answersAnonymousWith(status) && (await negotiation.mayBeForAnonymous());
  return isDoubtful ? 'perhapsForAnonymous' : 'content';
}

/** What a server's words may not repeat: what the request carried. */
export function secretsIn(authorization: Authorization | undefined): readonly string[] {
  if (!authorization) return [];
  return [authorization.header.replace(/^\w+ /, ''), ...secretsOf(authorization.credentials)];
}

/** Stops waiting when `signal` aborts; the shared work (scheme detection, token request) continues for other callers. */
export async function untilAborted<T>(work: Promise<Outcome<T>>, signal: AbortSignal): Promise<Outcome<T>> {
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
