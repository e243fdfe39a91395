/**
 * The jobs over the rows of SQLite. A write is safe from a killed process at once, and from a power cut with the next checkpoint: what
 * that takes is found again by the sweeps that add jobs.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { jobStates } from '../../../jobs/job.ts';
import type { JobStore } from '../../../jobs/job-store.ts';
import type { IndexRows } from '../index-rows.ts';

/** Requests share the connection: they get their turn after so many. */
const retriesAtOnce = 500;

/** Rejects as the interface says. */
export function createSqliteJobs(rows: IndexRows): JobStore {
  return {
    add: async (job, now) => rows.addJob(job, now),
    claim: async (kinds, owner, lease, now) => rows.claimJob(kinds, owner, lease, now),
    beat: async ({ id, owner }, lease, progress, now) => rows.beatJob(id, owner, now + lease, progress),
    settle: async ({ id, owner }, settlement, now) => rows.settleJob(id, owner, settlement, now),
    release: async ({ id, owner }, now) => rows.releaseJob(id, owner, now),
    async retry(which, now) {
      if ('id' in which) return rows.retryJob(which.id, now);
      let count = 0;
      for (const state of which.states) {
        for (let some = retriesAtOnce; some === retriesAtOnce; await turn()) {
          some = rows.retryJobs(state, now, retriesAtOnce);
          count += some;
        }
      }
      return count;
    },
    recall: async (now) => rows.recallJobs(now),
    cancel: async (id, now) => rows.cancelJob(id, now),
    find: async (id) => rows.job(id),
    last: async (kind, key) => rows.lastJob(kind, key),
    list: async ({ states = jobStates, kind, before = Number.MAX_SAFE_INTEGER, limit }) =>
      rows.jobsIn([...new Set(states)], kind, before, limit),
    counts: async () => rows.jobCounts(),
    oldestFailure: async () => rows.oldestFailure(),
    nextDue: async (kinds) => rows.nextJobDue(kinds),
    forget: async (kept, limit) => rows.forgetJobs(kept, limit),
  };
}
