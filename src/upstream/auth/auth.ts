/**
 * Authentication at an endpoint. Nothing is sent before a registry has asked for it: its 401 carries the challenge, the answer to
 * it is kept for the endpoint (host, repository and so account), and a token is renewed before it ends. `negotiation.ts` decides
 * what happens after a refusal.
 */
import type { Clock } from '../../lib/clock.ts';
import { SingleFlight } from '../../lib/flow/single-flight.ts';
import type { Endpoint } from '../endpoint.ts';
import { anonymous, type RateLimits } from '../health/rate-limits.ts';
import type { Sender } from '../http/sender.ts';
import { createAuthMemory } from './auth-memory.ts';
import { type AuthPlace, authKey } from './auth-place.ts';
import type { Credentials } from './credentials.ts';
import { createNegotiation, type Negotiation } from './negotiation.ts';
import type { Purchased } from './purchase.ts';

export interface Auth {
  /**
   * For one request to the endpoint. The token server is asked once for all requests that wait for the same token. `leaves` is
   * aborted when this request is given up.
   */
  begin(place: AuthPlace, leaves: AbortSignal): Negotiation;
  /**
   * The account that requests to the endpoint use, if that is known: empty for anonymous. `mayHaveCredentials` is that of the
   * place: a redirect may lead to an endpoint that has credentials for others.
   */
  account(endpoint: Endpoint, mayHaveCredentials: boolean): string | undefined;
}

/** Its memory begins empty: a new configuration may have other credentials. */
export function createAuth(deps: {
  credentials: Credentials;
  sender: Sender;
  clock: Clock;
  rateLimits: RateLimits;
  tokenRealms: readonly string[];
  /** Files that credentials were looked for in, for the words of a refusal. */
  searched: readonly string[];
}): Auth {
  const memory = createAuthMemory(deps.clock);
  const flights = new SingleFlight<Purchased>();
  return {
    begin: (place, leaves) => createNegotiation(place, { ...deps, memory, flights }, leaves),
    account(endpoint, mayHaveCredentials) {
      const kept = memory.kept(authKey(endpoint, mayHaveCredentials));
      return kept && (kept.authorization.credentials?.username ?? anonymous);
    },
  };
}
