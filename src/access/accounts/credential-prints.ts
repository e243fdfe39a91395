/**
 * A fingerprint of the secret of an account or a robot. A token bears it, so a token ends with the password that it was issued
 * for, and with a robot that was revoked or made anew under the same name.
 */
import { createHash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { PrincipalKind } from '../principal.ts';
import type { Passwords } from './passwords.ts';
import type { Robots } from './robots.ts';

export interface CredentialPrints {
  /** Undefined where this server keeps no secret of such a principal now. */
  of(kind: PrincipalKind, name: string): string | undefined;
}

/** Prints of the secrets as the files have them at each call. */
export function createCredentialPrints({
  passwords,
  robots,
}: {
  readonly passwords: Passwords | undefined;
  readonly robots: Robots;
}): CredentialPrints {
  const known = new LRUCache<string, string>({ max: 1000 });

  function secretOf(kind: PrincipalKind, name: string): string | undefined {
    if (kind === 'account') return passwords?.account(name)?.hash;
    return kind === 'robot' ? robots.find(name)?.id : undefined;
  }

  return {
    of(kind, name) {
      const secret = secretOf(kind, name);
      if (secret === undefined) return undefined;
      const text = `${kind}\0${name}\0${secret}`;
      const found = known.get(text) ?? createHash('sha256').update(text).digest('base64url');
      known.set(text, found);
      return found;
    },
  };
}
