/**
 * Which principal may do what: `[access] anonymous`, `[[access.rule]]` and the grants of a principal, as one decision.
 *
 *   1. Rules only allow. Everything that matches counts; nothing takes a right away.
 *   2. What `anonymous` may do, every principal may do.
 *   3. Without any rule, every principal that is not anonymous may pull all images. No rule: no push.
 *   4. The scope of a bearer token is an upper bound of all that.
 *   5. `*` in `who` stands for accounts alone: a rule for every client must spell `anonymous`.
 */

import type { AccessRule, Right } from '../config/config.ts';
import { type NamePattern, namePattern } from '../lib/name-patterns.ts';
import type { Grant, Principal } from './principal.ts';

/** The first thing that allows a request. */
export type Allowance =
  | { readonly by: 'rule'; readonly rule: AccessRule; readonly index: number }
  | { readonly by: 'anonymous' | 'grant' | 'default' };

export interface Rights {
  /** What allows it; undefined where nothing does. `image` is `registry/repository`; undefined for `administer`. */
  allowance(principal: Principal, right: Right, image: string | undefined): Allowance | undefined;
  /** Whether more than what `anonymous` may do allows it. */
  isOwn(principal: Principal, right: Right, image: string): boolean;
  /** Whether the rules allow it but the scope of the principal's token does not: a wider token would help. */
  isOutOfScope(principal: Principal, right: Right, image: string | undefined): boolean;
}

/** The decision for these rules. Globs are compiled once. */
export function createRights(options: {
  readonly anonymous: readonly Right[];
  readonly rules: readonly AccessRule[];
}): Rights {
  const { anonymous, rules } = options;
  const compiled = rules.map((rule) => ({
    rule,
    isOf: principalMatcher(rule),
    image: namePattern([rule.match]),
    may: new Set(rule.may),
  }));
  const named = compiled.filter(({ rule }) => !rule.who.includes('anonymous'));
  const patterns = new Map<string, NamePattern | undefined>();

  function byRules(principal: Principal, right: Right, image: string | undefined): Allowance | undefined {
    return anonymous.includes(right) ? { by: 'anonymous' } : byOwnRules(principal, right, image);
  }

  /** `all`: the rules that are looked through. */
  function byOwnRules(
    principal: Principal,
    right: Right,
    image: string | undefined,
    all = compiled,
  ): Allowance | undefined {
    if (principal.grants?.some((grant) => covers(grant, right, image))) return { by: 'grant' };
    const index = all.findIndex(
      (one) =>
        one.may.has(right) &&
        one.isOf(principal.names) &&
        (image === undefined || one.image?.(image) === true),
    );
    const found = all[index];
    if (found) return { by: 'rule', rule: found.rule, index };
    const isKnown = principal.kind !== 'anonymous' && principal.grants === undefined;
    return rules.length === 0 && isKnown && right === 'pull' ? { by: 'default' } : undefined;
  }

  function covers({ match, form, may }: Grant, right: Right, image: string | undefined): boolean {
    if (!may.includes(right)) return false;
    if (image === undefined) return true;
    if (form === 'name') return match === image;
    if (!patterns.has(match)) {
      // Globs of robots are few and of configured length; the bound is for a store that was filled by hand.
      if (patterns.size > 1000) patterns.clear();
      patterns.set(match, namePattern([match]));
    }
    return patterns.get(match)?.(image) === true;
  }

  function isInScope({ scope }: Principal, right: Right, image: string | undefined): boolean {
    return scope === undefined || scope.some((grant) => covers(grant, right, image));
  }

  return {
    allowance(principal, right, image) {
      const allowance = byRules(principal, right, image);
      return allowance && isInScope(principal, right, image) ? allowance : undefined;
    },
    isOwn: (principal, right, image) =>
      byOwnRules(principal, right, image, named) !== undefined && isInScope(principal, right, image),
    isOutOfScope(principal, right, image) {
      if (isInScope(principal, right, image)) return false;
      // What such a principal may do, its own token server alone knows.
      return principal.kind === 'issuer' || byRules(principal, right, image) !== undefined;
    },
  };
}

/** Whether a rule is for a principal of these names. */
export function matchesPrincipal(rule: Pick<AccessRule, 'who'>, names: readonly string[]): boolean {
  return principalMatcher(rule)(names);
}

function principalMatcher({ who }: Pick<AccessRule, 'who'>): (names: readonly string[]) => boolean {
  const form = new RegExp(`^(?:${who.map(wildcardForm).join('|')})$`, 's');
  const isForAll = who.includes('anonymous');
  return (names) => isForAll || names.some((name) => name !== 'anonymous' && form.test(name));
}

/** `*` in a name of a principal crosses everything: names of OpenID subjects hold `/` and `:`. */
function wildcardForm(who: string): string {
  return who.replace(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.*');
}
