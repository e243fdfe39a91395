/** Why something could not be had, in a line for people. */
import type { Trail } from '../upstream/outcome.ts';
import type { Verdict } from '../upstream/upstream.ts';

export function reasonOf(verdict: Verdict, trail: Trail): string {
  const said = trail.map(
    ({ endpoint, outcome, reason }) => `${endpoint} ${outcome}${reason ? ` (${reason})` : ''}`,
  );
  const what = {
    notFound: 'not found',
    unavailable: 'not every endpoint could be asked',
    offline: 'this server is offline',
    rateLimited: 'the registry limits requests',
  }[verdict.kind];
  return said.length === 0 ? what : `${what}: ${said.join('; ')}`;
}
