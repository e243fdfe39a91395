/** `entrepot pull REF...`: brings images into the cache, so that the next client finds them there. */
import type { LoadOptions } from '../../config/load.ts';
import { EntrepotError } from '../../errors.ts';
import type { WarmProgress, WarmReport } from '../../pull/warm-image.ts';
import { administer } from '../administer.ts';
import { createProgressBars } from '../output/progress-bars.ts';
import type { Result } from '../output/result.ts';
import { counted, formatBytes } from '../output/table.ts';

export interface PullFlags {
  /** `linux/arm64`; none: all. */
  readonly platforms: readonly string[];
  readonly showsProgress: boolean;
}

/** As indexes have them: `linux/arm64`, `linux/arm/v7`. */
const platformForm = /^[a-z0-9]+\/[a-z0-9_]+(?:\/[a-z0-9.]+)?$/;

/** Throws EntrepotError USAGE. */
export async function pull(
  references: readonly string[],
  flags: PullFlags,
  options: LoadOptions,
): Promise<Result> {
  const { platforms, showsProgress } = flags;
  const wrong = platforms.find((platform) => !platformForm.test(platform));
  if (wrong !== undefined) {
    const message = `--platform must be OS/ARCH, such as "linux/arm64" or "linux/arm/v7", not ${JSON.stringify(wrong)}`;
    throw new EntrepotError('USAGE', message);
  }
  const bars = createProgressBars(process.stderr, { isShown: showsProgress && process.stderr.isTTY });
  const onProgress = ({ digest, size, done }: WarmProgress) =>
    bars.show({ name: digest.slice(0, 19), size, done });
  const reports = await administer(
    options,
    async (administration) => {
      const all: WarmReport[] = [];
      for (const reference of references) {
        all.push(await administration.pull(reference, { platforms, onProgress }));
        bars.clear();
      }
      return all;
    },
    { makesFolder: true },
  ).finally(bars.clear);
  return {
    exitCode: reports.some(({ failures }) => failures.length > 0) ? 1 : 0,
    json: reports,
    text: reports.map(asText).join(''),
  };
}

function asText(report: WarmReport): string {
  const { reference, digest, manifests, blobs, bytes, fetched, failures, notes } = report;
  const what = `${counted(manifests, 'manifest')}, ${counted(blobs, 'blob')}, ${formatBytes(bytes)}`;
  const lines = [
    ...failures.map((failure) => `  failed: ${failure}\n`),
    ...notes.map((note) => `  note: ${note}\n`),
  ].join('');
  if (digest === null) return `${reference}: not pulled\n${lines}`;
  return `${reference} ${digest}: ${what}, ${formatBytes(fetched)} of it fetched\n${lines}`;
}
