/** `entrepot scrub [GLOB]`: hashes stored content again, and fetches damaged content. */

import type { Damaged, ScrubReport } from '../../admin/scrubs.ts';
import type { LoadOptions } from '../../config/load.ts';
import { size as sizeKind } from '../../config/toml/value-kinds.ts';
import { EntrepotError } from '../../errors.ts';
import { withAdministration } from '../administration.ts';
import { createProgressBars } from '../output/progress-bars.ts';
import type { Result } from '../output/result.ts';
import { countedContent, formatBytes } from '../output/table.ts';

export interface ScrubFlags {
  /** The value of `--rate`: bytes per second at most, such as `50MiB`. Undefined: no limit. */
  readonly rate: string | undefined;
  readonly showsProgress: boolean;
}

/** Bytes per second: a smaller rate without a unit was meant in megabytes. */
const minWithoutUnit = 1024 * 1024;

/** Exit code 1 if content is lost or cannot be read. Throws EntrepotError USAGE for a rate that is no size. */
export async function scrub(
  match: string | undefined,
  flags: ScrubFlags,
  options: LoadOptions,
): Promise<Result> {
  const rate = readRate(flags.rate);
  const bars = createProgressBars(process.stderr, { isShown: flags.showsProgress && process.stderr.isTTY });
  const report = await withAdministration(options, (administration) =>
    administration.scrub(match, {
      rate,
      onProgress: (progress) => bars.show({ name: 'scrub', ...progress }),
    }),
  ).finally(bars.clear);
  const isSound = report.damaged.every(({ repaired }) => repaired) && report.unreadable.length === 0;
  return { exitCode: isSound ? 0 : 1, json: report, text: asText(report) };
}

function readRate(text: string | undefined): number | undefined {
  const kind = sizeKind(1);
  const rate = text === undefined ? undefined : kind.read(text);
  if (text !== undefined && /^\d+$/.test(text) && rate !== undefined && rate < minWithoutUnit) {
    const message = `--rate ${text} means ${text} bytes a second: write ${text}MiB for megabytes, or ${text}B for bytes`;
    throw new EntrepotError('USAGE', message);
  }
  if (text === undefined || rate !== undefined) return rate;
  throw new EntrepotError('USAGE', `--rate must be ${kind.expected}, not ${JSON.stringify(text)}`);
}

function asText({ checked, bytes, damaged, unreadable }: ScrubReport): string {
  const repaired = damaged.filter((one) => one.repaired).length;
  const sums = [
    `${countedContent(checked)} checked, ${formatBytes(bytes)}`,
    `${damaged.length} damaged`,
    ...(repaired > 0 ? [`${repaired} fetched again`] : []),
    ...(damaged.length > repaired ? [`${damaged.length - repaired} lost`] : []),
    ...(unreadable.length > 0 ? [`${unreadable.length} that cannot be checked`] : []),
  ];
  return [
    ...damaged.map(damagedLine),
    ...unreadable.map(({ digest, reason }) => `${digest}: cannot be checked: ${reason}\n`),
    `${sums.join(', ')}\n`,
  ].join('');
}

function damagedLine({ digest, reason, image, repaired, failure }: Damaged): string {
  const what = image === null ? digest : `${image}@${digest}`;
  return `${what}: ${reason}: ${repaired ? 'fetched again' : `lost: ${failure}`}\n`;
}
