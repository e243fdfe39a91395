/** `entrepot backup --to FILE|FOLDER`: the process that holds the data folder makes the backup, and this command writes it. */
import { resolve } from 'node:path';
import type { BackupReport } from '../../backup/backups.ts';
import { createWriteBackup } from '../../backup/write-backup.ts';
import type { SnapshotScope } from '../../cache/snapshots.ts';
import type { LoadOptions } from '../../config/load.ts';
import { EntrepotError } from '../../errors.ts';
import { withAdministration } from '../administration.ts';
import { createProgressLine } from '../output/progress-line.ts';
import type { Result } from '../output/result.ts';
import { counted, countedContent, formatBytes } from '../output/table.ts';
import { untilSignalled } from './until-signalled.ts';

/** Exit code 3 if hosted content is lost here. Throws EntrepotError. */
export async function backup(
  { to, content, json }: { readonly to: string; readonly content: string; readonly json?: true },
  options: LoadOptions,
): Promise<Result> {
  const line = createProgressLine(process.stderr, { isShown: json === undefined });
  // A slash at the end says that it is a folder, and `resolve` takes it away.
  const path = `${resolve(options.cwd, to)}${to.endsWith('/') ? '/' : ''}`;
  try {
    return await untilSignalled(async (signal) => {
      const onProgress = ({ done, size }: { readonly done: number; readonly size: number }) =>
        line.show(`${formatBytes(done)} of ${formatBytes(size)}`);
      const write = createWriteBackup(path, { signal, onProgress });
      try {
        const report = await withAdministration(options, (administration) =>
          administration.backup(content as SnapshotScope, { signal, write }),
        );
        return resultOf(path, report);
      } catch (error) {
        if (!signal.aborted) throw error;
        const message = 'the backup was cancelled; one that was there before is as it was';
        throw new EntrepotError('BUNDLE_UNWRITABLE', message, { file: path, cause: error });
      }
    });
  } finally {
    line.clear();
  }
}

function resultOf(to: string, report: BackupReport): Result {
  const { contents, bytes, written, lost, inBuckets, scope } = report;
  const what =
    scope === 'list' ? 'index and tokens, no content' : `${countedContent(contents)}, ${formatBytes(bytes)}`;
  const lines = [
    `${to}: ${what}; ${formatBytes(written)} written\n`,
    ...(inBuckets === 0
      ? []
      : [`in buckets alone, so not in the backup: ${counted(inBuckets, 'pushed or imported content')}\n`]),
    ...(lost.length === 0
      ? []
      : [`lost here, so not in the backup: ${counted(lost.length, 'pushed or imported content')}\n`]),
    ...lost.map((digest) => `  ${digest}\n`),
  ];
  return { exitCode: lost.length === 0 ? 0 : 3, json: { to, ...report }, text: lines.join('') };
}
