/**
 * Exchanges facts between this replica and the log, in the background.
 *
 *   follower   log.after(position) -> checked -> applied to the index (`fact-follower.ts`)
 *   sender     what waits in the index -> log.append -> waits no more
 *
 * The sender begins when the follower has come to the end once, so that what others know better is not sent. An answer that is lost
 * costs a repetition: a fact that comes twice changes nothing.
 */
import { setImmediate as turn } from 'node:timers/promises';
import type { Clock } from '../../lib/clock.ts';
import { createBell } from '../../lib/flow/bell.ts';
import { pause } from '../../lib/flow/pause.ts';
import { workWhenRung } from '../../lib/flow/rung-work.ts';
import { reasonOf } from '../../lib/thrown.ts';
import type { RareLog } from '../rare-log.ts';
import { type BoundedStop, createBoundedStop } from './bounded-stop.ts';
import { followLog } from './fact-follower.ts';
import { type FactLog, FactRefused } from './facts.ts';
import { stampOf } from './hybrid-clock.ts';
import type { SharedFacts } from './shared-facts.ts';
import { Unavailable } from './unavailable.ts';

export interface FactExchange {
  state(): FactExchangeState;
  /** Resolves when all that the log had is known here, or at the stop. */
  readonly known: Promise<void>;
  /** Reads the log once more. False: it cannot be read now. */
  upToDate(): Promise<boolean>;
  /** Whether the log has all that was known here a minute ago. Rejects when the index cannot be read. */
  isTold(): Promise<boolean>;
  /** Resolves once the log has all that waits now, whatever comes meanwhile; not before there is a log. */
  told(): Promise<void>;
  /** What is under way comes to its end, unless the log does not answer. */
  stop(): Promise<void>;
}

export interface FactExchangeState {
  /** Facts that are not in the log yet. */
  readonly waiting: number;
  /** Seconds since the log had nothing that is not known here. Undefined: never yet. */
  readonly behind: number | undefined;
}

export interface FactExchangeDeps {
  readonly log: FactLog;
  readonly facts: SharedFacts;
  readonly clock: Clock;
  readonly lines: RareLog;
}

/** Facts that are sent at once. */
const atOnce = 500;
const day = 24 * 60 * 60 * 1000;
/** ms that the log remembers what is gone: a replica that was away for longer compares all that it has. */
const goneLife = 30 * day;
/** ms that the log keeps what endpoints said and no replica says again. */
const heardLife = 90 * day;
const forgetEvery = 60 * 60_000;

/** Begins at once. */
export function createFactExchange({ log: asked, facts, clock, lines }: FactExchangeDeps): FactExchange {
  const stopping = new AbortController();
  const { signal } = stopping;
  const bounded = createBoundedStop(clock);
  const log = boundedLog(asked, bounded);
  const toRead = createBell(clock);
  const toSend = createBell(clock);
  const { promise: known, resolve: isKnown } = Promise.withResolvers<void>();
  let caughtUp: number | undefined;
  /** What waits for the facts that waited at its call. */
  const telling: (() => void)[] = [];
  /** Readings that have begun, and what waits for one that begins later. */
  let readings = 0;
  let waiting: { readonly after: number; readonly answer: (isRead: boolean) => void }[] = [];

  function answer(reading: number, isRead: boolean): void {
    const due = waiting.filter(({ after }) => after < reading);
    waiting = waiting.filter((one) => !due.includes(one));
    for (const one of due) one.answer(isRead);
  }

  async function read(): Promise<number | undefined> {
    readings += 1;
    const reading = readings;
    const isWhole = await followLog({ log, facts, clock, lines, isStopped: () => signal.aborted });
    if (!isWhole) return 0;
    answer(reading, true);
    caughtUp = clock.monotonic();
    isKnown();
    toSend.ring();
    return undefined;
  }

  async function send(most: number): Promise<number | undefined> {
    if (caughtUp === undefined) return undefined;
    const asked = telling.length;
    const all = asked === 0 ? 0 : facts.countWaiting();
    const some = await facts.waiting(most);
    try {
      if (some.length > 0) await facts.told(some, await log.append(some));
      // All that waited when these asked was among them.
      if (some.length >= all) for (const go of telling.splice(0, asked)) go();
    } catch (error) {
      // Tables that are being restored, or a right that is missing, are no reason to lose a fact.
      if (!(error instanceof FactRefused)) throw error;
      if (some.length > 1) return send(1);
      const [{ kind, image } = {}] = some;
      const fields = { event: 'facts.refused', kind, image, reason: reasonOf(error) };
      lines.error(fields, 'a fact is not taken by the log: no other replica hears of it');
      await facts.told(some, [undefined]);
    }
    return some.length === 0 ? undefined : 0;
  }

  async function forgetOld(): Promise<void> {
    while (!signal.aborted) {
      await pause(clock, forgetEvery, signal);
      const now = clock.now();
      const before = { gone: stampOf(now - goneLife), heard: stampOf(now - heardLife) };
      try {
        while (!signal.aborted && (await log.forget(before)) > 0);
        while (!signal.aborted && (await facts.forget(before)) > 0) await turn();
      } catch (error) {
        logFailure(lines, error, 'old facts could not be removed');
      }
    }
  }

  facts.whenWaiting(toSend.ring);
  const unlisten = log.changed(() => {
    toRead.ring();
    toSend.ring();
  });
  const failed = (error: unknown) => logFailure(lines, error, 'facts could not be exchanged');
  function notRead(error: unknown): void {
    answer(readings, false);
    failed(error);
  }
  const running = Promise.all([
    workWhenRung({ bell: toRead, work: read, failed: notRead, signal }),
    workWhenRung({ bell: toSend, work: () => send(atOnce), failed, signal }),
    forgetOld(),
  ]);

  return {
    known,
    told() {
      if (facts.countWaiting() === 0) return Promise.resolve();
      const { promise, resolve } = Promise.withResolvers<void>();
      telling.push(resolve);
      toSend.ring();
      return promise;
    },
    state: () => ({
      waiting: facts.countWaiting(),
      behind: caughtUp === undefined ? undefined : (clock.monotonic() - caughtUp) / 1000,
    }),
    upToDate() {
      if (signal.aborted) return Promise.resolve(false);
      const { promise, resolve } = Promise.withResolvers<boolean>();
      waiting.push({ after: readings, answer: resolve });
      toRead.ring();
      return promise;
    },
    async isTold() {
      const [oldest] = await facts.waiting(1);
      return caughtUp !== undefined && (!oldest || oldest.stamp > stampOf(clock.now() - 60_000));
    },
    async stop() {
      unlisten();
      stopping.abort();
      await bounded.waitFor(running);
      answer(Number.POSITIVE_INFINITY, false);
      isKnown();
    },
  };
}

/** An outage is told by the connection. */
function logFailure(lines: RareLog, error: unknown, what: string): void {
  if (!(error instanceof Unavailable)) lines.error({ event: 'facts.failed', err: error }, what);
}

/** What is sent when a stop has waited for long enough is sent again after the next start. */
function boundedLog(asked: FactLog, { orLate }: BoundedStop): FactLog {
  return {
    state: () => orLate(asked.state()),
    append: (facts) => orLate(asked.append(facts)),
    after: (seq, limit) => orLate(asked.after(seq, limit)),
    forget: (before) => orLate(asked.forget(before)),
    changed: asked.changed,
  };
}
