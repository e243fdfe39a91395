/**
 * The fallback table. It decides two things:
 *
 *   consequence   after one outcome: whether the next endpoint is asked, and what is remembered of the host (`ask-in-order.ts` acts
 *                 on it)
 *   verdict       after the last endpoint: notFound, rateLimited or unavailable
 *
 * It decides no HTTP status: `http/answers/registry-error.ts` makes that of the verdict. docs/protocol.md has the table for people.
 */
import type { EndpointRole } from './endpoint.ts';
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

const final: Consequence = { next: false, remembered: 'answer' };
const answered: Consequence = { next: true, remembered: 'answer' };
const failed: Consequence = { next: true, remembered: 'failure' };
const unasked: Consequence = { next: true, remembered: 'nothing' };

/** The endpoints of registries.conf. `rate-limits.ts` keeps until when a host is not asked again. */
const ofRegistries: Readonly<Record<OutcomeKind, Consequence>> = {
  ok: final,
  notFound: answered,
  unauthorized: answered,
  denied: answered,
  rateLimited: answered,
  invalid: answered,
  unreachable: failed,
  unavailable: answered,
  blocked: unasked,
};

/**
 * A peer has asked every endpoint before it says 404, so that is final. What its endpoints do wrong (`unavailable`, `rateLimited`) is
 * no fault of the peer: the next endpoint is asked from here, and the breaker stays closed.
 */
const ofPeers: Readonly<Record<OutcomeKind, Consequence>> = { ...ofRegistries, notFound: final };

/** A bucket that refuses our credentials gives nothing at all: it is skipped like one that is down. */
const ofStores: Readonly<Record<OutcomeKind, Consequence>> = { ...ofRegistries, denied: failed };

/** One column for each role. */
const table: Readonly<Record<EndpointRole, Readonly<Record<OutcomeKind, Consequence>>>> = {
  mirror: ofRegistries,
  source: ofRegistries,
  peer: ofPeers,
  store: ofStores,
};

/** The row and column of the table. */
export function consequence(outcome: OutcomeKind, role: EndpointRole): Consequence {
  return table[role][outcome];
}

/**
 * What a trail without a good end means. What a peer has found is in its own outcome. What is in a bucket or not says nothing of what a
 * registry has, nor does a peer that fails: they count only where no registry was asked. A peer that began to give the content has shown
 * that it exists.
 */
export function verdict(trail: Trail): Verdict {
  const all = trail.filter(
    ({ outcome, by }) => outcome !== 'blocked' && outcome !== 'skipped' && by === undefined,
  );
  const registries = all.filter(({ role }) => role === 'mirror' || role === 'source');
  const begun = all.filter(({ role, outcome }) => role === 'peer' && outcome === 'ok');
  const asked = registries.length > 0 ? [...begun, ...registries] : all;
  if (asked.length > 0 && asked.every(({ outcome }) => outcome === 'notFound')) return { kind: 'notFound' };
  const until = asked.flatMap((attempt) =>
    attempt.outcome === 'rateLimited' && attempt.until !== undefined ? [attempt.until] : [],
  );
  if (until.length > 0) return { kind: 'rateLimited', until: Math.min(...until) };
  const isLocal = all.length > 0 && all.every(({ role }) => role === 'store');
  return { kind: 'unavailable', ...(isLocal && { isLocal }) };
}
