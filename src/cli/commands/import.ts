/** `entrepot import FILE|FOLDER...`: brings images from archives here, or says with `--verify` what is right and wrong with them. */
import { resolve } from 'node:path';
import { receiptName } from '../../airgap/bundle-names.ts';
import { type ArchiveFile, findArchives } from '../../airgap/import/archive-files.ts';
import type { ImportedImage } from '../../airgap/import/imported-image.ts';
import type { ImportReport } from '../../airgap/import/imports.ts';
import { bundleNameOf, checkSums } from '../../airgap/import/sums.ts';
import { type VerifyReport, verifyVolumes } from '../../airgap/import/verify.ts';
import { printReceipt } from '../../airgap/receipt.ts';
import type { LoadOptions } from '../../config/load.ts';
import { EntrepotError } from '../../errors.ts';
import { forEveryone, writeFileSafely } from '../../lib/safe-write.ts';
import { reasonOf, systemCode } from '../../lib/thrown.ts';
import type { Digest } from '../../oci/digest.ts';
import { withAdministration } from '../administration.ts';
import type { Result } from '../output/result.ts';
import { createStreamProgress, type StreamProgress } from '../output/stream-progress.ts';
import { counted } from '../output/table.ts';

export interface ImportFlags {
  readonly name?: string | undefined;
  readonly verify: boolean;
  readonly cached: boolean;
  /** File of a public key. */
  readonly key?: string | undefined;
  /** Where the receipt goes. */
  readonly receipt?: string | undefined;
  readonly showsProgress: boolean;
}

/**
 * Exit code 3 if an image lacks something. Throws EntrepotError: USAGE, BUNDLE_INVALID, DATA_UNUSABLE where there is no room. Archives that
 * came before the one with the error are in.
 */
export async function importArchives(
  paths: readonly string[],
  flags: ImportFlags,
  options: LoadOptions,
): Promise<Result> {
  const found = findArchives(paths);
  const cancelled = new AbortController();
  const cancel = () => cancelled.abort();
  process.once('SIGINT', cancel);
  process.once('SIGTERM', cancel);
  const size = found.reduce((sum, one) => sum + one.size, 0);
  const progress = createStreamProgress(process.stderr, { size, isShown: flags.showsProgress });
  try {
    const { signal } = cancelled;
    const isChecked = flags.verify || flags.key !== undefined;
    const archives = isChecked ? await checkSums(found, flags.key, signal) : found;
    if (flags.verify) return verified(await verify(archives, flags, { progress, signal }));
    const reports = await withAdministration(
      options,
      async ({ importVolume }) => {
        const all: ImportReport[] = [];
        for (const { file, open } of archives) {
          const bytes = progress.through(open(signal), file);
          all.push(await importVolume({ file, bytes }, { name: flags.name, cached: flags.cached, signal }));
        }
        return all;
      },
      { makesFolder: true },
    );
    return imported(reports, writeReceipt(reports, archives, flags, options));
  } catch (error) {
    if (!cancelled.signal.aborted) throw error;
    const text = 'entrepot: cancelled: what has come is kept, and the same command goes on from there\n';
    return { exitCode: 1, json: { cancelled: true }, text, isFailure: true };
  } finally {
    progress.clear();
    process.off('SIGINT', cancel);
    process.off('SIGTERM', cancel);
  }
}

function verify(
  archives: readonly ArchiveFile[],
  { name }: ImportFlags,
  { progress, signal }: { readonly progress: StreamProgress; readonly signal: AbortSignal },
): Promise<VerifyReport> {
  // By name, because the parts of a blob have to come in order.
  const sorted = archives.toSorted((one, other) => (one.file < other.file ? -1 : 1));
  const volumes = sorted.map(({ file, open }) => ({ file, bytes: progress.through(open(signal), file) }));
  return verifyVolumes(volumes, { name });
}

/** Its path; undefined where no image is done, or no archive is a bundle and no place was named. */
function writeReceipt(
  reports: readonly ImportReport[],
  archives: readonly ArchiveFile[],
  flags: ImportFlags,
  options: LoadOptions,
): string | undefined {
  const digests = new Set<Digest>(reports.flatMap((report) => report.digests));
  const [store] = reports.map((report) => report.store);
  const name = archives.map(({ file }) => bundleNameOf(file)).find((one) => one !== undefined);
  const path = flags.receipt ?? (name === undefined ? undefined : receiptName(name));
  if (digests.size === 0 || store === undefined || path === undefined) return undefined;
  const bundles = reports.flatMap(({ bundle }) => (bundle === null ? [] : [bundle]));
  const created = new Date().toISOString();
  const bytes = printReceipt({ store, created, bundles, digests: [...digests] });
  try {
    writeFileSafely(resolve(options.cwd, path), Buffer.from(bytes).toString('utf8'), forEveryone);
  } catch (error) {
    const message = `cannot be written: ${systemCode(error) ?? reasonOf(error)}. The images are here: import again with another --receipt`;
    throw new EntrepotError('OUTPUT_UNUSABLE', message, { file: path, cause: error });
  }
  return path;
}

function imported(reports: readonly ImportReport[], receipt: string | undefined): Result {
  // What a later archive completed is done, whatever an earlier one said.
  const images = new Map(reports.flatMap((report) => report.images).map((image) => [image.reference, image]));
  const notes = [...new Set(reports.flatMap((report) => report.notes))];
  const unlisted = [...new Set([...images.values()].filter((one) => one.isUnlisted).map(registryOf))];
  const warnings = unlisted.map(
    (registry) =>
      `warning: ${registry} is not listed in registries.conf, so clients are refused: add [[registry]] location = "${registry}"\n`,
  );
  const json = {
    images: [...images.values()],
    archives: reports.map(({ file, format, bundle, volume, volumes }) => ({
      file,
      format,
      bundle,
      volume,
      volumes,
    })),
    notes,
    receipt: receipt ?? null,
  };
  const lines = [
    ...imageLines([...images.values()], 'not visible yet'),
    ...notes.map((note) => `note: ${note}\n`),
    ...(receipt === undefined ? [] : [`receipt: ${receipt}\n`]),
  ];
  const exitCode = json.images.every(({ state }) => state === 'done') ? 0 : 3;
  return { exitCode, json, text: lines.join(''), warnings: warnings.join('') };
}

function verified(report: VerifyReport): Result {
  const { images, problems, notes, assumed } = report;
  const lines = [
    ...imageLines(images, 'would not be visible'),
    ...(assumed > 0
      ? [`note: ${counted(assumed, 'content')} must be there already, from earlier bundles\n`]
      : []),
    ...notes.map((note) => `note: ${note}\n`),
    ...problems.map((problem) => `wrong: ${problem}\n`),
  ];
  const isWhole = images.every(({ state }) => state === 'done');
  return { exitCode: problems.length > 0 ? 1 : isWhole ? 0 : 3, json: report, text: lines.join('') };
}

function imageLines(images: readonly ImportedImage[], consequence: string): readonly string[] {
  return images.map(({ reference, digest, state, lacking, examples, volumes, fullQuota }) => {
    if (state === 'done') return `${reference} ${digest}: done\n`;
    if (fullQuota !== null)
      return `${reference} ${digest}: the quota of ${fullQuota} has no room for it; ${consequence}\n`;
    const where =
      volumes.length > 0 ? `, in volume ${volumes.join(', ')}` : `: ${examples.slice(0, 3).join(', ')}`;
    return `${reference} ${digest}: lacks ${counted(lacking, 'content')}${where}; ${consequence}\n`;
  });
}

function registryOf({ reference }: ImportedImage): string {
  return reference.slice(0, reference.indexOf('/'));
}
