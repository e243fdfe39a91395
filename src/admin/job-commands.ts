/** The commands that concern jobs. What they give goes out as JSON: times are ISO 8601 texts. */
import { EntrepotError } from '../errors.ts';
import { type Job, type JobId, type JobState, type Json, jobStates } from '../jobs/job.ts';
import type { Jobs } from '../jobs/jobs.ts';

export interface ListedJob {
  readonly id: number;
  readonly kind: string;
  /** What it is about. */
  readonly key: string;
  readonly state: JobState;
  /** What asked for it. */
  readonly cause: string;
  readonly attempts: number;
  /** Why the last run did not succeed; null if it did, or there was none. */
  readonly reason: string | null;
  /** Of a job that is done: what is worth knowing besides; null if nothing is. */
  readonly note: string | null;
  readonly created: string;
  /** When a pending job runs at the earliest; null in other states. */
  readonly due: string | null;
  /** Of the last run. */
  readonly started: string | null;
  readonly ended: string | null;
}

export interface ShownJob extends ListedJob {
  readonly priority: number;
  readonly arguments: Json;
  /** What the running or last run told of itself. */
  readonly progress: Json;
}

export interface JobSelection {
  readonly state?: string | undefined;
  readonly kind?: string | undefined;
}

/** One job, or all that have failed; `all`: those that wait for their time as well. */
export type RetriedJobs = { readonly id: number } | 'failed' | 'all';

/** Each method throws EntrepotError USAGE for wrong arguments. */
export interface JobCommands {
  /** Newest first. The list can be long. */
  list(selection: JobSelection): AsyncIterable<ListedJob>;
  show(id: number): Promise<ShownJob>;
  /** Makes jobs due now. Throws EntrepotError USAGE for one job that cannot be retried. */
  retry(which: RetriedJobs): Promise<{ readonly retried: number }>;
  /** Throws EntrepotError USAGE for a job that is over. */
  cancel(id: number): Promise<ShownJob>;
}

/** Jobs that are read at once: other work gets its turn in between. */
const atOnce = 200;

/** Acts on the jobs of this process. */
export function createJobCommands(jobs: Jobs): JobCommands {
  async function found(id: number): Promise<Job> {
    const job = await jobs.find(id as JobId);
    if (!job) throw new EntrepotError('USAGE', `there is no job ${id}: "entrepot jobs list" shows the jobs`);
    return job;
  }

  async function* each(states: readonly JobState[] | undefined, kind: string | undefined) {
    let page: readonly Job[] = [];
    do {
      page = await jobs.list({ states, kind, before: page.at(-1)?.id, limit: atOnce });
      yield* page.map(listed);
    } while (page.length === atOnce);
  }

  return {
    // The state is read before the first job is: an answer that has begun cannot say what is wrong.
    list: ({ state, kind }) => each(state === undefined ? undefined : [readState(state)], kind),
    show: async (id) => shown(await found(id)),
    async retry(which) {
      if (typeof which === 'string') {
        const states = which === 'all' ? (['failed', 'pending'] as const) : (['failed'] as const);
        return { retried: await jobs.retry({ states }) };
      }
      const { id, state, kind, key } = await found(which.id);
      const retried = await jobs.retry({ id });
      if (retried > 0) return { retried };
      const why = state === 'cancelled' ? `another job waits for ${kind} ${key}` : `it is ${state}`;
      throw new EntrepotError('USAGE', `job ${id} cannot be retried: ${why}`);
    },
    async cancel(id) {
      const { state } = await found(id);
      if (!(await jobs.cancel(id as JobId))) {
        throw new EntrepotError('USAGE', `job ${id} cannot be cancelled: it is ${state}`);
      }
      return shown(await found(id));
    },
  };
}

function readState(text: string): JobState {
  const state = jobStates.find((one) => one === text);
  if (state) return state;
  throw new EntrepotError(
    'USAGE',
    `${JSON.stringify(text)} is no state of a job: use ${jobStates.join(', ')}`,
  );
}

function listed(job: Job): ListedJob {
  const { id, kind, key, state, cause, attempts, reason, created, notBefore, started, ended } = job;
  const times = {
    created: asIso(created),
    due: state === 'pending' ? asIso(notBefore) : null,
    started: started === undefined ? null : asIso(started),
    ended: ended === undefined ? null : asIso(ended),
  };
  const note = state === 'done' ? noteOf(job.progress) : null;
  return { id, kind, key, state, cause, attempts, reason: reason ?? null, note, ...times };
}

function noteOf(report: Json | undefined): string | null {
  if (typeof report !== 'object' || report === null || !('note' in report)) return null;
  return typeof report.note === 'string' ? report.note : null;
}

function shown(job: Job): ShownJob {
  const { priority, arguments: args, progress } = job;
  return { ...listed(job), priority, arguments: args, progress: progress ?? null };
}

function asIso(time: number): string {
  return new Date(time).toISOString();
}
