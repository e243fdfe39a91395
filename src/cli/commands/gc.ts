/** `entrepot gc`: index and content are made to agree, and everything to fit within its limits, now. */
import type { LoadOptions } from '../../config/load.ts';
import { administer } from '../administer.ts';
import type { Result } from '../output/result.ts';
import { formatBytes } from '../output/table.ts';

export async function gc(options: LoadOptions): Promise<Result> {
  const report = await administer(options, (administration) => administration.gc());
  const { added, dropped, removed, foreign, unreadable, forgotten, bytes, bytesBefore } = report;
  const found = [
    [added, 'file without an entry taken in', 'files without an entry taken in'],
    [dropped, 'entry without a file dropped', 'entries without a file dropped'],
    [removed, 'damaged file removed', 'damaged files removed'],
    [forgotten, 'name that nothing has forgotten', 'names that nothing has forgotten'],
    [unreadable, 'file or folder cannot be opened', 'files or folders cannot be opened'],
    [foreign, 'file that is none of ours left alone', 'files that are none of ours left alone'],
  ] as const;
  const lines = found
    .filter(([count]) => count > 0)
    .map(([count, one, many]) => `${count} ${count === 1 ? one : many}\n`);
  const freed = Math.max(0, bytesBefore - bytes);
  return {
    exitCode: 0,
    json: report,
    text: `${lines.join('')}${formatBytes(freed)} freed, ${formatBytes(bytes)} stored\n`,
  };
}
