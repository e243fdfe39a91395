/** `entrepot pull REF...`: downloads images into the cache. */
import type { LoadOptions } from '../../config/load.ts';
import { EntrepotError } from '../../errors.ts';
import type { WarmProgress, WarmReport } from '../../pull/warm-image.ts';
import { withAdministration } from '../administration.ts';
import { clientNameHints } from '../output/client-name.ts';
import { createProgressBars } from '../output/progress-bars.ts';
import type { Result } from '../output/result.ts';
import { counted, formatBytes } from '../output/table.ts';

export interface PullFlags {
  /** Such as `linux/arm64`; empty for all platforms. */
  readonly platforms: readonly string[];
  readonly showsProgress: boolean;
}

/** As in an image index: `linux/arm64`, `linux/arm/v7`. */
const platformForm = /^[a-z0-9]+\/[a-z0-9_]+(?:\/[a-z0-9.]+)?$/;

/** Exit code 1 if an image could not be pulled whole. Throws EntrepotError USAGE for a platform in another form. */
export async function pull(
  references: readonly string[],
  flags: PullFlags,
  options: LoadOptions,
): Promise<Result> {
  const { platforms, showsProgress } = flags;
  checkPlatforms(platforms);
  const bars = createProgressBars(process.stderr, { isShown: showsProgress && process.stderr.isTTY });
  const onProgress = ({ digest, size, done }: WarmProgress) =>
    bars.show({ name: digest.slice(0, 19), size, done });
  const reports = await withAdministration(
    options,
    async (administration) => {
      const all: WarmReport[] = [];
      for (const reference of references) {
        const pulled = administration.pull(reference, { platforms, onProgress });
        all.push(await pulled.catch((error: unknown) => throwWithHint(error, reference, options)));
        bars.clear();
      }
      return all;
    },
    { makesFolder: true },
  ).finally(bars.clear);
  const missed = references.filter((_, at) => reports[at]?.digest === null);
  const hints = clientNameHints(missed, options);
  return {
    exitCode: reports.some(({ failures }) => failures.length > 0) ? 1 : 0,
    json: reports,
    text: [...reports.map(asText), ...hints.map((hint) => `${hint}\n`)].join(''),
  };
}

/** A reference that no registry is listed for may be a name of `routing.names`. */
function throwWithHint(error: unknown, reference: string, options: LoadOptions): never {
  if (!(error instanceof EntrepotError) || error.code !== 'REFERENCE_INVALID') throw error;
  const [hint] = clientNameHints([reference], options);
  throw hint === undefined
    ? error
    : new EntrepotError(error.code, `${error.message}; ${hint}`, { cause: error });
}

/** Throws EntrepotError USAGE for a platform in another form. */
export function checkPlatforms(platforms: readonly string[]): void {
  const wrong = platforms.find((platform) => !platformForm.test(platform));
  if (wrong === undefined) return;
  const message = `--platform must be OS/ARCH, such as "linux/arm64" or "linux/arm/v7", not ${JSON.stringify(wrong)}`;
  throw new EntrepotError('USAGE', message);
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
