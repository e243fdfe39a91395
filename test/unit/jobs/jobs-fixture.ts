/** A runner over a store in memory, on a clock that the test moves. */
import type { TestContext } from 'node:test';
import {
  type JobContext,
  type JobKind,
  type JobOutcome,
  jobPriorities,
  type NewJob,
} from '../../../src/jobs/job.ts';
import type { JobStore } from '../../../src/jobs/job-store.ts';
import { createJobRunner } from '../../../src/jobs/runner.ts';
import { createTurns } from '../../../src/jobs/turns.ts';
import { createManualClock } from '../../support/clock.ts';
import { createMemoryJobs } from '../../support/memory-jobs.ts';

export const done: JobOutcome = { kind: 'done', report: null };

/** Calls of one kind of jobs, each of which the test ends. */
export interface ScriptedKind extends JobKind {
  readonly runs: (JobContext & {
    end(outcome: JobOutcome): void;
    crash(error: Error): void;
  })[];
}

/** A run ends when the test says so, or with `again` when it is aborted. */
export function scriptedKind(name = 'sync', atOnce = 10): ScriptedKind {
  const runs: ScriptedKind['runs'] = [];
  return {
    name,
    atOnce,
    runs,
    run(context) {
      const { promise, resolve, reject } = Promise.withResolvers<JobOutcome>();
      runs.push({ ...context, end: resolve, crash: reject });
      context.signal.addEventListener('abort', () => resolve({ kind: 'again', reason: 'aborted' }));
      return promise;
    },
  };
}

export interface RunnerWanted {
  readonly kinds: readonly JobKind[];
  readonly store?: JobStore;
  readonly atOnce?: number;
  readonly random?: () => number;
  readonly coldForClients?: () => number;
}

export function startRunner(t: TestContext, wanted: RunnerWanted) {
  const clock = createManualClock();
  const store = wanted.store ?? createMemoryJobs();
  const events: string[] = [];
  const ends: string[] = [];
  const note = (line: object) => void events.push((line as { event: string }).event);
  const { coldForClients = () => 0 } = wanted;
  const runner = createJobRunner(
    {
      store,
      clock,
      random: wanted.random ?? (() => 0.5),
      turns: createTurns({ clock, coldForClients }, { clients: 2 }),
      log: { info: note, warn: note, error: note } as never,
      ended: (kind, outcome, seconds) => ends.push(`${kind} ${outcome} ${seconds}`),
      owner: 'this process',
    },
    { kinds: wanted.kinds, atOnce: wanted.atOnce ?? 10 },
  );
  t.after(() => runner.stop());
  runner.start();
  return {
    clock,
    store,
    runner,
    events,
    ends,
    async add(key: string, changes: Partial<NewJob> = {}) {
      const now = clock.now();
      const job = { kind: 'sync', key, arguments: null, priority: jobPriorities.asked, notBefore: now };
      const id = await store.add({ ...job, cause: 'manual', ...changes }, now);
      runner.wake();
      await clock.advance(0);
      return id;
    },
  };
}
