/**
 * Asks endpoints in the order of registries.conf until one has a good answer, and acts on the fallback table.
 *
 *   - A failure starts the next endpoint at once. An endpoint that is overdue (no answer within its usual time) keeps running,
 *     and the next is asked beside it: the first good answer wins, the others are cancelled.
 *   - One that was overdue and lost without a word, to another or to the caller's patience, has its breaker opened, unless its
 *     host answers for itself (`health.ts`). One that had begun to answer (a challenge, the first bytes) and lost to another has failed: it would never do so by itself.
 *   - An endpoint whose breaker is half-open is probed beside the next one, and may finish even if it loses: a dead
 *     mirror costs nothing, a healed one is noticed.
 *   - Endpoints with an open breaker come after all others, distrusted ones last and alone.
 *   - All of it together has a budget: when that is spent, whoever is still silent is given up, and the rest is not asked.
 */
import type { CredentialSource } from '../config/credentials/auth-lookup.ts';
import type { Clock, Timer } from '../lib/clock.ts';
import { type Endpoint, endpointKey } from './endpoint.ts';
import { consequence, verdict } from './fallback.ts';
import type { Health } from './health/health.ts';
import type { Attempt, Outcome } from './outcome.ts';
import type { Answer, AskOptions } from './upstream.ts';

/** How an attempt tells what happens to it, and hears that it is no longer wanted. */
export interface AttemptContext {
  readonly signal: AbortSignal;
  /** A request waits its turn here: that takes long through no fault of the endpoint. */
  waits(): void;
  /** A request is on its way. */
  sent(): void;
  /** The endpoint gave a sign of life. */
  heard(): void;
  /** A part of a long answer is here, such as a page of a list: its usual time begins anew. */
  progressed(): void;
  used(source: CredentialSource): void;
  /** Whether nothing but this endpoint can answer any more: then only the budget and the client end the wait. */
  isLast?(): boolean;
  /** The endpoint sent the request to another host. */
  redirected?(host: string): void;
}

export type Ask<T> = (endpoint: Endpoint, context: AttemptContext) => Promise<Outcome<T>>;

export interface AskDeps {
  readonly health: Health;
  readonly clock: Clock;
  /** ms for all endpoints together (`upstream.total_timeout`). */
  readonly budget?: number;
  /** Told of every attempt when it is over, also of one whose answer is no longer wanted. */
  onAttempt?(endpoint: Endpoint, attempt: Attempt): void;
  /** Told of every exception that judging an endpoint's answer ended in. */
  onFault?(endpoint: Endpoint, error: unknown): void;
}

export interface QuestionOptions extends AskOptions {
  /** Content that an endpoint may fetch whole before it answers. What only confirms a copy is asked again instead. */
  readonly maySpool?: boolean;
}

type Group = 'blocked' | 'excluded' | 'first' | 'open' | 'distrusted';

interface Candidate {
  readonly endpoint: Endpoint;
  readonly group: Group;
  readonly abort: AbortController;
  startedAt: number;
  /** Since the start, or since the last part of its answer came. Monotonic ms. */
  expectedSince: number;
  timer: Timer | undefined;
  overdue: boolean;
  sent: boolean;
  heard: boolean;
  probe: boolean;
  credentials: CredentialSource | undefined;
  redirectedTo: string | undefined;
  record: Attempt | undefined;
}

/** Rejects only with the reason of `options.signal`. `discard` gets a good answer that came too late. */
export function askInOrder<T>(
  endpoints: readonly Endpoint[],
  ask: Ask<T>,
  deps: AskDeps,
  options: QuestionOptions & { discard?: (value: T) => void } = {},
): Promise<Answer<T>> {
  const { health, clock } = deps;
  const { promise, resolve, reject } = Promise.withResolvers<Answer<T>>();
  const inOrder = plan(endpoints, options, health);
  const waiting = groups
    .flatMap((group) => inOrder.filter((candidate) => candidate.group === group))
    .sort((a, b) => turnOf(a.endpoint, options) - turnOf(b.endpoint, options));
  const running = new Set<Candidate>();
  let over = false;
  let isSpent = false;
  const budget = deps.budget === undefined ? undefined : clock.after(deps.budget, giveUp);

  function advance(): void {
    for (let next = waiting[0]; next && !over && mayStart(next); next = waiting[0]) {
      waiting.shift();
      start(next);
    }
    if (!over && running.size === 0 && waiting.length === 0) finish(undefined);
  }

  function mayStart(next: Candidate): boolean {
    if (next.group === 'distrusted') return running.size === 0;
    return [...running].every((other) => other.overdue || (other.probe && next.group === 'first'));
  }

  function start(candidate: Candidate): void {
    const { endpoint } = candidate;
    candidate.startedAt = clock.monotonic();
    candidate.probe = candidate.group === 'first' && health.claimProbe(endpoint);
    expect(candidate);
    running.add(candidate);
    const context: AttemptContext = {
      signal: candidate.abort.signal,
      waits: () => {
        candidate.sent = false;
      },
      sent: () => {
        candidate.sent = true;
      },
      heard: () => {
        candidate.heard = true;
      },
      progressed: () => {
        options.onProgress?.();
        if (!candidate.overdue) expect(candidate);
      },
      used: (source) => {
        candidate.credentials = source;
      },
      isLast: () => options.maySpool === true && !over && waiting.length === 0 && running.size === 1,
      redirected: (host) => {
        candidate.redirectedTo = host;
      },
    };
    attempt(endpoint, context).then((outcome) => settle(candidate, outcome));
  }

  /** From now on it has its usual time. */
  function expect(candidate: Candidate): void {
    const { endpoint } = candidate;
    candidate.timer?.cancel();
    candidate.expectedSince = clock.monotonic();
    candidate.timer = clock.after(health.hedgeDelay(endpoint.host), () => {
      candidate.overdue = true;
      if (candidate.sent && !candidate.heard) health.hedged(endpoint);
      if (over) lose(candidate);
      else advance();
    });
  }

  /** An exception here is a bug that one endpoint's answer has found. It costs that endpoint its turn, not the client its pull. */
  async function attempt(endpoint: Endpoint, context: AttemptContext): Promise<Outcome<T>> {
    try {
      return await ask(endpoint, context);
    } catch (error) {
      deps.onFault?.(endpoint, error);
      const kind = error instanceof Error ? error.name : 'exception';
      return { kind: 'invalid', reason: `its answer could not be judged (${kind})` };
    }
  }

  function settle(candidate: Candidate, outcome: Outcome<T>): void {
    const { endpoint } = candidate;
    candidate.timer?.cancel();
    const isWanted = running.delete(candidate);
    if (isWanted) {
      learn(candidate, outcome);
      candidate.record = recordOf(candidate, outcome.kind, clock, outcome);
      deps.onAttempt?.(endpoint, candidate.record);
    }
    if (over || !isWanted) {
      if (outcome.kind === 'ok') options.discard?.(outcome.value);
    } else if (outcome.kind !== 'ok' || consequence(outcome.kind).next) advance();
    else finish({ candidate, value: outcome.value });
  }

  function learn(candidate: Candidate, outcome: Outcome<T>): void {
    const { endpoint } = candidate;
    const { remembered } = consequence(outcome.kind);
    if (remembered === 'failure' && outcome.kind !== 'ok') health.failed(endpoint, outcome.reason);
    else if (remembered === 'answer' && candidate.heard) {
      const isUsual = outcome.kind === 'ok' || outcome.kind === 'notFound';
      health.answered(endpoint, isUsual ? clock.monotonic() - candidate.expectedSince : undefined);
    } else if (candidate.probe) health.releaseProbe(endpoint);
  }

  /** Cancels one that is no longer wanted: an answer is here, from an endpoint or from the caller's own cache. */
  function drop(candidate: Candidate): void {
    const { endpoint, startedAt } = candidate;
    running.delete(candidate);
    candidate.timer?.cancel();
    const wasSilent = candidate.overdue && candidate.sent && !candidate.heard;
    const waited = Math.round(clock.monotonic() - startedAt);
    if (wasSilent) health.timedOut(endpoint, `no answer within ${waited} ms`, startedAt);
    else if (candidate.probe) health.releaseProbe(endpoint);
    candidate.abort.abort();
  }

  function lose(candidate: Candidate): void {
    candidate.overdue ||= isSpent;
    const limit = isSpent && deps.budget !== undefined ? `${deps.budget / 1000} s` : 'its usual time';
    candidate.record = candidate.overdue
      ? { ...recordOf(candidate, 'overdue', clock), reason: `no answer within ${limit}` }
      : { ...recordOf(candidate, 'skipped', clock), reason: 'another endpoint answered first' };
    if (candidate.overdue && candidate.sent && candidate.heard) {
      health.failed(candidate.endpoint, 'began to answer, and was not done within its usual time');
    }
    drop(candidate);
    deps.onAttempt?.(candidate.endpoint, candidate.record);
  }

  function finish(won: { candidate: Candidate; value: T } | undefined): void {
    end(() => {
      for (const other of [...running]) if (!(other.probe && !other.overdue)) lose(other);
      const trail = inOrder.flatMap((candidate) =>
        isSpent && waiting.includes(candidate)
          ? [{ ...untouched(candidate), outcome: 'skipped' as const, reason: 'no time was left to ask it' }]
          : trailEntry(candidate, won?.candidate, inOrder, clock),
      );
      if (won) resolve({ ok: true, value: won.value, endpoint: won.candidate.endpoint, trail });
      else resolve({ ok: false, verdict: verdict(trail), trail });
    });
  }

  function giveUp(): void {
    isSpent = true;
    finish(undefined);
  }

  function end(how: () => void): void {
    over = true;
    budget?.cancel();
    options.signal?.removeEventListener('abort', onAbort);
    how();
  }

  function stop(reason: unknown): void {
    end(() => {
      for (const candidate of [...running]) drop(candidate);
      reject(reason);
    });
  }

  function onAbort(): void {
    stop(options.signal?.reason);
  }

  if (options.signal?.aborted) onAbort();
  else {
    options.signal?.addEventListener('abort', onAbort);
    advance();
  }
  return promise;
}

const groups: readonly Group[] = ['first', 'open', 'distrusted'];

/** Candidates in the order of registries.conf, the preferred one first. */
function plan(endpoints: readonly Endpoint[], options: AskOptions, health: Health): readonly Candidate[] {
  const keyed = endpoints.map((endpoint) => ({ endpoint, key: endpointKey(endpoint) }));
  const preferred = keyed.filter(({ key }) => key === options.prefer);
  const others = keyed.filter(({ key }) => key !== options.prefer);
  return [...preferred, ...others].map(({ endpoint, key }) => ({
    endpoint,
    group: groupOf(endpoint, key, options, health),
    abort: new AbortController(),
    startedAt: 0,
    expectedSince: 0,
    timer: undefined,
    overdue: false,
    sent: false,
    heard: false,
    probe: false,
    credentials: undefined,
    redirectedTo: undefined,
    record: undefined,
  }));
}

/** Among those that are distrusted. */
function turnOf(endpoint: Endpoint, { distrust = new Set() }: AskOptions): number {
  return [...distrust].indexOf(endpointKey(endpoint));
}

function groupOf(endpoint: Endpoint, key: string, options: AskOptions, health: Health): Group {
  if (endpoint.blockedBy !== undefined) return 'blocked';
  if (options.exclude?.has(key)) return 'excluded';
  if (options.distrust?.has(key)) return 'distrusted';
  return health.state(endpoint) === 'open' ? 'open' : 'first';
}

function recordOf(
  candidate: Candidate,
  outcome: Attempt['outcome'],
  clock: Clock,
  told?: Outcome<unknown>,
): Attempt {
  const { endpoint } = candidate;
  const refused = told && 'credentials' in told ? told.credentials : undefined;
  const credentials = candidate.credentials ?? refused;
  return {
    endpoint: endpointKey(endpoint),
    role: endpoint.role,
    outcome,
    ...(told && told.kind !== 'ok' && { reason: told.reason }),
    ms: Math.round(clock.monotonic() - candidate.startedAt),
    ...(told?.kind === 'rateLimited' && { until: told.until }),
    ...(credentials && { credentials }),
    ...(candidate.redirectedTo !== undefined && { redirectedTo: candidate.redirectedTo }),
  };
}

function untouched({ endpoint }: Candidate): Pick<Attempt, 'endpoint' | 'role' | 'ms'> {
  return { endpoint: endpointKey(endpoint), role: endpoint.role, ms: 0 };
}

/** Blocked endpoints are always told of; one that was passed over, when it stood before the one that answered. */
function trailEntry(
  candidate: Candidate,
  winner: Candidate | undefined,
  inOrder: readonly Candidate[],
  clock: Clock,
): readonly Attempt[] {
  if (candidate.record) return [candidate.record];
  const { endpoint, group } = candidate;
  if (group === 'blocked') {
    return [
      {
        ...untouched(candidate),
        outcome: 'blocked',
        reason: `blocked by the entry for ${endpoint.blockedBy}`,
      },
    ];
  }
  if (candidate.probe) {
    return [{ ...recordOf(candidate, 'skipped', clock), reason: 'being probed beside the others' }];
  }
  if (group === 'excluded' && !winner) {
    // It did not say that the content is absent: nobody can know.
    return [{ ...untouched(candidate), outcome: 'invalid', reason: 'gave wrong bytes' }];
  }
  const stoodBefore = winner !== undefined && inOrder.indexOf(candidate) < inOrder.indexOf(winner);
  return stoodBefore
    ? [
        {
          ...untouched(candidate),
          outcome: 'skipped',
          reason: group === 'open' ? 'has failed lately' : 'gave wrong bytes',
        },
      ]
    : [];
}
