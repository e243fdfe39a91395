/**
 * The endpoints of one question: the order in which they are asked, what happens to each, and what the trail says of it.
 *
 *   first        closed or half-open breaker: peers, the preferred endpoint, then the order of registries.conf
 *   open         open breaker: after all of those
 *   distrusted   gave wrong bytes: last, and never beside another
 *   excluded     gave wrong bytes: not asked
 *   blocked      registries.conf forbids it: not asked
 */
import type { CredentialSource } from '../config/credentials/auth-lookup.ts';
import type { Clock, Timer } from '../lib/clock.ts';
import { type Endpoint, endpointKey } from './endpoint.ts';
import type { Health } from './health/health.ts';
import type { Attempt, Outcome, Trail } from './outcome.ts';
import type { AskOptions } from './upstream.ts';

export type Group = 'blocked' | 'excluded' | 'first' | 'open' | 'distrusted';

export interface Candidate {
  readonly endpoint: Endpoint;
  readonly group: Group;
  readonly abort: AbortController;
  /** Monotonic ms; 0 before it is asked. */
  startedAt: number;
  /** Monotonic ms of the start, or of the last part of its answer. */
  expectedSince: number;
  /** Runs until its usual time is over. */
  timer: Timer | undefined;
  /** Its usual time is over: the next endpoint may be asked beside it. */
  isHedged: boolean;
  /** A request is on its way, and does not wait for one of our own connections. */
  isSent: boolean;
  /** It gave a sign of life. */
  isHeard: boolean;
  /** A peer that has said that it is at work. */
  isAlive: boolean;
  /** ms between two signs of life of a peer, at most. */
  longestSilence: number;
  /** Milliseconds since a peer's own check of what it gives. */
  age: number;
  /** It is the one request that a half-open breaker lets through. */
  isProbe: boolean;
  credentials: CredentialSource | undefined;
  redirectedTo: string | undefined;
  /** What the trail says, once its attempt is over. */
  record: Attempt | undefined;
  /** The trail of a peer. */
  told: Trail | undefined;
}

const askedGroups: readonly Group[] = ['first', 'open', 'distrusted'];

/** Peers and buckets, then the order of registries.conf with the preferred one first: the order of the trail. */
export function candidatesOf(
  endpoints: readonly Endpoint[],
  options: AskOptions,
  health: Health,
): readonly Candidate[] {
  const keyed = endpoints.map((endpoint) => ({ endpoint, key: endpointKey(endpoint) }));
  const rank = ({ endpoint: { role }, key }: (typeof keyed)[number]) =>
    role === 'peer' || role === 'store' ? 0 : key === options.prefer ? 1 : 2;
  const inOrder = keyed.toSorted((a, b) => rank(a) - rank(b));
  return inOrder.map(({ endpoint, key }) => ({
    endpoint,
    group: groupOf(endpoint, key, options, health),
    abort: new AbortController(),
    startedAt: 0,
    expectedSince: 0,
    timer: undefined,
    isHedged: false,
    isSent: false,
    isHeard: false,
    isAlive: false,
    longestSilence: 0,
    age: 0,
    isProbe: false,
    credentials: undefined,
    redirectedTo: undefined,
    record: undefined,
    told: undefined,
  }));
}

/** What an answer says of the endpoint that won. */
export function givenBy({ endpoint, age }: Candidate): {
  readonly endpoint: Endpoint;
  readonly age?: number;
} {
  return age === 0 ? { endpoint } : { endpoint, age };
}

/** Those that may be asked, in the order of asking. */
export function inAskingOrder(candidates: readonly Candidate[], options: AskOptions): Candidate[] {
  const distrusted = [...(options.distrust ?? [])];
  const rank = ({ endpoint }: Candidate) => distrusted.indexOf(endpointKey(endpoint));
  return askedGroups
    .flatMap((group) => candidates.filter((candidate) => candidate.group === group))
    .sort((a, b) => rank(a) - rank(b));
}

function groupOf(endpoint: Endpoint, key: string, options: AskOptions, health: Health): Group {
  if (endpoint.blockedBy !== undefined) return 'blocked';
  if (options.exclude?.has(key)) return 'excluded';
  if (options.distrust?.has(key)) return 'distrusted';
  return health.state(endpoint) === 'open' ? 'open' : 'first';
}

/** The record of an attempt that is over. `told`: what the endpoint's answer came to, if it was waited for. */
export function recordOf(
  candidate: Candidate,
  outcome: Attempt['outcome'],
  clock: Clock,
  told?: Outcome<unknown>,
): Attempt {
  const refused = told && 'credentials' in told ? told.credentials : undefined;
  const credentials = candidate.credentials ?? refused;
  return {
    ...notAsked(candidate),
    outcome,
    ...(told && told.kind !== 'ok' && { reason: told.reason }),
    ms: Math.round(clock.monotonic() - candidate.startedAt),
    ...(told?.kind === 'rateLimited' && { until: told.until }),
    ...(credentials && { credentials }),
    ...(candidate.redirectedTo !== undefined && { redirectedTo: candidate.redirectedTo }),
  };
}

/** `unasked`: candidates that the budget left no time for. */
export function trailOf(
  candidates: readonly Candidate[],
  winner: Candidate | undefined,
  unasked: readonly Candidate[],
  clock: Clock,
): Trail {
  const winnerAt = winner === undefined ? -1 : candidates.indexOf(winner);
  return candidates.flatMap((candidate, at): Trail => {
    const { record, told = [], group, endpoint } = candidate;
    const skipped = (reason: string) => ({ ...notAsked(candidate), outcome: 'skipped' as const, reason });
    if (unasked.includes(candidate)) return [skipped('no time was left to ask it')];
    if (record) return [record, ...told];
    if (group === 'blocked') {
      const reason = `blocked by the entry for ${endpoint.blockedBy}`;
      return [{ ...notAsked(candidate), outcome: 'blocked', reason }];
    }
    if (candidate.isProbe) {
      return [{ ...recordOf(candidate, 'skipped', clock), reason: 'being probed beside the others' }];
    }
    // It did not say that the content is absent, so the trail must not come to "not found".
    if (group === 'excluded' && !winner) {
      return [{ ...notAsked(candidate), outcome: 'invalid', reason: 'gave wrong bytes' }];
    }
    if (at >= winnerAt) return [];
    return [skipped(group === 'open' ? 'has failed lately' : 'gave wrong bytes')];
  });
}

function notAsked({ endpoint }: Candidate): Pick<Attempt, 'endpoint' | 'role' | 'ms'> {
  return { endpoint: endpointKey(endpoint), role: endpoint.role, ms: 0 };
}
