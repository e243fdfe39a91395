/** `entrepot gc`: makes index and content agree, and the cache fit its limits. */
import type { LoadOptions } from '../../config/load.ts';
import { withAdministration } from '../administration.ts';
import type { Result } from '../output/result.ts';
import { counted, formatBytes } from '../output/table.ts';

/** The text names what was found, in counts. */
export async function gc(options: LoadOptions): Promise<Result> {
  const report = await withAdministration(options, (administration) => administration.gc());
  const { buckets, added, dropped, removed, foreign, unreadable, forgotten, unlisted, bytes, bytesBefore } =
    report;
  const found = [
    [added, 'file without an index entry added', 'files without an index entry added'],
    [dropped, 'index entry without a file dropped', 'index entries without a file dropped'],
    [removed, 'damaged file removed', 'damaged files removed'],
    [forgotten, 'unused name forgotten', 'unused names forgotten'],
    [unlisted, 'pushed blob without a manifest removed', 'pushed blobs without a manifest removed'],
    [unreadable, 'file or folder cannot be opened', 'files or folders cannot be opened'],
    [foreign, 'unknown file left alone', 'unknown files left alone'],
  ] as const;
  const lines = found
    .filter(([count]) => count > 0)
    .map(([count, one, many]) => `${count} ${count === 1 ? one : many}\n`);
  for (const { store, removed: gone, bytes: size, over, refused } of buckets) {
    if (gone > 0)
      lines.push(`${counted(gone, 'content')} of ${formatBytes(size)} removed from the bucket ${store}\n`);
    if (over !== undefined)
      lines.push(
        `the bucket ${store} holds ${formatBytes(over)} more than its max_size: it is pushed, pinned or young\n`,
      );
    if (refused !== undefined) lines.push(`the bucket ${store} was not looked through: ${refused}\n`);
  }
  const freed = Math.max(0, bytesBefore - bytes);
  return {
    exitCode: 0,
    json: report,
    text: `${lines.join('')}${formatBytes(freed)} freed, ${formatBytes(bytes)} stored\n`,
  };
}
