/** `entrepot restore FILE|FOLDER`: makes the data folder, or says with `--verify` whether the backup is whole and right. */
import { resolve } from 'node:path';
import { backedUpFiles } from '../../app/app-backups.ts';
import { restoreBackup, verifyBackup } from '../../backup/restore.ts';
import { type LoadOptions, loadConfig } from '../../config/load.ts';
import { EntrepotError } from '../../errors.ts';
import { refuseForeignFolder } from '../folder-owner.ts';
import { createProgressLine } from '../output/progress-line.ts';
import type { Result } from '../output/result.ts';
import { countedContent, formatBytes } from '../output/table.ts';
import { untilSignalled } from './until-signalled.ts';

/** Throws EntrepotError. */
export async function restore(
  path: string,
  { verify, json }: { readonly verify?: true; readonly json?: true },
  options: LoadOptions,
): Promise<Result> {
  const line = createProgressLine(process.stderr, { isShown: json === undefined });
  const from = resolve(options.cwd, path);
  const { data } = loadConfig(options).server;
  if (!verify) refuseForeignFolder(data, options.uid);
  try {
    return await untilSignalled(async (signal) => {
      const restoring = {
        now: Date.now(),
        signal,
        onProgress: ({ done, size }: { readonly done: number; readonly size: number }) =>
          line.show(`${formatBytes(done)} of ${formatBytes(size)}`),
      };
      try {
        const request = { from, data, files: backedUpFiles };
        const report = await (verify ? verifyBackup(request, restoring) : restoreBackup(request, restoring));
        const { created, contents, bytes, listed } = report;
        const what = `${countedContent(contents)}, ${formatBytes(bytes)}, of ${created}`;
        const rest = listed === 0 ? '' : `; ${countedContent(listed)} listed without bytes`;
        const text = verify ? `whole and right: ${what}${rest}\n` : `${data}: ${what}${rest}\n`;
        return { exitCode: 0 as const, json: { ...report, data: verify ? null : data }, text };
      } catch (error) {
        if (!signal.aborted) throw error;
        throw new EntrepotError(
          'DATA_UNUSABLE',
          'the restore was cancelled: the folder is as empty as before',
          {
            file: data,
            cause: error,
          },
        );
      }
    });
  } finally {
    line.clear();
  }
}
