/** The parts that run durable jobs, put together. */
import { randomUUID } from 'node:crypto';
import type { Job, JobKind } from '../jobs/job.ts';
import type { JobInbox } from '../jobs/job-inbox.ts';
import { createJobs, type Jobs } from '../jobs/jobs.ts';
import { createJobRunner, type JobRunner } from '../jobs/runner.ts';
import { createSchedule, type Schedule, type Scheduled } from '../jobs/schedule.ts';
import { createTurns } from '../jobs/turns.ts';
import type { Clock } from '../lib/clock.ts';
import type { Log } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { Tracer } from '../telemetry/tracing/tracer.ts';
import type { Transfers } from '../transfer/transfers.ts';
import type { SharedStates } from './shared-states.ts';
import { tracedJobs } from './traced.ts';

export interface DurableJobs {
  readonly jobs: Jobs;
  /** That of the cache; jobs that it adds run at once. */
  readonly inbox: JobInbox;
  readonly runner: JobRunner;
  readonly schedule: Schedule;
  /** Begins to run jobs, and to add those whose time comes. */
  start(scheduled: readonly Scheduled[]): void;
  /** Another configuration is in force. A job that failed, and about which nothing is left to be done, is over. */
  configure(scheduled: readonly Scheduled[]): void;
  stop(): Promise<void>;
}

export interface DurableJobsDeps {
  readonly cache: Pick<SharedStates, 'jobs' | 'inbox' | 'sharedJobs'>;
  readonly kinds: readonly JobKind[];
  /** Of buckets: a reload does not change them. */
  readonly sweeps: { readonly kind: JobKind; readonly schedule: readonly Scheduled[] };
  readonly transfers: Pick<Transfers, 'countForClients'>;
  readonly clock: Clock;
  readonly log: Pick<Log, 'info' | 'warn' | 'error'>;
  readonly metrics: Pick<Metrics, 'jobEnded'>;
  readonly tracer: Tracer;
}

/** Jobs at once, and cold blobs on their way for clients beside which jobs may begin transfers of their own. */
const atOnce = 4;
const clients = 2;
/** Jobs that are read at once. */
const failedAtOnce = 200;

/** Nothing runs before `start`. */
export function createDurableJobs(deps: DurableJobsDeps): DurableJobs {
  const { cache, sweeps, transfers, clock, log, metrics, tracer } = deps;
  const kinds = tracedJobs([...deps.kinds, sweeps.kind], tracer);
  const store = cache.jobs;
  const turns = createTurns({ clock, coldForClients: () => transfers.countForClients }, { clients });
  const runner = createJobRunner(
    { store, turns, clock, random: Math.random, log, ended: metrics.jobEnded, owner: randomUUID() },
    { kinds, atOnce },
  );
  const { sharedJobs } = cache;
  sharedJobs?.changed(runner.wake);
  const added = sharedJobs?.patient ?? { store, inbox: cache.inbox };
  const schedule = createSchedule({ ...added, clock, random: Math.random, log, added: runner.wake });

  function configure(scheduled: readonly Scheduled[]): void {
    schedule.configure([...sweeps.schedule, ...scheduled]);
    endMoot().catch((err: unknown) =>
      log.error({ event: 'jobs.storeFailed', err }, 'jobs cannot be read or written'),
    );
  }

  /** Runs what failed and is moot by now once more: its run says why it is done. An alert on it would never end otherwise. */
  async function endMoot(): Promise<void> {
    let page: readonly Job[] = [];
    do {
      page = await store.list({ states: ['failed'], before: page.at(-1)?.id, limit: failedAtOnce });
      for (const job of page) {
        const kind = kinds.find(({ name }) => name === job.kind);
        if (kind?.isMoot?.(job)) await store.retry({ id: job.id }, clock.now());
      }
    } while (page.length === failedAtOnce);
    runner.wake();
  }

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
      configure(scheduled);
    },
    configure,
    stop() {
      schedule.stop();
      return runner.stop();
    },
  };
}
