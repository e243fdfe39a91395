/** `entrepot purge REF|GLOB...`: removes images from the cache. */

import type { PurgedImage, PurgeOptions } from '../../admin/purge-images.ts';
import type { LoadOptions } from '../../config/load.ts';
import { withAdministration } from '../administration.ts';
import { clientNameHints } from '../output/client-name.ts';
import type { Result } from '../output/result.ts';
import { counted, countedContent, formatBytes } from '../output/table.ts';

/** Throws EntrepotError PINNED for a reference that is pinned. */
export async function purge(
  what: readonly string[],
  flags: PurgeOptions,
  options: LoadOptions,
): Promise<Result> {
  const found = await withAdministration(options, async (administration) => {
    const all: { one: string; reports: readonly PurgedImage[] }[] = [];
    for (const one of what) all.push({ one, reports: await administration.purge(one, flags) });
    return all;
  });
  const lines = found.flatMap(({ one, reports }) =>
    reports.length === 0 ? [`${one}: nothing that is cached matches\n`] : reports.map(asLines),
  );
  const unfound = found.filter(({ reports }) => reports.every(isNothing)).map(({ one }) => one);
  const hints = clientNameHints(unfound, options);
  const text = [...lines, ...hints.map((hint) => `${hint}\n`)].join('');
  return { exitCode: 0, json: found.flatMap(({ reports }) => reports), text };
}

function isNothing({ tags, unlinked, kept, hosted }: PurgedImage): boolean {
  return tags + unlinked + kept.length + hosted.length === 0;
}

function asLines({ reference, tags, unlinked, removed, bytes, pinned, kept, hosted }: PurgedImage): string {
  if (pinned) return `${reference}: is pinned and stays: --pinned removes it too\n`;
  const sums = `${counted(tags, 'tag')}, ${countedContent(removed)} of ${formatBytes(bytes)} removed`;
  const isNone = tags + unlinked === 0;
  const none = hosted.length > 0 ? 'nothing is removed' : 'nothing of it is cached';
  return [
    `${reference}: ${isNone ? none : sums}\n`,
    ...hosted.map((one) => `${one}: is hosted and stays: --hosted removes it too\n`),
    ...kept.map((one) => `${one}: is pinned and stays: --pinned removes it too\n`),
  ].join('');
}
