/**
 * The jobs in PostgreSQL, for all replicas. Each call is one statement or some that are right alone, so none holds a lock while a
 * replica thinks. Of those that want one job `for update skip locked` gives it to one; its owner is the fence: what a replica says of a
 * run that it has lost changes nothing.
 */
import type { Job, JobId, JobState } from '../../../../jobs/job.ts';
import { jobStates } from '../../../../jobs/job.ts';
import { type JobStore, lostRun, lostRunDelay, succeededReason } from '../../../../jobs/job-store.ts';
import { systemCode } from '../../../../lib/thrown.ts';
import { asJob, asText, type JobRow } from '../../../index/jobs/job-row.ts';
import type { Postgres, Query } from '../connection.ts';
import { addJob, jobsChannel } from './add-job.ts';
import { jobColumns, storable } from './job-row.ts';

const hasSuccessor =
  "exists (select from jobs w where w.state in ('pending', 'failed') and w.kind = jobs.kind and w.key = jobs.key)";
const isFree =
  "not exists (select from jobs r where r.state = 'running' and r.kind = j.kind and r.key = j.key)";
const over = "state in ('done', 'failed', 'cancelled')";
const again = "state = 'pending', failures = 0, lost = 0, cause = 'retry'";

const claim = `
  update jobs set state = 'running', owner = $2, expires = $4, started = $3, ended = null, progress = null, attempts = attempts + 1
  where id = (
    select id from jobs j where state = 'pending' and kind = any($1) and not_before <= $3 and ${isFree}
    order by priority, not_before, id limit 1 for update skip locked)
  returning ${jobColumns}`;
const lose = `
  update jobs set state = case when ${hasSuccessor} then 'cancelled' else 'pending' end, reason = $2, lost = lost + 1, not_before = $3,
    ended = $4, owner = null, expires = null
  where id = $1 and state = 'running' and expires <= $4 returning id`;
const done = `
  update jobs set state = 'done', progress = $3, reason = null, failures = 0, lost = 0, ended = $4, owner = null, expires = null
  where id = $1 and state = 'running' and owner = $2 returning id`;
const end = `
  update jobs set state = case when ${hasSuccessor} then 'cancelled' else $3 end,
    reason = case when ${hasSuccessor} then $5 else $4 end, progress = coalesce($6, progress), failures = failures + $7, lost = 0,
    not_before = $8, ended = $9, owner = null, expires = null
  where id = $1 and state = 'running' and owner = $2 returning state`;
const release = `
  update jobs set state = case when ${hasSuccessor} then 'cancelled' else 'pending' end, attempts = attempts - 1, ended = $3,
    owner = null, expires = null
  where id = $1 and state = 'running' and owner = $2`;
const nextDue = `
  select least(
    (select min(not_before) from jobs j where state = 'pending' and kind = any($1) and ${isFree}),
    (select min(expires) from jobs where state = 'running' and kind = any($1))) as due`;
const forget = `
  with old as (
    select id from jobs where ${over} and ended < $1 order by ended, id limit $3),
  excess as (
    select id from jobs where ${over} and id not in (select id from old) order by ended, id
    limit greatest(0, least($3 - (select count(*) from old),
      (select count(*) from jobs where ${over}) - (select count(*) from old) - $2))),
  gone as (delete from jobs where id in (select id from old union all select id from excess) returning id)
  select count(*) as jobs from gone`;

/** Rejects with `Unavailable` while there is no server. Its times are of the callers: they have one clock (`server-time.ts`). */
export function createPostgresJobs({ query }: Pick<Postgres, 'query'>): JobStore {
  /** Tells the other replicas that a job may be claimed. */
  const tell = () => query(`notify ${jobsChannel}`);

  async function loseExpired(kinds: readonly string[], now: number): Promise<void> {
    const rows = await query<{ id: number; lost: number }>(
      "select id, lost from jobs where state = 'running' and kind = any($1) and expires <= $2",
      [kinds, now],
    );
    for (const { id, lost } of rows) {
      await unlessJustAdded(() => query(lose, [id, lostRun, now + lostRunDelay(lost + 1), now]));
    }
  }

  async function one(condition: string, values: readonly unknown[]): Promise<Job | undefined> {
    const [row] = await query<JobRow>(`select ${jobColumns} from jobs where ${condition}`, values);
    return row && asJob(row);
  }

  return {
    async add(job, now) {
      const id = await addJob(query, job, now);
      await tell();
      return id as JobId;
    },
    async claim(kinds, owner, lease, now) {
      await loseExpired(kinds, now);
      const rows = await query<JobRow>(claim, [kinds, owner, now, now + lease]).catch((error: unknown) => {
        // Two of one key: the other one runs now.
        if (isTaken(error)) return [];
        throw error;
      });
      return rows[0] && asJob(rows[0]);
    },
    async beat({ id, owner }, lease, progress, now) {
      const rows = await query(
        "update jobs set expires = $3, progress = coalesce($4, progress) where id = $1 and state = 'running' and owner = $2 returning id",
        [id, owner, now + lease, asText(progress)],
      );
      return rows.length > 0;
    },
    async settle({ id, owner }, { outcome, notBefore }, now) {
      const end = { id, owner, outcome, notBefore: notBefore ?? now, now };
      const state = await unlessJustAdded(() => settled(query, end));
      if (state !== undefined) await tell();
      return state;
    },
    async release({ id, owner }, now) {
      await unlessJustAdded(() => query(release, [id, owner, now]));
      await tell();
    },
    async retry(which, now) {
      const counted = (statement: string, values: readonly unknown[]) =>
        query<{ jobs: number }>(
          `with changed as (${statement} returning id) select count(*) as jobs from changed`,
          values,
        );
      const [row] = await ('id' in which
        ? counted(
            `update jobs set ${again}, not_before = $2 where id = $1
             and (state in ('failed', 'pending') or (state = 'cancelled' and not ${hasSuccessor}))`,
            [which.id, now],
          )
        : counted(
            `update jobs set ${again}, not_before = $2 where state = any($1) and (state = 'failed' or not_before > $2)`,
            [which.states, now],
          ));
      await tell();
      return row?.jobs ?? 0;
    },
    async recall(now) {
      const rows = await query(
        `update jobs set not_before = $1 where state = 'pending' and not_before > $1 and (created > $1 or ended > $1)
         returning id`,
        [now],
      );
      return rows.length;
    },
    async cancel(id, now) {
      const rows = await query(
        `update jobs set state = 'cancelled', ended = $2, owner = null, expires = null
         where id = $1 and state in ('pending', 'running', 'failed') returning id`,
        [id, now],
      );
      if (rows.length > 0) await tell();
      return rows.length > 0;
    },
    find: (id) => one('id = $1', [id]),
    last: (kind, key) => one('kind = $1 and key = $2 order by id desc limit 1', [kind, key]),
    async list({ states = jobStates, kind, before = Number.MAX_SAFE_INTEGER, limit }) {
      const rows = await query<JobRow>(
        `select ${jobColumns} from jobs where state = any($1) and ($2::text is null or kind = $2) and id < $3
         order by id desc limit $4`,
        [states, kind ?? null, before, limit],
      );
      return rows.map(asJob);
    },
    counts: () => query('select kind, state, count(*) as jobs from jobs group by kind, state'),
    async oldestFailure() {
      const [row] = await query<{ ended: number | null }>(
        "select min(ended) as ended from jobs where state = 'failed'",
      );
      return row?.ended ?? undefined;
    },
    async nextDue(kinds) {
      const [row] = await query<{ due: number | null }>(nextDue, [kinds]);
      return row?.due ?? undefined;
    },
    async forget({ since, most }, limit) {
      const [row] = await query<{ jobs: number }>(forget, [since, most, limit]);
      return row?.jobs ?? 0;
    },
  };
}

interface EndOfRun {
  readonly id: JobId;
  readonly owner: string;
  readonly outcome: Parameters<JobStore['settle']>[1]['outcome'];
  readonly notBefore: number;
  readonly now: number;
}

async function settled(
  query: Query,
  { id, owner, outcome, notBefore, now }: EndOfRun,
): Promise<JobState | undefined> {
  if (outcome.kind === 'done') {
    const rows = await query(done, [id, owner, JSON.stringify(outcome.report), now]);
    return rows.length > 0 ? 'done' : undefined;
  }
  const reason = storable(outcome.reason);
  const report = outcome.kind === 'failed' ? asText(outcome.report) : null;
  const state = outcome.kind === 'failed' ? 'failed' : 'pending';
  const failures = outcome.kind === 'again' ? 1 : 0;
  const values = [state, reason, succeededReason(reason), report, failures, notBefore, now];
  const [row] = await query<{ state: JobState }>(end, [id, owner, ...values]);
  return row?.state;
}

function isTaken(error: unknown): boolean {
  return systemCode(error) === '23505';
}

/** A job of the same key was added between the look and the write: the second look sees it. */
async function unlessJustAdded<T>(write: () => Promise<T>): Promise<T> {
  try {
    return await write();
  } catch (error) {
    if (!isTaken(error)) throw error;
    return write();
  }
}
