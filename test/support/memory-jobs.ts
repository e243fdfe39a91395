/** A job store over a plain list: it looks at everything each time. For tests that need no file. */
import type { Job, JobId, JobState, Json, NewJob } from '../../src/jobs/job.ts';
import {
  type Claim,
  type JobStore,
  lostRun,
  lostRunDelay,
  type Settlement,
  succeededReason,
} from '../../src/jobs/job-store.ts';

interface Row extends Omit<Job, 'id'> {
  readonly id: JobId;
  owner: string | undefined;
  expires: number;
  lost: number;
}
type Mutable<T> = { -readonly [K in keyof T]: T[K] };

const waits = ({ state }: Job) => state === 'pending' || state === 'failed';
const isOver = ({ state }: Job) => state !== 'pending' && state !== 'running';

/** Every promise resolves at once. */
export function createMemoryJobs(): JobStore {
  let rows: Mutable<Row>[] = [];
  let nextId = 1;

  const of = (kind: string, key: string) => rows.filter((row) => row.kind === kind && row.key === key);
  const held = ({ id, owner }: Claim) =>
    rows.find((row) => row.id === id && row.state === 'running' && row.owner === owner);
  const isHeldUp = (row: Row) => of(row.kind, row.key).some(({ state }) => state === 'running');
  const hasSuccessor = (row: Row) => of(row.kind, row.key).some(waits);
  const asJob = ({ owner: _owner, expires: _expires, lost: _lost, ...job }: Row): Job => ({ ...job });

  function end(row: Mutable<Row>, state: JobState, now: number): void {
    row.state = state;
    row.ended = now;
    row.owner = undefined;
  }

  function lose(row: Mutable<Row>, now: number): void {
    row.reason = lostRun;
    row.lost += 1;
    row.notBefore = now + lostRunDelay(row.lost);
    end(row, hasSuccessor(row) ? 'cancelled' : 'pending', now);
  }

  function makeDue(row: Mutable<Row>, now: number): void {
    Object.assign(row, { state: 'pending', notBefore: now, failures: 0, lost: 0, cause: 'retry' });
  }

  return {
    async add(job: NewJob, now) {
      const known = of(job.kind, job.key).find(waits);
      if (!known) {
        const id = nextId++ as JobId;
        const fresh = { attempts: 0, failures: 0, reason: undefined, progress: undefined };
        const never = { started: undefined, ended: undefined, owner: undefined, expires: 0, lost: 0 };
        rows.push({ ...job, ...fresh, ...never, id, state: 'pending', created: now });
        return id;
      }
      const hasFailed = known.state === 'failed';
      known.notBefore = hasFailed ? job.notBefore : Math.min(known.notBefore, job.notBefore);
      known.priority = hasFailed ? job.priority : Math.min(known.priority, job.priority);
      const cause = !hasFailed && known.cause === 'manual' ? known.cause : job.cause;
      const { arguments: args } = job;
      Object.assign(known, { arguments: args, cause, failures: 0, lost: 0, state: 'pending' });
      return known.id;
    },

    async claim(kinds, owner, lease, now) {
      const ours = rows.filter(({ kind }) => kinds.includes(kind));
      for (const row of ours) if (row.state === 'running' && row.expires <= now) lose(row, now);
      const due = ours.filter((row) => row.state === 'pending' && row.notBefore <= now && !isHeldUp(row));
      const [first] = due.toSorted(
        (a, b) => a.priority - b.priority || a.notBefore - b.notBefore || a.id - b.id,
      );
      if (!first) return undefined;
      const { attempts } = first;
      const run = { owner, started: now, ended: undefined, progress: undefined, attempts: attempts + 1 };
      Object.assign(first, { ...run, state: 'running', expires: now + lease });
      return asJob(first);
    },

    async beat(claim, lease, progress: Json | undefined, now) {
      const row = held(claim);
      if (!row) return false;
      row.expires = now + lease;
      if (progress !== undefined) row.progress = progress;
      return true;
    },

    async settle(claim, { outcome, notBefore = 0 }: Settlement, now) {
      const row = held(claim);
      if (!row) return undefined;
      row.lost = 0;
      if (outcome.kind === 'done') {
        Object.assign(row, { progress: outcome.report, reason: undefined, failures: 0 });
        end(row, 'done', now);
        return 'done';
      }
      if (outcome.kind === 'failed' && outcome.report !== undefined) row.progress = outcome.report;
      if (outcome.kind === 'again') row.failures += 1;
      row.notBefore = notBefore;
      const isReplaced = hasSuccessor(row);
      row.reason = isReplaced ? succeededReason(outcome.reason) : outcome.reason;
      const state = outcome.kind === 'failed' ? 'failed' : 'pending';
      end(row, isReplaced ? 'cancelled' : state, now);
      return row.state;
    },

    async release(claim, now) {
      const row = held(claim);
      if (!row) return;
      row.attempts -= 1;
      end(row, hasSuccessor(row) ? 'cancelled' : 'pending', now);
    },

    async retry(which, now) {
      const chosen = rows.filter((row) => {
        if (!('id' in which)) {
          const isDue = row.state === 'pending' && row.notBefore <= now;
          return (which.states as readonly JobState[]).includes(row.state) && !isDue;
        }
        return row.id === which.id && (waits(row) || (row.state === 'cancelled' && !hasSuccessor(row)));
      });
      for (const row of chosen) makeDue(row, now);
      return chosen.length;
    },

    async recall(now) {
      const isOfLater = ({ state, notBefore, created, ended = 0 }: Row) =>
        state === 'pending' && notBefore > now && (created > now || ended > now);
      const chosen = rows.filter(isOfLater);
      for (const row of chosen) row.notBefore = now;
      return chosen.length;
    },

    async cancel(id, now) {
      const row = rows.find((one) => one.id === id);
      if (!row || row.state === 'done' || row.state === 'cancelled') return false;
      end(row, 'cancelled', now);
      return true;
    },

    async find(id) {
      const row = rows.find((one) => one.id === id);
      return row && asJob(row);
    },

    async last(kind, key) {
      const row = of(kind, key).at(-1);
      return row && asJob(row);
    },

    async list({ states, kind, before = Number.POSITIVE_INFINITY, limit }) {
      const wanted = rows.filter(
        (row) => (states?.includes(row.state) ?? true) && (kind ?? row.kind) === row.kind && row.id < before,
      );
      return wanted.toReversed().slice(0, limit).map(asJob);
    },

    async counts() {
      const groups = Map.groupBy(rows, ({ kind, state }) => JSON.stringify([kind, state]));
      return [...groups.values()].flatMap(([first, ...others]) =>
        first ? [{ kind: first.kind, state: first.state, jobs: others.length + 1 }] : [],
      );
    },

    async oldestFailure() {
      const times = rows.flatMap(({ state, ended }) => (state === 'failed' ? (ended ?? []) : []));
      return times.length === 0 ? undefined : Math.min(...times);
    },

    async nextDue(kinds) {
      const times = rows
        .filter(({ kind }) => kinds.includes(kind))
        .flatMap((row) => {
          if (row.state === 'running') return row.expires;
          return row.state === 'pending' && !isHeldUp(row) ? row.notBefore : [];
        });
      return times.length === 0 ? undefined : Math.min(...times);
    },

    async forget({ since, most }, limit) {
      const over = rows.filter(isOver).toSorted((a, b) => (a.ended ?? 0) - (b.ended ?? 0) || a.id - b.id);
      const aged = over.filter(({ ended = 0 }) => ended < since).length;
      const gone = over.slice(0, Math.min(limit, Math.max(aged, over.length - most)));
      rows = rows.filter((row) => !gone.includes(row));
      return gone.length;
    },
  };
}
