/**
 * The fallback table: what an endpoint's outcome means for the next endpoint, for our memory of this one, and in the end for the client.
 * `ask-in-order.ts` acts on it.
 */
import type { OutcomeKind, Trail } from './outcome.ts';
import type { Verdict } from './upstream.ts';

export interface Consequence {
  /** Whether the next endpoint is asked. */
  readonly next: boolean;
  /**
   * What it says of the host: `failure` counts towards its breaker, `answer` closes it, `nothing` if it may not have been asked.
   * Wrong content is an answer: it says something of that content, not of its host.
   */
  readonly remembered: 'answer' | 'failure' | 'nothing';
}

export function consequence(outcome: OutcomeKind): Consequence {
  switch (outcome) {
    case 'ok':
      return { next: false, remembered: 'answer' };
    case 'notFound':
    case 'unauthorized':
    case 'denied':
    // Until when the host is not asked again is kept by rate-limits.ts.
    case 'rateLimited':
    case 'invalid':
      return { next: true, remembered: 'answer' };
    case 'unreachable':
      return { next: true, remembered: 'failure' };
    case 'blocked':
      return { next: true, remembered: 'nothing' };
  }
}

/** What a trail without an ok means. */
export function verdict(trail: Trail): Verdict {
  const asked = trail.filter(({ outcome }) => outcome !== 'blocked' && outcome !== 'skipped');
  if (asked.length > 0 && asked.every(({ outcome }) => outcome === 'notFound')) return { kind: 'notFound' };
  const until = asked.flatMap((attempt) =>
    attempt.outcome === 'rateLimited' && attempt.until !== undefined ? [attempt.until] : [],
  );
  return until.length > 0 ? { kind: 'rateLimited', until: Math.min(...until) } : { kind: 'unavailable' };
}
