/**
 * Bearer tokens of this server and of trusted issuers, verified once and then remembered until they end. What is remembered is the
 * SHA-256 of a token, so a dump of the memory holds no usable token.
 */
import { createHash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { Clock } from '../lib/clock.ts';
import type { Identified } from './access.ts';
import type { Passwords } from './accounts/passwords.ts';
import type { Robots } from './accounts/robots.ts';
import { anonymous, type Principal } from './principal.ts';
import type { OwnTokens } from './tokens/own-tokens.ts';
import { claimedIssuer, type PrincipalOf, type TrustedIssuer } from './tokens/trusted-issuer.ts';

export interface BearerTokens {
  /** The principal of a token that was verified before and has not ended. `resolve`: as in `Credentials`. */
  remembered(token: string, resolve: Resolve): Principal | undefined;
  verify(token: string, resolve: Resolve): Promise<Identified>;
}

export interface BearerTokensDeps {
  readonly clock: Clock;
  readonly tokens: OwnTokens;
  readonly issuers: readonly TrustedIssuer[];
  readonly passwords: Passwords | undefined;
  readonly robots: Robots;
}

type Resolve = (name: string) => string | undefined;

interface Verified {
  readonly principalOf: PrincipalOf;
  /** Epoch ms. */
  readonly expires: number;
}

/** Characters: the headers of a request end before that. */
const maxTokenLength = 32 * 1024;
const maxRemembered = 10_000;

/** Verifies tokens of this server and of `issuers`. Never rejects for what a client sends. */
export function createBearerTokens(deps: BearerTokensDeps): BearerTokens {
  const { clock, tokens, issuers, passwords, robots } = deps;
  const verified = new LRUCache<string, Verified>({ max: maxRemembered });

  /** Accounts and robots end at once, whatever tokens of them are still out. */
  function isStillKnown({ kind, name }: Principal): boolean {
    if (kind === 'account') return passwords?.account(name) !== undefined;
    return kind === 'robot' ? robots.find(name) !== undefined : true;
  }

  /** A rule that names a local account must not let in a stranger whose issuer gave the same name. */
  function isLocalName({ kind, name }: Principal): boolean {
    if (kind !== 'oidc') return false;
    return (
      name === anonymous.name || passwords?.account(name) !== undefined || robots.find(name) !== undefined
    );
  }

  function accept(token: string, found: Verified, resolve: Resolve): Identified {
    const principal = found.principalOf(resolve);
    if (!isStillKnown(principal)) return refused('the account of the bearer token does not exist any more');
    if (isLocalName(principal))
      return refused('the bearer token bears the name of an account of this server');
    verified.set(digestOf(token), found);
    return { ok: true, principal };
  }

  return {
    remembered(token, resolve) {
      const found = verified.get(digestOf(token));
      if (!found || found.expires <= clock.now()) return undefined;
      const principal = found.principalOf(resolve);
      return isStillKnown(principal) && !isLocalName(principal) ? principal : undefined;
    },

    async verify(token, resolve) {
      if (token.length > maxTokenLength) return refused('the bearer token is too long');
      const own = await tokens.readAccess(token);
      if (own) return accept(token, { principalOf: () => own.principal, expires: own.expires }, resolve);
      const claimed = claimedIssuer(token);
      let problem = 'is of no issuer that this server trusts, or has expired';
      for (const issuer of issuers.filter((one) => one.issuer === claimed)) {
        const issued = await issuer.verify(token);
        if (issued.ok) return accept(token, issued, resolve);
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
