/** `entrepot list [GLOB]`: the cached images, and how much of each is cached. */

import type { ListedImage } from '../../admin/listed-images.ts';
import type { LoadOptions } from '../../config/load.ts';
import { withAdministration } from '../administration.ts';
import type { Result } from '../output/result.ts';
import { type Column, formatBytes, formatTable } from '../output/table.ts';

const columns: readonly Column<ListedImage>[] = [
  { head: 'IMAGE', cell: ({ image, tag }) => (tag === null ? image : `${image}:${tag}`) },
  { head: 'DIGEST', cell: ({ digest }) => digest.replace(/:(.{12}).*/, ':$1') },
  { head: 'SIZE', cell: ({ bytes }) => formatBytes(bytes), isNumber: true },
  { head: 'COMPLETE', cell: ({ complete, here, needed }) => (complete ? 'yes' : `${here} of ${needed}`) },
  { head: 'PLATFORMS', cell: platformsOf },
  { head: 'LAST USED', cell: ({ lastUsed }) => minutes(lastUsed) },
  { head: 'CHECKED', cell: ({ checked }) => (checked === null ? '-' : minutes(checked)) },
  { head: 'PINNED', cell: ({ pinned }) => (pinned ? 'yes' : '-') },
  { head: 'FROM', cell: ({ from, hosted }) => (hosted ? `${from} (hosted)` : from) },
];

/** `match`: a glob; undefined for all images. */
export async function list(match: string | undefined, options: LoadOptions): Promise<Result> {
  const listed = await withAdministration(options, ({ list }) => Array.fromAsync(list(match)));
  return { exitCode: 0, json: listed, text: asText(listed, match) };
}

function asText(listed: readonly ListedImage[], match: string | undefined): string {
  if (listed.length > 0) return formatTable(columns, listed);
  if (match !== undefined) return `nothing that is cached matches ${match}\n`;
  return 'nothing is cached yet: pull an image through the server, or run "entrepot pull REF"\n';
}

/** The platforms that can be pulled from the cache alone. */
function platformsOf({ platforms }: ListedImage): string {
  if (platforms.length === 0) return '-';
  const here = platforms.filter(({ complete }) => complete);
  if (here.length === platforms.length && here.length > 3) return `all ${here.length}`;
  return here.map(({ platform }) => platform).join(',') || 'none';
}

/** `2026-01-31 09:05Z`. */
function minutes(isoTime: string): string {
  return `${isoTime.slice(0, 10)} ${isoTime.slice(11, 16)}Z`;
}
