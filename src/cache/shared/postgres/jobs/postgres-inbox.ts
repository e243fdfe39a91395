/** The inbox of jobs in PostgreSQL: a notice counts once, whichever replica its sender reaches. */

import type { NewJob } from '../../../../jobs/job.ts';
import type { InboxBounds, JobInbox, Notice, Taken } from '../../../../jobs/job-inbox.ts';
import type { Postgres, Query } from '../connection.ts';
import { lockSpace, locks } from '../migrations.ts';
import { addJob, jobsChannel } from './add-job.ts';

const forget = `
  delete from inbox where id in (select id from inbox order by id limit $1)
    and (taken < $2 or id <= (select max(id) from inbox) - $3)`;

interface Turn {
  readonly query: Query;
  readonly bounds: InboxBounds;
  readonly now: number;
  /** What was found to have so many; within one transaction they only grow. */
  readonly full: Set<string>;
}

/** Rejects with `Unavailable` while there is no server. Two takes are one after the other: the bounds are exact. */
export function createPostgresInbox({ transaction }: Pick<Postgres, 'transaction'>): JobInbox {
  return {
    async take(notices, bounds, now) {
      if (notices.length === 0) return [];
      return transaction(async (query) => {
        await query(`select pg_advisory_xact_lock(${lockSpace}, ${locks.inbox})`);
        await query(forget, [2 * notices.length, now - bounds.age, bounds.remembered]);
        const turn = { query, bounds, now, full: new Set<string>() };
        const taken: Taken[] = [];
        for (const notice of notices) taken.push(await take(notice, turn));
        await query(`notify ${jobsChannel}`);
        return taken;
      });
    },
  };
}

async function take({ fingerprint, jobs }: Notice, turn: Turn): Promise<Taken> {
  const { query, now, bounds } = turn;
  if (fingerprint !== undefined) {
    const fresh = await query(
      'insert into inbox (fingerprint, taken) values ($1, $2) on conflict (fingerprint) do nothing returning id',
      [fingerprint, now],
    );
    if (fresh.length === 0) return 'known';
  }
  for (const [level, job] of jobs.entries()) {
    const isLast = level === jobs.length - 1;
    if (!isLast && !(await fits(job, bounds.waiting * (level + 1), turn))) continue;
    await addJob(query, job, now);
    return level === 0 ? 'added' : 'gathered';
  }
  throw new Error('a notice has a job');
}

async function fits({ kind, key, cause }: NewJob, most: number, { query, full }: Turn): Promise<boolean> {
  const waiting = await query(
    "select from jobs where kind = $1 and key = $2 and state in ('pending', 'failed')",
    [kind, key],
  );
  if (waiting.length > 0) return true;
  const bound = `${most} ${cause}`;
  if (full.has(bound)) return false;
  const more = await query("select from jobs where state = 'pending' and cause = $1 limit 1 offset $2", [
    cause,
    most - 1,
  ]);
  if (more.length > 0) full.add(bound);
  return more.length === 0;
}
