/** Jobs as the rest of the program asks for them: the store, and a runner that is told at once of what changes. */
import type { Clock } from '../lib/clock.ts';
import type { Job, JobId, NewJob } from './job.ts';
import type { JobFilter, JobStore } from './job-store.ts';
import type { JobRunner } from './runner.ts';

/** Every method rejects when the store cannot be read or written. */
export interface Jobs {
  /** Adds or joins a job, which is due at once unless it says otherwise. */
  add(job: Omit<NewJob, 'notBefore'> & { readonly notBefore?: number }): Promise<JobId>;
  find(id: JobId): Promise<Job | undefined>;
  /** Newest first. */
  list(filter: JobFilter): Promise<readonly Job[]>;
  /** As `JobStore.retry`. */
  retry(which: Parameters<JobStore['retry']>[0]): Promise<number>;
  /** As `JobStore.cancel`; a run under way is aborted. */
  cancel(id: JobId): Promise<boolean>;
}

export interface JobsDeps {
  readonly store: JobStore;
  readonly runner: Pick<JobRunner, 'wake' | 'check'>;
  readonly clock: Clock;
}

/** The runner need not have started: then jobs wait for it. */
export function createJobs({ store, runner, clock }: JobsDeps): Jobs {
  return {
    async add(job) {
      const now = clock.now();
      const id = await store.add({ notBefore: now, ...job }, now);
      runner.wake();
      return id;
    },
    find: store.find,
    list: store.list,
    async retry(which) {
      const count = await store.retry(which, clock.now());
      runner.wake();
      return count;
    },
    async cancel(id) {
      const isCancelled = await store.cancel(id, clock.now());
      await runner.check(id);
      return isCancelled;
    },
  };
}
