/** `entrepot replicas list | resync`: how far repositories and tags have followed their registries. */

import type { ListedReplica, ListedRepository } from '../../admin/replica-commands.ts';
import type { LoadOptions } from '../../config/load.ts';
import { EntrepotError } from '../../errors.ts';
import { withAdministration } from '../administration.ts';
import type { Result } from '../output/result.ts';
import { shortTime } from '../output/short-time.ts';
import { type Column, counted, formatBytes, formatTable } from '../output/table.ts';

const repositoryColumns: readonly Column<ListedRepository>[] = [
  { head: 'REPOSITORY', cell: ({ image }) => image },
  { head: 'STATE', cell: ({ state }) => state },
  { head: 'TAGS', cell: ({ tags }) => `${tags}`, isNumber: true },
  { head: 'DONE', cell: ({ done }) => `${done}`, isNumber: true },
  { head: 'VERIFIED', cell: ({ verified }) => shortTime(verified) },
  { head: 'WHY', cell: sentenceOf },
];

const tagColumns: readonly Column<ListedReplica>[] = [
  {
    head: 'TAG',
    cell: ({ image, tag }) => (tag === null ? `${image} (its list of tags)` : `${image}:${tag}`),
  },
  { head: 'STATE', cell: ({ state }) => state },
  { head: 'SYNC', cell: ({ sync }) => sync },
  { head: 'HERE', cell: ({ here }) => here?.slice(0, 19) ?? '-' },
  { head: 'FETCHED', cell: ({ bytes }) => formatBytes(bytes), isNumber: true },
  { head: 'VERIFIED', cell: ({ verified }) => shortTime(verified) },
  { head: 'WHY', cell: sentenceOf },
];

export interface ReplicaFlags {
  readonly state?: string;
  /** Each tag, and not each repository. */
  readonly tags?: true;
}

/** Throws EntrepotError USAGE for a state that does not exist, or for what is no glob. */
export async function listReplicas(
  match: string | undefined,
  { state, tags }: ReplicaFlags,
  options: LoadOptions,
): Promise<Result> {
  const selection = { match, state };
  return await withAdministration(options, async ({ replicas }) =>
    tags
      ? listed(await Array.fromAsync(replicas.tags(selection)), tagColumns)
      : listed(await Array.fromAsync(replicas.repositories(selection)), repositoryColumns),
  );
}

/** Either a glob or `isAll`. Throws EntrepotError USAGE otherwise, or where nothing matches. */
export async function resyncReplicas(
  match: string | undefined,
  isAll: boolean,
  options: LoadOptions,
): Promise<Result> {
  if (isAll === (match !== undefined)) {
    throw new EntrepotError('USAGE', 'name what is to be looked at by a glob, or use --all');
  }
  const { jobs } = await withAdministration(options, ({ replicas }) => replicas.resync(match));
  const text = `${counted(jobs, 'job')} due now: "entrepot jobs list --kind replicate" shows them\n`;
  return { exitCode: 0, json: { jobs }, text };
}

function listed<Row>(rows: readonly Row[], columns: readonly Column<Row>[]): Result {
  return {
    exitCode: 0,
    json: rows,
    text: rows.length === 0 ? 'no such replicas\n' : formatTable(columns, rows),
  };
}

function sentenceOf({ reason, nextAttempt }: ListedRepository | ListedReplica): string {
  if (nextAttempt === null) return reason ?? '';
  return `tried again from ${shortTime(nextAttempt)} on: ${reason ?? 'no reason is known'}`;
}
