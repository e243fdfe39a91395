/**
 * Tokens that are signed here with a key that the registry trusts (`token` of `[[upstream.host]]`), as its token server would sign
 * them (distribution docs, "Token Authentication Implementation"):
 *
 *   header   typ = JWT, alg, kid
 *   claims   jti, iss, aud, iat, nbf = iat - 5 s, exp = iat + `token.expiry`, access = [{ type, name, actions }]
 *
 * A token allows one scope and goes to that registry alone. The key goes nowhere.
 */
import { createPublicKey, randomUUID } from 'node:crypto';
import { calculateJwkThumbprint, exportJWK, SignJWT } from 'jose';
import type { FoundCredentials } from '../../config/credentials/auth-lookup.ts';
import type { Clock } from '../../lib/clock.ts';
import { libtrustId } from '../../lib/libtrust-id.ts';

export type SigningCredentials = Extract<FoundCredentials, { kind: 'signingKey' }>;

/** Seconds that a token is valid before it is made: clocks differ. */
export const backdated = 5;

/** `scope`: `TYPE:NAME:ACTION,ACTION`. */
export async function signToken(
  credentials: SigningCredentials,
  scope: string,
  clock: Clock,
): Promise<string> {
  const { key, token } = credentials;
  const now = Math.floor(clock.now() / 1000);
  return new SignJWT({ access: [accessOf(scope)] })
    .setProtectedHeader({ typ: 'JWT', alg: key.alg, kid: await keyId(credentials) })
    .setJti(randomUUID())
    .setIssuer(token.issuer)
    .setAudience(token.audience)
    .setIssuedAt(now)
    .setNotBefore(now - backdated)
    .setExpirationTime(now + Math.floor(token.expiry / 1000))
    .sign(key.privateKey);
}

/** The `kid` of a token. */
export async function keyId({ key, token: { kid } }: SigningCredentials): Promise<string> {
  if (kid === 'libtrust') return libtrustId(createPublicKey(key.privateKey));
  if (kid === 'thumbprint') return calculateJwkThumbprint(await exportJWK(createPublicKey(key.privateKey)));
  return kid;
}

/** A name may hold colons, as in `HOST:PORT/PATH`. */
function accessOf(scope: string) {
  const [type = '', ...rest] = scope.split(':');
  const actions = rest.pop() ?? '';
  return { type, name: rest.join(':'), actions: actions.split(',') };
}
