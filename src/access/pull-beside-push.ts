/**
 * Whether a client that may push may pull there, too. Without that its pull gets 404, and most clients ask what is there before they push.
 *
 * Two globs are compared by their beginnings without wildcards: those that differ there never match one name. A pair that differs only
 * later counts as one that can.
 */
import type { AccessConfig } from '../config/config.ts';
import { canMeet } from '../lib/name-patterns.ts';
import type { Robot } from './accounts/robots.ts';
import { matchesPrincipal } from './rights.ts';

type Rules = Pick<AccessConfig, 'anonymous' | 'rules'>;
type Grants = Pick<Robot, 'name' | 'match' | 'may'>;

/** A client of a certificate or of an issuer has several of these at once. */
const oneOfSeveral = /^(?:group:|cn=|dns=|uri=|email=|ip=)/;

/**
 * Whether a rule or token may let `who` (of a rule, or the name of a token) pull what `match` matches. In doubt the result is true.
 */
export function mayPullThere(
  who: string,
  match: string,
  { anonymous, rules }: Rules,
  robots: readonly Grants[],
): boolean {
  const isSame = (others: readonly string[]) =>
    matchesPrincipal({ who: others }, [who]) ||
    (who !== 'anonymous' &&
      (matchesPrincipal({ who: [who] }, others) || [who, ...others].some((one) => oneOfSeveral.test(one))));
  return (
    anonymous.includes('pull') ||
    rules.some((rule) => rule.may.includes('pull') && canMeet(rule.match, match) && isSame(rule.who)) ||
    robots.some(
      (robot) =>
        robot.may.includes('pull') &&
        robot.match.some((one) => canMeet(one, match)) &&
        matchesPrincipal({ who: [who] }, [robot.name]),
    )
  );
}

/** A warning for a token that may push to these images; undefined if it may pull them, too. */
export function pushOnly(
  name: string,
  match: readonly string[],
  rules: Rules,
  robots: readonly Grants[],
): string | undefined {
  const found = match.filter((one) => !mayPullThere(name, one, rules, robots));
  if (found.length === 0) return undefined;
  return `the token "${name}" may push to ${found.join(', ')}, but nothing lets it pull there: a pull gets 404, and most clients ask first what is there. Make it with --may pull,push`;
}
