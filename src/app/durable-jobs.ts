/** The parts that run durable jobs, put together. */
import { randomUUID } from 'node:crypto';
import type { JobKind } from '../jobs/job.ts';
import type { JobInbox } from '../jobs/job-inbox.ts';
import type { JobStore } from '../jobs/job-store.ts';
import { createJobs, type Jobs } from '../jobs/jobs.ts';
import { createJobRunner, type JobRunner } from '../jobs/runner.ts';
import { createSchedule, type Schedule, type Scheduled } from '../jobs/schedule.ts';
import { createTurns } from '../jobs/turns.ts';
import type { Clock } from '../lib/clock.ts';
import type { Log } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { Transfers } from '../transfer/transfers.ts';

export interface DurableJobs {
  readonly jobs: Jobs;
  /** That of the cache; jobs that it adds run at once. */
  readonly inbox: JobInbox;
  readonly runner: JobRunner;
  readonly schedule: Schedule;
  /** Begins to run jobs, and to add those whose time comes. */
  start(scheduled: readonly Scheduled[]): void;
  stop(): Promise<void>;
}

export interface DurableJobsDeps {
  readonly cache: { readonly jobs: JobStore; readonly inbox: JobInbox };
  readonly kinds: readonly JobKind[];
  readonly transfers: Pick<Transfers, 'countForClients'>;
  readonly clock: Clock;
  readonly log: Pick<Log, 'info' | 'warn' | 'error'>;
  readonly metrics: Pick<Metrics, 'jobEnded'>;
}

/** Jobs at once, and cold blobs on their way for clients beside which jobs may begin transfers of their own. */
const atOnce = 4;
const clients = 2;

/** Nothing runs before `start`. */
export function createDurableJobs(deps: DurableJobsDeps): DurableJobs {
  const { cache, kinds, transfers, clock, log, metrics } = deps;
  const store = cache.jobs;
  const turns = createTurns({ clock, coldForClients: () => transfers.countForClients }, { clients });
  const runner = createJobRunner(
    { store, turns, clock, random: Math.random, log, ended: metrics.jobEnded, owner: randomUUID() },
    { kinds, atOnce },
  );
  const schedule = createSchedule({ store, clock, random: Math.random, log, added: runner.wake });
  return {
    runner,
    schedule,
    jobs: createJobs({ store, runner, clock }),
    inbox: {
      async take(...asked) {
        const taken = await cache.inbox.take(...asked);
        if (taken.some((one) => one !== 'known')) runner.wake();
        return taken;
      },
    },
    start(scheduled) {
      runner.start();
      schedule.configure(scheduled);
    },
    stop() {
      schedule.stop();
      return runner.stop();
    },
  };
}
