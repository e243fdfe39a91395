/** The buckets of a configuration, and in how many of them a push is before its answer, for `check`. */
import { storePlace } from '../../admin/config-as-json.ts';
import type { PushRule, ServerConfig } from '../../config/config.ts';
import type { StoreConfig, StoreSweep } from '../../config/store-config.ts';
import { storesFor } from '../../config/store-warnings.ts';
import { formatDuration } from '../../config/toml/units.ts';
import { type Column, formatBytes, formatTable } from './table.ts';

/** Tables for people: the nearest bucket first. */
export function placementsAsText({ stores, push }: Pick<ServerConfig, 'stores' | 'push'>): string {
  const durable: readonly Column<PushRule>[] = [
    { head: 'pushes to', cell: ({ match }) => match },
    { head: 'answered once in', cell: (rule) => durableText(rule, storesFor(rule, stores).length) },
  ];
  return [formatTable(columns, stores), ...(push.length === 0 ? [] : [formatTable(durable, push)])].join(
    '\n',
  );
}

/** As `push/durable.ts` counts. `buckets`: those that may have images of the rule. */
function durableText({ mode, durable }: PushRule, buckets: number): string {
  const copies = mode === 'fill' ? 0 : (durable ?? Math.min(1, buckets));
  return copies === 0 ? 'the cache here' : `${copies} of ${buckets} buckets`;
}

const columns: readonly Column<StoreConfig>[] = [
  { head: 'bucket, nearest first', cell: ({ name }) => name },
  { head: 'place', cell: storePlace },
  { head: 'for', cell: ({ placement: { match } }) => (match.length === 0 ? 'all images' : match.join(', ')) },
  { head: 'removed', cell: ({ placement: { sweep } }) => removedText(sweep) },
];

function removedText(sweep: StoreSweep | undefined): string {
  if (!sweep) return 'nothing';
  const { after, maxSize, every } = sweep;
  const what = [
    ...(after === undefined ? [] : [`unlinked for ${formatDuration(after)}`]),
    ...(maxSize === undefined ? [] : [`above ${formatBytes(maxSize)}`]),
  ];
  return `${what.join(', ')}, ${every === undefined ? 'by gc' : `every ${formatDuration(every)}`}`;
}
