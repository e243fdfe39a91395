/**
 * Bearer tokens of this server and of trusted issuers, verified once and then remembered until they end. What is remembered is the
 * SHA-256 of a token, so a dump of the memory holds no usable token.
 */
import { createHash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { Clock } from '../lib/clock.ts';
import type { Identified } from './access.ts';
import type { CredentialPrints } from './accounts/credential-prints.ts';
import { isReservedName } from './accounts/htpasswd.ts';
import type { Principal } from './principal.ts';
import type { OwnTokens } from './tokens/own-tokens.ts';
import { claimedIssuer, type PrincipalOf, type TrustedIssuer } from './tokens/trusted-issuer.ts';

export interface BearerTokens {
  /** For a token that was verified before and has not ended; undefined for any other. `resolve`: as in `Credentials`. */
  remembered(token: string, resolve: Resolve): Identified | undefined;
  verify(token: string, resolve: Resolve): Promise<Identified>;
}

export interface BearerTokensDeps {
  readonly clock: Clock;
  readonly tokens: OwnTokens;
  readonly issuers: readonly TrustedIssuer[];
  readonly prints: CredentialPrints;
}

type Resolve = (name: string) => string | undefined;

interface Verified {
  readonly principalOf: PrincipalOf;
  /** Of the secret that the token was issued for; undefined for a principal whose secret is elsewhere. */
  readonly print: string | undefined;
  /** Epoch ms. */
  readonly expires: number;
}

/** Characters: the headers of a request end before that. */
const maxTokenLength = 32 * 1024;
const maxRemembered = 10_000;

/** Verifies tokens of this server and of `issuers`. Never rejects for what a client sends. */
export function createBearerTokens(deps: BearerTokensDeps): BearerTokens {
  const { clock, tokens, issuers, prints } = deps;
  const verified = new LRUCache<string, Verified>({ max: maxRemembered });

  function judge({ principalOf, print, expires }: Verified, resolve: Resolve): Identified {
    const principal = principalOf(resolve);
    const { kind, name } = principal;
    // Accounts and robots end at once, whatever tokens of them are still out.
    if ((kind === 'account' || kind === 'robot') && (print === undefined || prints.of(kind, name) !== print))
      return refused('the account of the bearer token does not exist any more, or has another password');
    if (isLocalName(principal))
      return refused('the bearer token bears the name of an account of this server');
    return { ok: true, principal, expires };
  }

  /** A rule that names a local account must not let in a stranger whose issuer gave the same name. */
  function isLocalName({ kind, name }: Principal): boolean {
    if (kind !== 'oidc') return false;
    return (
      isReservedName(name) ||
      prints.of('account', name) !== undefined ||
      prints.of('robot', name) !== undefined
    );
  }

  function accept(token: string, found: Verified, resolve: Resolve): Identified {
    const identified = judge(found, resolve);
    if (identified.ok) verified.set(digestOf(token), found);
    return identified;
  }

  return {
    remembered(token, resolve) {
      const found = verified.get(digestOf(token));
      if (!found || found.expires <= clock.now()) return undefined;
      const identified = judge(found, resolve);
      return identified.ok ? identified : undefined;
    },

    async verify(token, resolve) {
      if (token.length > maxTokenLength) return refused('the bearer token is too long');
      const own = await tokens.readAccess(token);
      if (own) {
        const { principal, print, expires } = own;
        return accept(token, { principalOf: () => principal, print, expires }, resolve);
      }
      const claimed = claimedIssuer(token);
      let problem = 'is of no issuer that this server trusts, or has expired';
      for (const issuer of issuers.filter((one) => one.issuer === claimed)) {
        const issued = await issuer.verify(token);
        if (issued.ok) return accept(token, { ...issued, print: undefined }, resolve);
        if (issued.reason === 'unavailable') {
          const message = `the issuer of the bearer token cannot be asked: ${issued.problem}`;
          return { ok: false, reason: 'unavailable', message };
        }
        problem = issued.problem;
      }
      return refused(`the bearer token ${problem}`);
    },
  };
}

function refused(message: string): Identified {
  return { ok: false, reason: 'credentials', message };
}

function digestOf(token: string): string {
  return createHash('sha256').update(token).digest('base64');
}
