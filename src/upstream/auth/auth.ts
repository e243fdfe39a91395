/**
 * How an endpoint is asked in a name. Nothing is sent before a registry has asked for it: its 401 carries the challenge,
 * the answer to it is kept for the endpoint (host, repository and so account), and a token is renewed before it ends.
 * What happens after a refusal is in `negotiation.ts`.
 */
import type { Clock } from '../../lib/clock.ts';
import { SingleFlight } from '../../lib/single-flight.ts';
import { type Endpoint, endpointKey } from '../endpoint.ts';
import { anonymous, type RateLimits } from '../health/rate-limits.ts';
import type { Sender } from '../http/sender.ts';
import type { Outcome } from '../outcome.ts';
import { createAuthMemory, type Kept } from './auth-memory.ts';
import type { Credentials } from './credentials.ts';
import { type AuthPlace, createNegotiation, type Negotiation } from './negotiation.ts';

export interface Auth {
  /**
   * For one request to the endpoint. The token server is asked once for all requests that wait for the same token; when
   * `leaves` is aborted, one of them does not any more.
   */
  begin(place: AuthPlace, leaves: AbortSignal): Negotiation;
  /** Whose name the endpoint is asked in, where that is known: empty for anonymous. */
  account(endpoint: Endpoint): string | undefined;
}

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
  const flights = new SingleFlight<Outcome<Kept>>();
  return {
    begin: (place, leaves) => createNegotiation(place, { ...deps, memory, flights }, leaves),
    account(endpoint) {
      const kept = memory.kept(endpointKey(endpoint));
      return kept && (kept.authorization.credentials?.username ?? anonymous);
    },
  };
}
