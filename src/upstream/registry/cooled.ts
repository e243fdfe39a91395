/** Pauses that hosts ask for by 429: the account that they count for, and the layer that sends no request meanwhile. */
import type { Clock } from '../../lib/clock.ts';
import type { Auth } from '../auth/auth.ts';
import type { Credentials } from '../auth/credentials.ts';
import type { Endpoint } from '../endpoint.ts';
import { anonymous, coolingEnd, notAsked, type RateLimits, tooMany } from '../health/rate-limits.ts';
import type { HttpResponse } from '../http/exchange.ts';
import type { Outcome } from '../outcome.ts';
import { type Answered, type Hop, type Send, whereOf } from './call.ts';

export interface Cooling {
  /** The outcome for an endpoint that is cooling for our account there; undefined if it may be asked. */
  ofEndpoint(endpoint: Endpoint): Promise<Outcome<never> | undefined>;
  /** Keeps the allowance that an answer of the endpoint's own host announces. */
  observe(answered: Answered): void;
  /** Begins the pause that a 429 asks for. `words`: what the server said about it. */
  begin(answered: Answered, words: string): Promise<Outcome<never>>;
}

/** A place redirected to is judged by the layer `cooled`; the endpoint itself before anything is sent for it, tokens included. */
export function createCooling(deps: {
  rateLimits: RateLimits;
  auth: Auth;
  credentials: Credentials;
  clock: Clock;
}): Cooling {
  const { rateLimits, auth, credentials, clock } = deps;

  async function accountOf(endpoint: Endpoint, mayHaveCredentials: boolean): Promise<string> {
    const known = auth.account(endpoint, mayHaveCredentials);
    if (known !== undefined) return known;
    const found = mayHaveCredentials ? await credentials.find(endpoint).catch(() => undefined) : undefined;
    return found?.username ?? anonymous;
  }

  return {
    async ofEndpoint(endpoint) {
      if (rateLimits.hostCoolingUntil(endpoint.host) === undefined) return undefined;
      const until = rateLimits.coolingUntil(endpoint.host, await accountOf(endpoint, true));
      return until === undefined ? undefined : notAsked('', until);
    },

    observe({ place: { endpoint, redirectedBy }, isAway, response }) {
      if (isAway || redirectedBy) return;
      rateLimits.observe(endpoint.host, auth.account(endpoint, true) ?? anonymous, response.headers);
    },

    async begin({ place, isAway, response }, words) {
      const until = coolingEnd(response.headers, clock.now());
      if (isAway) rateLimits.cool(response.url.host, anonymous, until);
      else {
        const account = await accountOf(place.endpoint, place.mayHaveCredentials);
        rateLimits.cool(place.endpoint.host, account, until);
      }
      const where = whereOf(place, isAway, response.url);
      return { kind: 'rateLimited', reason: `${where}${tooMany(until, words)}`, until };
    },
  };
}

/** The layer: a host that redirects lead to is not asked while it cools. */
export function cooled(
  inner: Send<Hop, HttpResponse>,
  { rateLimits, auth }: { rateLimits: RateLimits; auth: Auth },
): Send<Hop, HttpResponse> {
  return async (hop, context) => {
    const { place, isAway, route } = hop;
    const where = whereOf(place, isAway, route.url);
    if (where !== '') {
      const account = isAway
        ? anonymous
        : (auth.account(place.endpoint, place.mayHaveCredentials) ?? anonymous);
      const until = rateLimits.coolingUntil(route.url.host, account);
      if (until !== undefined) return notAsked(where, until);
    }
    return inner(hop, context);
  };
}
