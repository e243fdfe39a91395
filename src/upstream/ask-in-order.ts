/**
 * Asks endpoints in the order of registries.conf until one has a good answer, and acts on the fallback table.
 *
 *   - A failure starts the next endpoint at once. An endpoint that exceeds its usual time is hedged: it keeps running, and the
 *     next is asked beside it. The first good answer wins, the others are cancelled.
 *   - A hedged endpoint that loses without a sign of life, to another endpoint or because the caller stopped waiting, has timed
 *     out: its breaker opens, unless its host answers for itself (`health.ts`). One that had begun to answer (a challenge, the
 *     first bytes) and lost to another has failed. Neither would ever fail by itself.
 *   - An endpoint with a half-open breaker is probed beside the next one, and may finish even if it loses: a dead
 *     mirror costs nothing, a healed one is noticed.
 *   - Endpoints with an open breaker come after all others, distrusted ones last and alone.
 *   - A peer says again and again that it is at work, and is not hedged as long as it does. One that falls silent is given up. Its
 *     "not found" is final, since it has asked everywhere. Once all registries have said it, a late peer is not waited for.
 *   - All of it together has a budget. When it is spent, running attempts are given up and the other endpoints are not asked.
 */
import type { Clock, Timer } from '../lib/clock.ts';
import type { Ask, AttemptContext } from './attempt.ts';
import { type Candidate, candidatesOf, givenBy, inAskingOrder, recordOf, trailOf } from './candidates.ts';
import { consequence, verdict } from './consequences.ts';
import type { Endpoint } from './endpoint.ts';
import type { Health } from './health/health.ts';
import { socketReading } from './health/ping.ts';
import type { Attempt, Outcome } from './outcome.ts';
import type { Answer, AskOptions } from './upstream.ts';

export interface AskDeps {
  readonly health: Health;
  readonly clock: Clock;
  /** ms for all endpoints together (`upstream.total_timeout`). */
  readonly budget?: number;
  /** Called for every attempt when it is over, even if its answer is no longer wanted. */
  readonly onAttempt?: ((endpoint: Endpoint, attempt: Attempt) => void) | undefined;
  /** Called for every exception that judging an endpoint's answer ended in. */
  readonly onFault?: ((endpoint: Endpoint, error: unknown) => void) | undefined;
}

export interface QuestionOptions extends AskOptions {
  /** Content that an endpoint may fetch whole before it answers. A request that only confirms a copy is sent again instead. */
  readonly maySpool?: boolean;
}

/** ms without a sign of life, or more by its own past, after which the next endpoint is asked beside a peer, or instead of it. */
const peerSilence = 1000;

/** Rejects only with the reason of `options.signal`. `discard` gets a good answer that came too late. */
export function askInOrder<T>(
  endpoints: readonly Endpoint[],
  ask: Ask<T>,
  deps: AskDeps,
  options: QuestionOptions & { discard?: (value: T) => void } = {},
): Promise<Answer<T>> {
  return new Race(endpoints, ask, deps, options).run();
}

class Race<T> {
  readonly #ask: Ask<T>;
  readonly #deps: AskDeps;
  readonly #options: QuestionOptions & { discard?: (value: T) => void };
  readonly #candidates: readonly Candidate[];
  /** Not asked yet, in the order of asking. */
  readonly #waiting: Candidate[];
  readonly #running = new Set<Candidate>();
  readonly #answer = Promise.withResolvers<Answer<T>>();
  #budget: Timer | undefined;
  #isOver = false;
  #isSpent = false;

  constructor(
    endpoints: readonly Endpoint[],
    ask: Ask<T>,
    deps: AskDeps,
    options: QuestionOptions & { discard?: (value: T) => void },
  ) {
    this.#ask = ask;
    this.#deps = deps;
    this.#options = options;
    this.#candidates = candidatesOf(endpoints, options, deps.health);
    this.#waiting = inAskingOrder(this.#candidates, options);
  }

  run(): Promise<Answer<T>> {
    const { signal } = this.#options;
    const { budget, clock } = this.#deps;
    if (budget !== undefined) {
      this.#budget = clock.after(budget, () => {
        this.#isSpent = true;
        this.#finish(undefined);
      });
    }
    if (signal?.aborted) this.#onAbort();
    else {
      signal?.addEventListener('abort', this.#onAbort);
      this.#advance();
    }
    return this.#answer.promise;
  }

  /** Starts what may be started. Without anything left to wait for, no endpoint has a good answer. */
  #advance(): void {
    const waiting = this.#waiting;
    for (let next = waiting[0]; next && !this.#isOver && this.#mayStart(next); next = waiting[0]) {
      waiting.shift();
      this.#start(next);
    }
    if (!this.#isOver && waiting.length === 0 && !this.#mayHelp()) this.#finish(undefined);
  }

  /** Whether one that runs may still help. A peer that is late may not where every registry lacks the content. */
  #mayHelp(): boolean {
    const isLate = (one: Candidate) => one.endpoint.role === 'peer' && (one.isHedged || one.isProbe);
    const said = verdict(trailOf(this.#candidates, undefined, [], this.#deps.clock));
    return [...this.#running].some((one) => !isLate(one) || said.kind !== 'notFound');
  }

  #mayStart(next: Candidate): boolean {
    if (next.group === 'distrusted') return this.#running.size === 0;
    return [...this.#running].every((other) => other.isHedged || (other.isProbe && next.group === 'first'));
  }

  #start(candidate: Candidate): void {
    const { health, clock } = this.#deps;
    candidate.startedAt = clock.monotonic();
    candidate.isProbe = candidate.group === 'first' && health.claimProbe(candidate.endpoint);
    this.#expect(candidate);
    this.#running.add(candidate);
    this.#attempt(candidate).then((outcome) => this.#settle(candidate, outcome));
  }

  /** The endpoint has its usual time from now on. */
  #expect(candidate: Candidate): void {
    const { health, clock } = this.#deps;
    const { endpoint } = candidate;
    candidate.timer?.cancel();
    candidate.expectedSince = clock.monotonic();
    const overdue = () => this.#overdue(candidate);
    const usual = health.hedgeDelay(endpoint.host);
    if (endpoint.role !== 'peer') candidate.timer = clock.after(usual, overdue);
    // A sign of life that waits in a socket is read before the peer is given up.
    else {
      candidate.timer = clock.after(Math.max(peerSilence, usual), () => {
        candidate.timer = clock.after(socketReading, overdue);
      });
    }
  }

  /** ms. Of a peer, the longest time between two signs of life: on a busy machine they are far apart. */
  #silenceOf({ expectedSince, longestSilence }: Candidate): number {
    return Math.max(longestSilence, this.#deps.clock.monotonic() - expectedSince);
  }

  #overdue(candidate: Candidate): void {
    const { health } = this.#deps;
    if (candidate.isAlive) {
      candidate.abort.abort();
      return;
    }
    candidate.isHedged = true;
    if (candidate.isSent && !candidate.isHeard) health.hedged(candidate.endpoint);
    if (this.#isOver) this.#lose(candidate);
    else this.#advance();
  }

  /** An exception here is a bug that one endpoint's answer has found. It fails that attempt, not the client's pull. */
  async #attempt(candidate: Candidate): Promise<Outcome<T>> {
    try {
      return await this.#ask(candidate.endpoint, this.#contextOf(candidate));
    } catch (error) {
      this.#deps.onFault?.(candidate.endpoint, error);
      const kind = error instanceof Error ? error.name : 'exception';
      return { kind: 'invalid', reason: `its answer could not be judged (${kind})` };
    }
  }

  #contextOf(candidate: Candidate): AttemptContext {
    return {
      signal: candidate.abort.signal,
      waits: () => {
        candidate.isSent = false;
      },
      sent: () => {
        candidate.isSent = true;
      },
      heard: () => {
        candidate.isHeard = true;
      },
      ...(candidate.endpoint.role === 'peer' && {
        alive: () => {
          candidate.isAlive = true;
          candidate.longestSilence = this.#silenceOf(candidate);
          if (!candidate.isHedged) this.#expect(candidate);
        },
      }),
      aged: (ms) => {
        candidate.age = Math.max(candidate.age, ms);
      },
      progressed: () => {
        this.#options.onProgress?.();
        if (!candidate.isHedged) this.#expect(candidate);
      },
      used: (source) => {
        candidate.credentials = source;
      },
      isLast: () =>
        candidate.isAlive ||
        (this.#options.maySpool === true &&
          !this.#isOver &&
          this.#waiting.length === 0 &&
          this.#running.size === 1),
      redirected: (host) => {
        candidate.redirectedTo = host;
      },
    };
  }

  #settle(candidate: Candidate, outcome: Outcome<T>): void {
    const { endpoint } = candidate;
    candidate.timer?.cancel();
    const isWanted = this.#running.delete(candidate);
    const { next, remembered } = consequence(outcome.kind, endpoint.role);
    if (isWanted) {
      if (outcome.kind !== 'ok') candidate.told = outcome.trail;
      this.#remember(candidate, outcome, remembered);
      candidate.record = recordOf(candidate, outcome.kind, this.#deps.clock, outcome);
      this.#deps.onAttempt?.(endpoint, candidate.record);
    }
    if (this.#isOver || !isWanted) {
      if (outcome.kind === 'ok') this.#options.discard?.(outcome.value);
    } else if (next) this.#advance();
    else this.#finish(outcome.kind === 'ok' ? { candidate, value: outcome.value } : 'notFound');
  }

  #remember(
    candidate: Candidate,
    outcome: Outcome<T>,
    remembered: ReturnType<typeof consequence>['remembered'],
  ): void {
    const { health } = this.#deps;
    const { endpoint } = candidate;
    if (remembered === 'failure' && outcome.kind !== 'ok') health.failed(endpoint, outcome.reason);
    else if (remembered === 'answer' && candidate.isHeard) {
      const isUsual = outcome.kind === 'ok' || outcome.kind === 'notFound';
      health.answered(endpoint, isUsual ? this.#silenceOf(candidate) : undefined);
    } else if (candidate.isProbe) health.releaseProbe(endpoint);
  }

  /** Cancels an attempt that is no longer wanted: an endpoint, or the caller's own cache, has answered. */
  #drop(candidate: Candidate): void {
    const { health, clock } = this.#deps;
    const { endpoint, startedAt } = candidate;
    this.#running.delete(candidate);
    candidate.timer?.cancel();
    const hasTimedOut = candidate.isHedged && candidate.isSent && !candidate.isHeard && !candidate.isAlive;
    const waited = Math.round(clock.monotonic() - startedAt);
    if (hasTimedOut) health.timedOut(endpoint, `no answer within ${waited} ms`, startedAt);
    else if (candidate.isProbe) health.releaseProbe(endpoint);
    candidate.abort.abort();
  }

  /** Drops an attempt and records why. `overdue` and `skipped` are the trail's words (docs/protocol.md). */
  #lose(candidate: Candidate): void {
    const { health, clock, budget } = this.#deps;
    candidate.isHedged ||= this.#isSpent;
    const limit = this.#isSpent && budget !== undefined ? `${budget / 1000} s` : 'its usual time';
    candidate.record = candidate.isHedged
      ? { ...recordOf(candidate, 'overdue', clock), reason: `no answer within ${limit}` }
      : { ...recordOf(candidate, 'skipped', clock), reason: 'another endpoint answered first' };
    if (candidate.isHedged && candidate.isSent && candidate.isHeard) {
      health.failed(candidate.endpoint, 'began to answer, and was not done within its usual time');
    }
    this.#drop(candidate);
    this.#deps.onAttempt?.(candidate.endpoint, candidate.record);
  }

  /** `notFound`: an endpoint has said so for all of them. */
  #finish(end: { candidate: Candidate; value: T } | 'notFound' | undefined): void {
    const won = end === 'notFound' ? undefined : end;
    this.#end();
    for (const other of [...this.#running]) if (!other.isProbe || other.isHedged) this.#lose(other);
    const unasked = this.#isSpent ? this.#waiting : [];
    const trail = trailOf(this.#candidates, won?.candidate, unasked, this.#deps.clock);
    this.#answer.resolve(
      won
        ? { ok: true, value: won.value, ...givenBy(won.candidate), trail }
        : { ok: false, verdict: end === 'notFound' ? { kind: end } : verdict(trail), trail },
    );
  }

  readonly #onAbort = (): void => {
    this.#end();
    for (const candidate of [...this.#running]) this.#drop(candidate);
    this.#answer.reject(this.#options.signal?.reason);
  };

  #end(): void {
    this.#isOver = true;
    this.#budget?.cancel();
    this.#options.signal?.removeEventListener('abort', this.#onAbort);
  }
}
