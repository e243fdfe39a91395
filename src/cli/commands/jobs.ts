/** `entrepot jobs list | show | retry | cancel`: durable jobs, and what became of them. */

import type { ListedJob, RetriedJobs, ShownJob } from '../../admin/job-commands.ts';
import type { LoadOptions } from '../../config/load.ts';
import { EntrepotError } from '../../errors.ts';
import { withAdministration } from '../administration.ts';
import type { Result } from '../output/result.ts';
import { shortTime } from '../output/short-time.ts';
import { type Column, counted, formatTable } from '../output/table.ts';

const columns: readonly Column<ListedJob>[] = [
  { head: 'ID', cell: ({ id }) => `${id}`, isNumber: true },
  { head: 'KIND', cell: ({ kind }) => kind },
  { head: 'ABOUT', cell: ({ key }) => key },
  { head: 'STATE', cell: ({ state }) => state },
  { head: 'TRIES', cell: ({ attempts }) => `${attempts}`, isNumber: true },
  { head: 'CREATED', cell: ({ created }) => shortTime(created) },
  { head: 'WHY', cell: sentenceOf },
];

/** Throws EntrepotError USAGE for a state that does not exist. */
export async function listJobs(
  flags: { readonly state?: string; readonly kind?: string },
  options: LoadOptions,
): Promise<Result> {
  const jobs = await withAdministration(options, (all) => Array.fromAsync(all.jobs.list(flags)));
  return { exitCode: 0, json: jobs, text: jobs.length === 0 ? 'no such jobs\n' : formatTable(columns, jobs) };
}

/** Throws EntrepotError USAGE for a number that no job has. */
export async function showJob(id: string, options: LoadOptions): Promise<Result> {
  const job = await withAdministration(options, (all) => all.jobs.show(readId(id)));
  return { exitCode: 0, json: job, text: asText(job) };
}

/** Exactly one of the three must be given. Throws EntrepotError USAGE otherwise, or for a job that cannot be retried. */
export async function retryJobs(
  id: string | undefined,
  flags: { readonly all?: true; readonly failed?: true },
  options: LoadOptions,
): Promise<Result> {
  const { retried } = await withAdministration(options, (all) => all.jobs.retry(readRetried(id, flags)));
  return { exitCode: 0, json: { retried }, text: `${counted(retried, 'job')} due now\n` };
}

/** Throws EntrepotError USAGE for a job that is over. */
export async function cancelJob(id: string, options: LoadOptions): Promise<Result> {
  const job = await withAdministration(options, (all) => all.jobs.cancel(readId(id)));
  return { exitCode: 0, json: job, text: `job ${job.id} (${job.kind} ${job.key}) is cancelled\n` };
}

function readRetried(
  id: string | undefined,
  { all, failed }: { readonly all?: true; readonly failed?: true },
): RetriedJobs {
  const given = [id, all, failed].filter((one) => one !== undefined);
  if (given.length !== 1) {
    throw new EntrepotError('USAGE', 'name one job by its number, or use --failed or --all');
  }
  if (id !== undefined) return { id: readId(id) };
  return all ? 'all' : 'failed';
}

function readId(text: string): number {
  if (/^[1-9]\d{0,14}$/.test(text)) return Number(text);
  throw new EntrepotError(
    'USAGE',
    `${JSON.stringify(text)} is no number of a job: "entrepot jobs list" shows them`,
  );
}

/** Why it is in its state, in one sentence. */
function sentenceOf({ state, reason, note, due, attempts, started, ended }: ListedJob): string {
  switch (state) {
    case 'pending':
      if (reason !== null) return `runs again from ${shortTime(due ?? '')} on: ${reason}`;
      return `runs from ${shortTime(due ?? '')} on`;
    case 'running':
      return `runs since ${shortTime(started ?? '')}${attempts > 1 ? ` for the ${attempts}. time` : ''}`;
    case 'done':
      return `succeeded at ${shortTime(ended ?? '')}${note ? `: ${note}` : ''}`;
    case 'failed':
      return `failed at ${shortTime(ended ?? '')}: ${reason ?? 'no reason is known'}`;
    case 'cancelled':
      return reason === null ? `was cancelled at ${shortTime(ended ?? '')}` : `was cancelled: ${reason}`;
  }
}

function asText(job: ShownJob): string {
  const { id, kind, key, state, cause, attempts, created, started, ended, progress } = job;
  const rows: readonly (readonly [string, string | null])[] = [
    ['job', `${id}`],
    ['kind', kind],
    ['about', key],
    ['state', `${state}: it ${sentenceOf(job)}`],
    ['cause', cause],
    ['tries', `${attempts}`],
    ['created', shortTime(created)],
    ['last run', started && `${shortTime(started)} to ${ended === null ? 'now' : shortTime(ended)}`],
    ['arguments', job.arguments === null ? null : JSON.stringify(job.arguments)],
    ['progress', progress === null ? null : JSON.stringify(progress)],
  ];
  const lines = rows.flatMap(([name, value]) => (value === null ? [] : [`${name.padEnd(10)}${value}\n`]));
  return lines.join('');
}
