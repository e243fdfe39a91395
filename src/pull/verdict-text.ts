/** Why something could not be had, in a line for people. */
import type { Trail } from '../upstream/outcome.ts';
import type { Verdict } from '../upstream/upstream.ts';

/** One line: what the verdict means, then what each endpoint of the trail said. */
export function verdictText(verdict: Verdict, trail: Trail): string {
  const said = trail.map(
    ({ endpoint, outcome, reason }) => `${endpoint} ${outcome}${reason ? ` (${reason})` : ''}`,
  );
  const what = {
    notFound: 'not found',
    unavailable: whyUnavailable(trail),
    offline: 'this server is offline',
    rateLimited: 'the registry limits requests',
    refused: verdict.kind === 'refused' ? refusalText(verdict) : '',
  }[verdict.kind];
  return said.length === 0 ? what : `${what}: ${said.join('; ')}`;
}

/** `is refused by the gate "signed" (/etc/containers/policy.json: default[0]): it has no signature`. */
export function refusalText({ gate, rule, reason }: Verdict & { readonly kind: 'refused' }): string {
  return `is refused by the gate "${gate}" (${rule}): ${reason}`;
}

/** What the endpoints of a trail without an answer have in common, as a clause. */
export function whyUnavailable(trail: Trail): string {
  const outcomes = trail.map(({ outcome }) => outcome);
  if (outcomes.every((outcome) => outcome === 'blocked' || outcome === 'skipped')) {
    return 'no endpoint was asked';
  }
  return outcomes.every((outcome) => outcome === 'unauthorized' || outcome === 'denied')
    ? 'every endpoint refused it'
    : 'no endpoint could give it';
}
