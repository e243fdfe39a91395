/** `entrepot usage`: disk use by registry, repository and quota. */

import type { Usage, UsageOf } from '../../admin/usage.ts';
import type { LoadOptions } from '../../config/load.ts';
import { withAdministration } from '../administration.ts';
import type { Result } from '../output/result.ts';
import { type Column, counted, formatBytes, formatTable } from '../output/table.ts';

/** Tables with the largest first. */
export async function usage(options: LoadOptions): Promise<Result> {
  const measured = await withAdministration(options, (administration) => administration.usage());
  return { exitCode: 0, json: measured, text: asText(measured) };
}

function asText({
  bytes,
  contents,
  manifests,
  reserved,
  hosted,
  uploads,
  maxSize,
  registries,
  repositories,
  quotas,
  buckets,
  cluster,
  facts,
}: Usage): string {
  const limit = maxSize === null ? 'no limit' : `${formatBytes(maxSize)}, ${share(bytes, maxSize)} used`;
  const underWay = reserved === 0 ? '' : `, ${formatBytes(reserved)} in transfer`;
  const ours = hosted.contents === 0 ? '' : `, ${formatBytes(hosted.bytes)} of it hosted`;
  const coming =
    uploads.uploads === 0
      ? ''
      : `, ${counted(uploads.uploads, 'upload')} of ${formatBytes(uploads.bytes)} under way`;
  const head = `${formatBytes(bytes)} in ${counted(contents - manifests, 'blob')} and ${counted(manifests, 'manifest')}${ours}${underWay}${coming}; ${limit}\n`;
  const largestFirst = (all: readonly UsageOf[]) => all.toSorted((a, b) => b.bytes - a.bytes);
  return [
    head + clusterText(cluster) + factsText(facts),
    formatTable(columns('REGISTRY'), largestFirst(registries)),
    formatTable(columns('REPOSITORY'), largestFirst(repositories)),
    ...(quotas.length === 0 ? [] : [formatTable(quotaColumns, quotas)]),
    ...(buckets.length === 0 ? [] : [formatTable(bucketColumns, buckets)]),
  ].join('\n');
}

function clusterText(cluster: Usage['cluster']): string {
  if (!cluster) return '';
  const { self, members, shards } = cluster;
  const others = members.filter((member) => member !== self);
  return `cluster: ${self} owns ${shards} of 256 shards, beside ${others.join(', ') || 'no other replica'}\n`;
}

function factsText(facts: Usage['facts']): string {
  if (!facts) return '';
  const { connected, waiting, behind } = facts;
  const read = behind === null ? 'never read' : `read ${Math.round(behind)} s ago`;
  return `facts: PostgreSQL ${connected ? 'works' : 'is not reached'}, ${waiting} wait to be told, ${read}\n`;
}

function columns(head: string): readonly Column<UsageOf>[] {
  return [
    { head, cell: ({ name }) => name },
    { head: 'SIZE', cell: ({ bytes }) => formatBytes(bytes), isNumber: true },
    { head: 'CONTENTS', cell: ({ contents }) => String(contents), isNumber: true },
    { head: 'TAGS', cell: ({ tags }) => String(tags), isNumber: true },
  ];
}

const quotaColumns: readonly Column<Usage['quotas'][number]>[] = [
  { head: 'QUOTA', cell: ({ match }) => match },
  { head: 'SIZE', cell: ({ bytes }) => formatBytes(bytes), isNumber: true },
  { head: 'LIMIT', cell: ({ maxSize }) => formatBytes(maxSize), isNumber: true },
  { head: 'USED', cell: ({ bytes, maxSize }) => share(bytes, maxSize), isNumber: true },
];

const bucketColumns: readonly Column<Usage['buckets'][number]>[] = [
  { head: 'BUCKET', cell: ({ store }) => store },
  { head: 'SIZE', cell: ({ placed }) => formatBytes(placed.bytes), isNumber: true },
  { head: 'CONTENTS', cell: ({ placed }) => String(placed.contents), isNumber: true },
  { head: 'WAITING', cell: ({ waiting }) => String(waiting.contents), isNumber: true },
  { head: 'STATE', cell: ({ failing }) => (failing ? 'uploads fail' : 'works') },
];

function share(bytes: number, of: number): string {
  return `${Math.round((bytes / of) * 100)}%`;
}
