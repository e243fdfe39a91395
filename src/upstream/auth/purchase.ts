/** Gets what goes into `Authorization` for one way of answering a challenge, and keeps it for the next requests. */
import type { FoundCredentials } from '../../config/credentials/auth-lookup.ts';
import type { Outcome } from '../outcome.ts';
import type { AuthMemory, Kept } from './auth-memory.ts';
import type { AuthSubject } from './auth-place.ts';
import type { Way } from './auth-ways.ts';
import type { Challenge } from './challenge.ts';
import { basicHeader, fetchToken, type TokenDeps, type TokenOutcome } from './tokens.ts';

/** ms before the end of a token: it is renewed from then on. */
const renewBefore = 10_000;

export type Purchased = Outcome<Kept> & Pick<TokenOutcome, 'status'>;

export interface PurchaseDeps extends TokenDeps {
  readonly memory: AuthMemory;
}

/** A way that leads to a token server. */
export type TokenWay = Way & { readonly realm: NonNullable<Way['realm']> };

/**
 * Asks the token server of `way`. `all`: the credentials that there are, used or not. A refusal is remembered, except that of an
 * anonymous token where anonymous is all there is: it is cheap, and a repository may become public at any time.
 */
export async function buyToken(
  way: TokenWay,
  all: FoundCredentials | undefined,
  { place, key, ownScope, noneFound, judge }: AuthSubject,
  deps: PurchaseDeps,
): Promise<Purchased> {
  const { what, realm, challenge, scope = ownScope, credentials, lastResort } = way;
  const { verify, registry, mayHaveCredentials } = place;
  const { clock, memory } = deps;
  const askedAt = clock.monotonic();
  const service = challenge.parameters.get('service');
  const got = await fetchToken({ realm, service, scope, credentials, verify, registry, judge }, deps);
  if (got.kind === 'ok') {
    const withheld = realm.kind === 'anonymous' && all ? realm.reason : undefined;
    const authorization = { header: `Bearer ${got.value.text}`, credentials, challenge, scope, withheld };
    const kept = { authorization, renewAt: askedAt + got.value.lifetime - renewBefore };
    if (!lastResort) memory.keep(key, kept);
    return { kind: 'ok', value: kept };
  }
  if (got.kind !== 'unauthorized') return got;
  const lacksCredentials = got.status === 401 && !all && mayHaveCredentials;
  const refused = {
    ...got,
    reason: lacksCredentials ? `${got.reason}; ${noneFound}` : got.reason,
    ...(credentials && { credentials: credentials.source }),
  };
  if (credentials || lastResort) memory.refuse(key, what, all, refused);
  return refused;
}

/** A token that is signed here, for the scope of `way`. */
export async function keptSigned(
  { challenge, scope: wanted }: Way,
  credentials: FoundCredentials & { kind: 'signingKey' },
  { key, ownScope }: AuthSubject,
  { clock, memory }: PurchaseDeps,
): Promise<Kept> {
  // Loaded where it is needed: most configurations sign nothing.
  const { signToken } = await import('./signed-token.ts');
  const scope = wanted ?? ownScope;
  const signedAt = clock.monotonic();
  const header = `Bearer ${await signToken(credentials, scope, clock)}`;
  const authorization = { header, credentials, challenge, scope, withheld: undefined };
  const kept = { authorization, renewAt: signedAt + credentials.token.expiry - renewBefore };
  memory.keep(key, kept);
  return kept;
}

/** Basic credentials, which do not end. */
export function keptBasic(challenge: Challenge, credentials: FoundCredentials & { kind: 'basic' }): Kept {
  const header = basicHeader(credentials);
  const authorization = { header, credentials, challenge, scope: undefined, withheld: undefined };
  return { authorization, renewAt: Number.POSITIVE_INFINITY };
}
