/**
 * The jobs of a cluster: kept by PostgreSQL, and by the index of this replica while that is gone.
 *
 *   asked for, an event ... shared; in the index where there is no answer, and moved later (`job-mover.ts`)
 *   its time has come ..... shared, and waits: else each replica would add it
 *   claim ................. shared; nothing runs meanwhile. Two replicas would do the same work
 *   a run under way ....... goes on. Its end waits until it can be kept; then it counts unless another replica has taken over
 *   lists, cancel ......... FACTS_UNAVAILABLE
 */
import type { JobId, JobState } from '../../jobs/job.ts';
import type { JobInbox } from '../../jobs/job-inbox.ts';
import type { JobStore } from '../../jobs/job-store.ts';
import type { Clock } from '../../lib/clock.ts';
import type { RareLog } from '../rare-log.ts';
import { createJobMover } from './job-mover.ts';
import { createPatience, type Patience, whileThere } from './patience.ts';
import { createWaitingJobs, firstLocal, numberOf, waitingJob } from './waiting-jobs.ts';

export interface SharedJobs {
  readonly jobs: JobStore;
  readonly inbox: JobInbox;
  /** For schedules: waits until PostgreSQL answers. */
  readonly patient: { readonly store: Pick<JobStore, 'last'>; readonly inbox: JobInbox };
  /** Calls `onChange` when a job may be due that was not. */
  changed(onChange: () => void): void;
  /** What waits for PostgreSQL goes on waiting in the index; what waits for an answer rejects. */
  stop(): Promise<void>;
}

export interface SharedJobsDeps {
  /** In the index. */
  readonly local: { readonly jobs: JobStore; readonly inbox: JobInbox };
  /** Rejects with `Unavailable`. */
  readonly shared: { readonly jobs: JobStore; readonly inbox: JobInbox };
  /** Calls `onChange` when shared jobs have changed, and when they can be reached again. Gives the end of it. */
  readonly listen: (onChange: () => void) => () => void;
  readonly clock: Clock;
  readonly log: RareLog;
}

/** ms that the sender of an event and a command wait for PostgreSQL: senders give up after a second or less. */
const patienceOf = { event: 300, command: 3000 };

/** Moves at once what waits in the index. */
export function createSharedJobs({ local, shared, listen, clock, log }: SharedJobsDeps): SharedJobs {
  const listeners = new Set<() => void>();
  const mover = createJobMover({ local: local.jobs, shared: shared.inbox, clock, log });
  const patience = createPatience(clock);
  const waitingJobs = createWaitingJobs(local.jobs);
  const forCommand = <T>(ask: () => Promise<T>) => patience.forCommand('jobs', ask);
  const unlisten = listen(() => {
    patience.tryAgain();
    mover.look();
    for (const onChange of listeners) onChange();
  });
  const { counts, oldestFailure } = lastKnown(shared.jobs, patience);

  const jobs: JobStore = {
    async add(job, now) {
      const id = await patience.within(patienceOf.command, () => shared.jobs.add(job, now));
      if (id !== undefined) return id;
      const waiting = await local.jobs.add(job, now);
      mover.look();
      return numberOf(waiting);
    },
    claim: (...asked) => whileThere(() => shared.jobs.claim(...asked), undefined),
    // As long as nothing is known of it, the claim holds.
    beat: (...asked) => whileThere(() => shared.jobs.beat(...asked), true),
    settle: (...asked) => patience.untilThere(() => shared.jobs.settle(...asked)),
    release: shared.jobs.release,
    async retry(which, now) {
      if (!('id' in which)) {
        const count = await local.jobs.retry(which, now);
        mover.look();
        return count + (await whileThere(() => shared.jobs.retry(which, now), 0));
      }
      const place = await placeOf(which.id);
      const count = await forCommand(() => place.store.retry({ id: place.id }, now));
      mover.look();
      return count;
    },
    recall: (now) => whileThere(() => shared.jobs.recall(now), 0),
    async cancel(id, now) {
      const place = await placeOf(id);
      return forCommand(() => place.store.cancel(place.id, now));
    },
    async find(id) {
      const place = await placeOf(id);
      const job = await forCommand(() => place.store.find(place.id));
      return job && place.store === local.jobs ? waitingJob(job) : job;
    },
    last: (kind, key) => forCommand(() => shared.jobs.last(kind, key)),
    async list(filter) {
      const here = await waitingJobs.page(filter);
      const limit = filter.limit - here.length;
      if (limit <= 0) return here;
      const before = Math.min(filter.before ?? firstLocal, firstLocal) as JobId;
      return [...here, ...(await forCommand(() => shared.jobs.list({ ...filter, before, limit })))];
    },
    async counts() {
      const sums = new Map<string, { kind: string; state: JobState; jobs: number }>();
      for (const one of [...(await waitingJobs.counts()), ...(await counts())]) {
        const key = `${one.state} ${one.kind}`;
        sums.set(key, { ...one, jobs: one.jobs + (sums.get(key)?.jobs ?? 0) });
      }
      return [...sums.values()];
    },
    async oldestFailure() {
      const times = [await local.jobs.oldestFailure(), await oldestFailure()];
      const known = times.filter((time) => time !== undefined);
      return known.length === 0 ? undefined : Math.min(...known);
    },
    nextDue: (kinds) => whileThere(() => shared.jobs.nextDue(kinds), undefined),
    async forget(kept, limit) {
      await local.jobs.forget(kept, limit);
      return whileThere(() => shared.jobs.forget(kept, limit), 0);
    },
  };

  /** Where the job of this number is now. One that was moved is the newest of its key. */
  async function placeOf(id: JobId): Promise<{ readonly store: JobStore; readonly id: JobId }> {
    if (id < firstLocal) return { store: shared.jobs, id };
    const own = (id - firstLocal) as JobId;
    const job = await local.jobs.find(own);
    if (job?.state !== 'done') return { store: local.jobs, id: own };
    const moved = await forCommand(() => shared.jobs.last(job.kind, job.key));
    return moved ? { store: shared.jobs, id: moved.id } : { store: local.jobs, id: own };
  }

  return {
    jobs,
    inbox: {
      async take(...asked) {
        const taken = await patience.within(patienceOf.event, () => shared.inbox.take(...asked));
        if (taken) return taken;
        const here = await local.inbox.take(...asked);
        mover.look();
        return here;
      },
    },
    patient: {
      store: { last: (...asked) => patience.untilThere(() => shared.jobs.last(...asked)) },
      inbox: { take: (...asked) => patience.untilThere(() => shared.inbox.take(...asked)) },
    },
    changed: (onChange) => void listeners.add(onChange),
    async stop() {
      unlisten();
      patience.stop();
      await mover.stop();
    },
  };
}

/** For metrics: a count that falls because PostgreSQL is gone would end an alert. */
function lastKnown(jobs: JobStore, { answer }: Patience): Pick<JobStore, 'counts' | 'oldestFailure'> {
  let counts: Awaited<ReturnType<JobStore['counts']>> = [];
  let oldest: number | undefined;
  return {
    async counts() {
      counts = await whileThere(() => answer(jobs.counts), counts);
      return counts;
    },
    async oldestFailure() {
      oldest = await whileThere(() => answer(jobs.oldestFailure), oldest);
      return oldest;
    },
  };
}
