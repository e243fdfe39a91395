/** `entrepot backup --to FILE|FOLDER`: the server, or the program that holds the data folder, writes the backup. */
import { resolve } from 'node:path';
import type { BackupReport } from '../../backup/backups.ts';
import type { SnapshotScope } from '../../cache/snapshots.ts';
import type { LoadOptions } from '../../config/load.ts';
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
  const request = { to: path, scope: content as SnapshotScope };
  try {
    const report = await untilSignalled((signal) =>
      withAdministration(options, (administration) =>
        administration.backup(request, {
          signal,
          onProgress: ({ done, size }) => line.show(`${formatBytes(done)} of ${formatBytes(size)}`),
        }),
      ),
    );
    return resultOf(report);
  } finally {
    line.clear();
  }
}

function resultOf(report: BackupReport): Result {
  const { to, contents, bytes, written, lost, inBuckets, scope } = report;
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
  return { exitCode: lost.length === 0 ? 0 : 3, json: report, text: lines.join('') };
}
