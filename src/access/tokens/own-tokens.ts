/**
 * The tokens that this server issues, as JWTs. An *access token* says which principal asked for it and what it may be used for;
 * it lives for minutes. A *refresh token* (Docker's `offline_token`) stands for the name and password that were given for it, until
 * one of them changes.
 *
 *   header   alg, kid, typ = entrepot-access+jwt | entrepot-refresh+jwt
 *   claims   iss = entrepot, aud = SERVICE, sub, iat, nbf, exp, jti; kind, names, grants, scope, print; or kind, print
 *
 * `typ` keeps the two apart (RFC 8725, 3.11). The algorithm is that of the key, whatever the header says (3.1).
 */
import { randomUUID } from 'node:crypto';
import { jwtVerify, SignJWT } from 'jose';
import type { Clock } from '../../lib/clock.ts';
import type { Grant, Principal, PrincipalKind } from '../principal.ts';
import { type Keyring, longestTokenLife } from './keyring.ts';

export interface OwnTokens {
  /** `lifetime`: seconds. */
  access(
    principal: Principal,
    scope: readonly Grant[],
    bounds: AccessBounds,
  ): Promise<{ token: string; lifetime: number; issuedAt: number }>;
  /** `print`: a fingerprint of the credentials that were given. */
  refresh(name: string, kind: PrincipalKind, print: string): Promise<string>;
  /** The principal of an access token, bounded by its scope, and when it ends (epoch ms); undefined for any other text. */
  readAccess(
    token: string,
  ): Promise<{ principal: Principal; print: string | undefined; expires: number } | undefined>;
  readRefresh(token: string): Promise<{ name: string; kind: PrincipalKind; print: string } | undefined>;
}

export interface AccessBounds {
  /** Fingerprint of the secret of an account or a robot: the token ends with that secret. */
  readonly print: string | undefined;
  /** Epoch ms: the token ends then at the latest. */
  readonly until: number | undefined;
}

const issuer = 'entrepot';
const accessType = 'entrepot-access+jwt';
const refreshType = 'entrepot-refresh+jwt';
/** Seconds. Docker's own default for a server that does not say is 60. */
const accessLife = 300;
/** Seconds. Replicas' clocks differ. */
const clockTolerance = 30;

/** `service` is the audience: what the challenge calls this server. */
export function createOwnTokens(
  { clock, keys }: { readonly clock: Clock; readonly keys: Keyring },
  { service }: { readonly service: string },
): OwnTokens {
  async function sign(type: string, subject: string, life: number, claims: Record<string, unknown>) {
    const { alg, kid, privateKey } = await keys.signing();
    const now = Math.floor(clock.now() / 1000);
    return new SignJWT(claims)
      .setProtectedHeader({ alg, kid, typ: type })
      .setIssuer(issuer)
      .setAudience(service)
      .setSubject(subject)
      .setIssuedAt(now)
      .setNotBefore(now)
      .setExpirationTime(now + life)
      .setJti(randomUUID())
      .sign(privateKey);
  }

  async function verify(token: string, type: string) {
    try {
      const { payload } = await jwtVerify(
        token,
        ({ kid, alg }) => {
          const key = kid === undefined ? undefined : keys.find(kid);
          if (!key || key.alg !== alg) throw new Error('not a key of this server');
          return key.publicKey;
        },
        {
          issuer,
          audience: service,
          typ: type,
          clockTolerance,
          currentDate: new Date(clock.now()),
          algorithms: ['ES256', 'ES384', 'EdDSA', 'RS256'],
          requiredClaims: ['sub', 'exp', 'iat'],
        },
      );
      return payload;
    } catch {
      // What is wrong with a token that this server did not make is of no use to its bearer.
      return undefined;
    }
  }

  return {
    async access({ kind, name, names, grants }, scope, { print, until = Number.POSITIVE_INFINITY }) {
      const issuedAt = clock.now();
      const lifetime = Math.max(0, Math.min(accessLife, Math.floor((until - issuedAt) / 1000)));
      const token = await sign(accessType, name, lifetime, { kind, names, grants, scope, print });
      return { token, lifetime, issuedAt };
    },
    refresh: (name, kind, print) => sign(refreshType, name, longestTokenLife / 1000, { kind, print }),
    async readAccess(token) {
      const payload = await verify(token, accessType);
      if (!payload) return undefined;
      const { kind, names, grants, scope } = payload as unknown as Principal;
      const principal = {
        kind,
        name: String(payload.sub),
        names,
        ...(grants && { grants }),
        scope: scope ?? [],
      };
      const print = typeof payload.print === 'string' ? payload.print : undefined;
      return { principal, print, expires: (payload.exp ?? 0) * 1000 };
    },
    async readRefresh(token) {
      const payload = await verify(token, refreshType);
      if (!payload) return undefined;
      return { name: String(payload.sub), kind: payload.kind as PrincipalKind, print: String(payload.print) };
    },
  };
}
