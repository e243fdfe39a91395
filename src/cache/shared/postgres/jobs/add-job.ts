/** Adds a job, or joins the one that waits: for the store and for the inbox. */
import type { NewJob } from '../../../../jobs/job.ts';
import type { Query } from '../connection.ts';
import { storable } from './job-row.ts';

/** Told of by `NOTIFY` when a job was added, or may be claimed again. */
export const jobsChannel = 'entrepot_jobs';

const add = `
  insert into jobs as known (kind, key, arguments, state, priority, not_before, cause, created)
  values ($1, $2, $3, 'pending', $4, $5, $6, $7)
  on conflict (kind, key) where state in ('pending', 'failed') do update set
    not_before = case known.state when 'failed' then excluded.not_before else least(known.not_before, excluded.not_before) end,
    priority = case known.state when 'failed' then excluded.priority else least(known.priority, excluded.priority) end,
    arguments = excluded.arguments,
    cause = case when known.state = 'pending' and known.cause = 'manual' then known.cause else excluded.cause end,
    failures = 0, lost = 0, state = 'pending'
  returning id`;

/** Gives its number. Rejects as `query` does. */
export async function addJob(query: Query, job: NewJob, now: number): Promise<number> {
  const { kind, key, arguments: args, priority, notBefore, cause } = job;
  const values = [storable(kind), storable(key), JSON.stringify(args), priority];
  const [row] = await query<{ id: number }>(add, [...values, notBefore, storable(cause), now]);
  if (!row) throw new Error('an added job has a number');
  return row.id;
}
