/**
 * Tokens of other servers: of an OpenID Connect issuer (`[[access.oidc]]`), and of another token server for registries
 * (`[[access.issuer]]`: GitLab, Harbor, docker_auth), whose claim `access` says what the bearer may do:
 *
 *   "access": [{ "type": "repository", "name": "team/app", "actions": ["pull"] }]
 *   (distribution docs, "Token Authentication Implementation")
 *
 * Both are verified by signature, issuer, audience, type and time (RFC 8725). `none` and HMAC are never accepted: the algorithm must
 * be one of public keys. A name that an issuer gives is bounded, since it goes into rules, log lines and tokens.
 */
import { decodeJwt, errors, type JWTPayload, jwtVerify } from 'jose';
import type { IssuerConfig, OidcConfig } from '../../config/config.ts';
import type { Clock } from '../../lib/clock.ts';
import { namePattern } from '../../lib/name-patterns.ts';
import type { Grant, Principal } from '../principal.ts';
import type { IssuerKeys } from './issuer-keys.ts';
import { rightsOf } from './scopes.ts';

export interface TrustedIssuer {
  readonly issuer: string;
  verify(token: string): Promise<IssuedToken>;
  /** As in `IssuerKeys`. */
  prepare(): Promise<string | undefined>;
}

/** The principal of a verified token. `resolve` gives the image that a repository name of the token means in this request. */
export type PrincipalOf = (resolve: (name: string) => string | undefined) => Principal;

export type IssuedToken =
  | { readonly ok: true; readonly principalOf: PrincipalOf /** Epoch ms. */; readonly expires: number }
  /** `unavailable`: the issuer's keys cannot be had now, so the token cannot be judged. `problem` names no part of the token. */
  | { readonly ok: false; readonly reason: 'invalid' | 'unavailable'; readonly problem: string };

export interface IssuerDeps {
  readonly clock: Clock;
  readonly keys: IssuerKeys;
}

const algorithms = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA'];
/** Seconds, as distribution allows (registry/auth/token, "Leeway"). */
const clockTolerance = 60;
/** An ID token bears no type or JWT, an access token JWT or at+jwt (RFC 9068); a logout token or a refresh token has another. */
const types = new Set([undefined, 'jwt', 'at+jwt']);
/** Further groups are left out, which only takes rights away: a token of ours names them all, and must fit into a header. */
const maxGroups = 200;
const maxGroupText = 8 * 1024;
const nameForm = /^[^\x00-\x1f\x7f]{1,255}$/;

/** Tokens of an OpenID Connect issuer: the rules say what its principals may do. */
export function createOidcIssuer(deps: IssuerDeps, options: OidcConfig): TrustedIssuer {
  return createIssuer(deps, options, (payload) => {
    const name = payload[options.name];
    if (!isName(name)) return `has no name of at most 255 characters in the claim "${options.name}"`;
    if (options.name === 'email' && payload.email_verified === false)
      return 'has an email that is not verified';
    const principal = { kind: 'oidc', name, names: [name, ...groupsOf(payload[options.groups])] } as const;
    return () => principal;
  });
}

function isName(value: unknown): value is string {
  return typeof value === 'string' && nameForm.test(value);
}

function groupsOf(claimed: unknown): readonly string[] {
  const groups = (Array.isArray(claimed) ? claimed : [claimed]).filter(isName).slice(0, maxGroups);
  let left = maxGroupText;
  return groups.flatMap((group) => {
    left -= group.length;
    return left < 0 ? [] : [`group:${group}`];
  });
}

/**
 * Tokens of another token server: what they allow is in the claim `access`. `match` bounds it, since a client chooses by the Host header
 * and by the path which registry a name of the token means.
 */
export function createTokenIssuer(deps: IssuerDeps, options: Omit<IssuerConfig, 'keys'>): TrustedIssuer {
  const isBounded = namePattern([options.match]);
  return createIssuer(deps, options, (payload) => {
    const name = isName(payload.sub) ? payload.sub : options.issuer;
    return (resolve) => {
      const grants = grantsOf(payload.access, (named) => {
        const image = resolve(named);
        return image !== undefined && isBounded?.(image) ? image : undefined;
      });
      return { kind: 'issuer', name, names: [], grants, scope: grants };
    };
  });
}

/** The issuer that a token says it is of, unverified: it only chooses the verifier. */
export function claimedIssuer(token: string): string | undefined {
  try {
    const { iss } = decodeJwt(token);
    return iss;
  } catch {
    return undefined;
  }
}

function createIssuer(
  { clock, keys }: IssuerDeps,
  { issuer, audience }: { readonly issuer: string; readonly audience: string },
  read: (payload: JWTPayload) => PrincipalOf | string,
): TrustedIssuer {
  return {
    issuer,
    prepare: keys.prepare,
    async verify(token) {
      let lastProblem = 'no key of the issuer fits';
      const candidates = await keys.candidates(token);
      if (!candidates.ok) return { ok: false, reason: 'unavailable', problem: candidates.problem };
      for (const key of candidates.keys) {
        try {
          const { payload, protectedHeader } = await jwtVerify(token, key, {
            issuer,
            audience,
            algorithms,
            clockTolerance,
            currentDate: new Date(clock.now()),
            requiredClaims: ['exp'],
          });
          if (!types.has(protectedHeader.typ?.toLowerCase().replace(/^application\//, '')))
            return {
              ok: false,
              reason: 'invalid',
              problem: 'is of another type than a token for this server',
            };
          const principalOf = read(payload);
          if (typeof principalOf === 'string') return { ok: false, reason: 'invalid', problem: principalOf };
          return { ok: true, principalOf, expires: (payload.exp ?? 0) * 1000 };
        } catch (error) {
          lastProblem = problemOf(error);
          // Another key cannot mend what the claims say.
          if (error instanceof errors.JWTExpired || error instanceof errors.JWTClaimValidationFailed) break;
        }
      }
      return { ok: false, reason: 'invalid', problem: lastProblem };
    },
  };
}

function grantsOf(access: unknown, resolve: (name: string) => string | undefined): readonly Grant[] {
  if (!Array.isArray(access)) return [];
  return access.flatMap((entry: unknown): Grant[] => {
    const { type, name, actions } = (entry ?? {}) as { type?: unknown; name?: unknown; actions?: unknown };
    if (type !== 'repository' || typeof name !== 'string' || !Array.isArray(actions)) return [];
    const image = resolve(name);
    const may = actions.flatMap((action) => (typeof action === 'string' ? rightsOf(action) : []));
    return image === undefined || may.length === 0 ? [] : [{ match: image, form: 'name', may }];
  });
}

function problemOf(error: unknown): string {
  if (error instanceof errors.JWTExpired) return 'has expired';
  if (error instanceof errors.JWTClaimValidationFailed)
    return `has another "${error.claim}" than this server expects`;
  if (error instanceof errors.JWSSignatureVerificationFailed) return 'was signed by another key';
  if (error instanceof errors.JOSEAlgNotAllowed) return 'uses an algorithm that is not accepted';
  return 'is no token that can be read';
}
