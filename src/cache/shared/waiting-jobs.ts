/**
 * Jobs that wait in the index for PostgreSQL, as lists show them. Their numbers are from `firstLocal` on, so that those of two stores
 * are not mixed up.
 */
import type { Job, JobId, JobState } from '../../jobs/job.ts';
import type { JobFilter, JobStore } from '../../jobs/job-store.ts';

export interface WaitingJobs {
  /** As `JobStore.list`. */
  page(filter: JobFilter): Promise<readonly Job[]>;
  counts: JobStore['counts'];
}

/** See the head of the file. */
export const firstLocal = 2 ** 40;

/** What of the index is not over; what is done was moved. */
const localStates = ['pending', 'running', 'failed'] as const satisfies readonly JobState[];

/** Of the jobs in the index. */
export function createWaitingJobs(local: Pick<JobStore, 'list' | 'counts'>): WaitingJobs {
  return {
    async page({ states, kind, before, limit }) {
      if (before !== undefined && before <= firstLocal) return [];
      const wanted = localStates.filter((state) => !states || states.includes(shownState(state) ?? 'done'));
      if (wanted.length === 0) return [];
      const own = before === undefined ? undefined : ((before - firstLocal) as JobId);
      const page = await local.list({ states: wanted, kind, limit, ...(own && { before: own }) });
      return page.map(waitingJob);
    },
    counts: async () =>
      (await local.counts()).flatMap(({ state, ...count }) => {
        const shown = shownState(state);
        return shown ? [{ ...count, state: shown }] : [];
      }),
  };
}

/** The number of a job in the index as the outside knows it. */
export function numberOf(id: JobId): JobId {
  return (firstLocal + id) as JobId;
}

/** A job of the index. The claim of what moves it is no run. */
export function waitingJob(job: Job): Job {
  const state = shownState(job.state);
  const id = numberOf(job.id);
  if (!state) return { ...job, id };
  const reason = state === 'pending' ? 'it waits for PostgreSQL' : job.reason;
  return { ...job, id, state, reason, attempts: 0 };
}

function shownState(state: JobState): 'pending' | 'failed' | undefined {
  if (state === 'failed') return state;
  return state === 'pending' || state === 'running' ? 'pending' : undefined;
}
