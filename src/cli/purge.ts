/** `entrepot purge REF...`: out of the cache with it, now. */
import type { LoadOptions } from '../config/load.ts';
import { administer } from './administer.ts';
import type { Result } from './result.ts';
import { counted, formatBytes } from './table.ts';

export async function purge(references: readonly string[], options: LoadOptions): Promise<Result> {
  const reports = await administer(options, async (administration) => {
    const all = [];
    for (const reference of references) all.push(await administration.purge(reference));
    return all;
  });
  const lines = reports.map(({ reference, tags, unlinked, removed, bytes }) =>
    tags + unlinked === 0
      ? `${reference}: nothing of it is cached\n`
      : `${reference}: ${counted(tags, 'tag')}, ${counted(removed, 'content')} of ${formatBytes(bytes)} removed\n`,
  );
  return { exitCode: 0, json: reports, text: lines.join('') };
}
