/**
 * Jobs in the time of the server. Replicas compare leases, so they need one clock; each call moves its times from the clock of this
 * machine to that of the server, and back.
 */
import type { Job } from '../../../jobs/job.ts';
import type { JobInbox } from '../../../jobs/job-inbox.ts';
import type { JobStore } from '../../../jobs/job-store.ts';
import type { Clock } from '../../../lib/clock.ts';
import type { Postgres } from './connection.ts';

/** Gives the ms by which the clock of the server is ahead. Rejects with `Unavailable`. */
export type Ahead = () => Promise<number>;

/** ms after which it is measured anew. */
const measureEvery = 60_000;

/** Asks the server once a minute at most. */
export function createServerTime({ query }: Pick<Postgres, 'query'>, clock: Clock): Ahead {
  let measured: { readonly ahead: number; readonly at: number } | undefined;
  return async () => {
    if (measured && clock.monotonic() - measured.at < measureEvery) return measured.ahead;
    const before = clock.now();
    const [row] = await query<{ now: number }>(
      'select (extract(epoch from clock_timestamp()) * 1000)::bigint as now',
    );
    const here = (before + clock.now()) / 2;
    measured = { ahead: Math.round((row?.now ?? here) - here), at: clock.monotonic() };
    return measured.ahead;
  };
}

/** `jobs` and `inbox` over the same store. Progress, ids and all else is as it was. */
export function inServerTime<Store extends JobStore, Inbox extends JobInbox>(
  { jobs, inbox }: { readonly jobs: Store; readonly inbox: Inbox },
  ahead: Ahead,
): { readonly jobs: JobStore; readonly inbox: JobInbox } {
  return {
    jobs: {
      async add(job, now) {
        const by = await ahead();
        return jobs.add({ ...job, notBefore: job.notBefore + by }, now + by);
      },
      async claim(kinds, owner, lease, now) {
        const by = await ahead();
        return here(await jobs.claim(kinds, owner, lease, now + by), by);
      },
      beat: async (claim, lease, progress, now) => jobs.beat(claim, lease, progress, now + (await ahead())),
      async settle(claim, { outcome, notBefore }, now) {
        const by = await ahead();
        return jobs.settle(claim, { outcome, notBefore: (notBefore ?? now) + by }, now + by);
      },
      release: async (claim, now) => jobs.release(claim, now + (await ahead())),
      retry: async (which, now) => jobs.retry(which, now + (await ahead())),
      recall: async (now) => jobs.recall(now + (await ahead())),
      cancel: async (id, now) => jobs.cancel(id, now + (await ahead())),
      find: async (id) => here(await jobs.find(id), await ahead()),
      last: async (kind, key) => here(await jobs.last(kind, key), await ahead()),
      async list(filter) {
        const by = await ahead();
        return (await jobs.list(filter)).map((job) => moved(job, by));
      },
      counts: jobs.counts,
      oldestFailure: async () => less(await jobs.oldestFailure(), await ahead()),
      nextDue: async (kinds) => less(await jobs.nextDue(kinds), await ahead()),
      forget: async ({ since, most }, limit) => jobs.forget({ since: since + (await ahead()), most }, limit),
    },
    inbox: {
      async take(notices, bounds, now) {
        const by = await ahead();
        const later = notices.map(({ fingerprint, jobs: [first, ...more] }) => {
          const moves = <T extends { notBefore: number }>(job: T) => ({
            ...job,
            notBefore: job.notBefore + by,
          });
          return { fingerprint, jobs: [moves(first), ...more.map(moves)] as const };
        });
        return inbox.take(later, bounds, now + by);
      },
    },
  };
}

function here(job: Job | undefined, by: number): Job | undefined {
  return job && moved(job, by);
}

function moved(job: Job, by: number): Job {
  const { notBefore, created, started, ended } = job;
  const times = { started: less(started, by), ended: less(ended, by) };
  return { ...job, notBefore: notBefore - by, created: created - by, ...times };
}

function less(time: number | undefined, by: number): number | undefined {
  return time === undefined ? undefined : time - by;
}
