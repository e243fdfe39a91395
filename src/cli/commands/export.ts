/** `entrepot export --to NAME REF...`: writes a bundle. What holds the data folder makes it, and this process writes the files. */
import { dirname, join, resolve } from 'node:path';
import { type Destination, openDestination } from '../../airgap/export/destination.ts';
import type {
  ExportProgress,
  ExportReport,
  ExportRequest,
  WriteBundle,
} from '../../airgap/export/export-request.ts';
import { readBase } from '../../airgap/export/read-base.ts';
import { type BundleWriting, createWriteBundle } from '../../airgap/export/write-bundle.ts';
import { readImageList } from '../../airgap/image-list.ts';
import { imagesOfKubernetes } from '../../airgap/kubernetes-images.ts';
import { readTextFile } from '../../config/files/text-file.ts';
import { type LoadOptions, loadConfig } from '../../config/load.ts';
import { namedServer } from '../../config/remote-server.ts';
import { parseSize, sizeForms } from '../../config/toml/units.ts';
import { EntrepotError } from '../../errors.ts';
import { withAdministration } from '../administration.ts';
import { createProgressLine } from '../output/progress-line.ts';
import type { ExitCode, Result } from '../output/result.ts';
import { counted, countedContent, formatBytes } from '../output/table.ts';
import { addressOf, type ClientFiles, writeClientFiles } from './client-files.ts';
import { checkPlatforms } from './pull.ts';

export interface ExportFlags {
  readonly to?: string;
  readonly sync?: readonly string[];
  readonly fromList?: readonly string[];
  readonly fromKubernetes?: readonly string[];
  readonly platform?: readonly string[];
  readonly referrers: boolean;
  readonly volumeSize?: string;
  readonly base?: readonly string[];
  readonly since?: readonly string[];
  readonly check?: string;
  readonly sign?: string;
  readonly docker?: true;
  readonly configFor?: string;
  readonly sealed?: true;
  readonly dryRun?: true;
  readonly json?: true;
}

/** Exit code 3 if some images are left out, or something is lacking for `--check`; 1 if there is no bundle. Throws EntrepotError. */
export async function exportImages(
  references: readonly string[],
  flags: ExportFlags,
  options: LoadOptions,
): Promise<Result> {
  const { env, cwd } = options;
  const request = await requestOf(references, flags, { env, cwd });
  // Before anything is fetched.
  const destination = request.isDryRun ? undefined : await openDestination(request.to);
  const key = flags.sign === undefined ? undefined : await signingKey(resolve(cwd, flags.sign));
  const mirrorOf = addressOf(flags);
  if (mirrorOf && namedServer(options.flags, options.env) !== undefined) {
    const message =
      'files for clients are made of the configuration of this machine: leave out --server, or make them with "entrepot render" where the server runs';
    throw new EntrepotError('USAGE', message);
  }
  const line = createProgressLine(process.stderr, { isShown: flags.json === undefined });
  const stop = new AbortController();
  const abort = () => stop.abort();
  const onProgress = (at: ExportProgress) => line.show(progressText(at));
  process.once('SIGINT', abort);
  process.once('SIGTERM', abort);
  try {
    const report = await withAdministration(
      options,
      (administration) =>
        administration.export(request, {
          onProgress,
          signal: stop.signal,
          write: writeTo(destination, { onProgress, signal: stop.signal }),
        }),
      { makesFolder: true },
    );
    const signature = key && report.sums !== '' ? await sign(key, request.to, report.sums) : undefined;
    line.clear();
    const isWritten = report.bundle !== null && !request.isDryRun;
    const client =
      mirrorOf && isWritten
        ? writeClientFiles(
            loadConfig(options),
            report.images.map(({ reference }) => reference),
            { to: request.to, mirrorOf, sealed: flags.sealed === true },
          )
        : undefined;
    return resultOf(report, request, flags, { signature, client });
  } catch (error) {
    line.clear();
    if (!stop.signal.aborted) throw error;
    const message =
      'the export was cancelled: finished volumes stay, and the same command goes on behind them';
    throw new EntrepotError('BUNDLE_UNWRITABLE', message, { cause: error });
  } finally {
    process.removeListener('SIGINT', abort);
    process.removeListener('SIGTERM', abort);
  }
}

function writeTo(destination: Destination | undefined, writing: BundleWriting): WriteBundle {
  if (destination) return createWriteBundle(destination, writing);
  return () => Promise.reject(new Error('a dry run writes nothing'));
}

async function requestOf(
  references: readonly string[],
  flags: ExportFlags,
  { env, cwd }: Pick<LoadOptions, 'env' | 'cwd'>,
): Promise<ExportRequest> {
  const {
    platform = [],
    sync = [],
    fromList = [],
    fromKubernetes = [],
    base = [],
    since = [],
    check,
  } = flags;
  const absolute = (file: string) => resolve(cwd, file);
  checkPlatforms(platform);
  const images = [
    ...references,
    ...fromList.flatMap((file) => readImageList(textOf(absolute(file)), file)),
    ...fromKubernetes.flatMap((file) => imagesOfKubernetes(textOf(absolute(file)), file)),
  ];
  if (images.length === 0 && sync.length === 0) {
    throw new EntrepotError(
      'USAGE',
      'name images, or --sync, --from-list or --from-kubernetes: there is nothing to export',
    );
  }
  const isDryRun = flags.dryRun === true || check !== undefined;
  if (flags.to === undefined && !isDryRun) {
    throw new EntrepotError('USAGE', 'say with --to where the bundle goes, such as --to /media/site');
  }
  if (check !== undefined && (base.length > 0 || since.length > 0)) {
    throw new EntrepotError('USAGE', '--check takes no --base and no --since: it compares with one receipt');
  }
  return {
    to: absolute(flags.to ?? 'bundle'),
    images: [...new Set(images)],
    syncs: sync,
    platforms: platform,
    referrers: flags.referrers,
    volumeSize: volumeSize(flags.volumeSize),
    base: await readBase((check === undefined ? base : [check]).map(absolute), since.map(absolute)),
    created: creationTime(env.SOURCE_DATE_EPOCH),
    forDocker: flags.docker === true,
    isDryRun,
  };
}

function volumeSize(text: string | undefined): number {
  if (text === undefined) return Number.MAX_SAFE_INTEGER;
  const size = parseSize(text);
  if (size !== undefined && size > 0) return size;
  throw new EntrepotError('USAGE', `--volume-size must be ${sizeForms}, not ${JSON.stringify(text)}`);
}

/** https://reproducible-builds.org/specs/source-date-epoch/ */
function creationTime(seconds: string | undefined): string | undefined {
  if (seconds === undefined || seconds === '') return undefined;
  const time = new Date(/^[0-9]{1,11}$/.test(seconds) ? Number(seconds) * 1000 : Number.NaN);
  if (!Number.isNaN(time.getTime())) return time.toISOString();
  throw new EntrepotError('USAGE', 'SOURCE_DATE_EPOCH must be a number of seconds');
}

function textOf(file: string): string {
  const text = readTextFile(file);
  if (text !== undefined) return text;
  throw new EntrepotError('CONFIG_UNREADABLE', 'there is no such file', { file });
}

async function signingKey(file: string) {
  const { readSigningKey } = await import('../../airgap/sums-signature.ts');
  return readSigningKey(file);
}

async function sign(key: Awaited<ReturnType<typeof signingKey>>, to: string, sums: string): Promise<string> {
  const { signSums } = await import('../../airgap/sums-signature.ts');
  const { signatureName } = await import('../../airgap/bundle-names.ts');
  const { basename } = await import('node:path');
  const file = join(dirname(to), signatureName(basename(to)));
  await signSums(key, file, sums);
  return file;
}

function progressText(at: ExportProgress): string {
  if (at.step === 'bring') {
    const blob = at.size === 0 ? '' : `, ${formatBytes(at.done)} of ${formatBytes(at.size)}`;
    return `image ${at.image} of ${at.images}: ${at.reference}${blob}`;
  }
  const left = at.written > 0 ? ((at.size - at.done) * at.milliseconds) / at.written / 1000 : undefined;
  const rest = left === undefined ? '' : `, ${timeText(left)} left`;
  return `volume ${at.volume} of ${at.volumes}: ${formatBytes(at.done)} of ${formatBytes(at.size)}${rest}`;
}

function timeText(seconds: number): string {
  const whole = Math.ceil(seconds);
  return whole < 120 ? `${whole} s` : `${Math.ceil(whole / 60)} min`;
}

function resultOf(
  report: ExportReport,
  request: ExportRequest,
  flags: ExportFlags,
  { signature, client }: { readonly signature: string | undefined; readonly client: ClientFiles | undefined },
): Result {
  const { bundle, volumes, images, contents, bytes, omitted, failures, notes, missingBytes } = report;
  const { sums: _, digests, ...shown } = report;
  const isCheck = flags.check !== undefined;
  const count = (why: string) => omitted.filter((one) => one.why === why).length;
  const what = `${counted(images.length, 'image')}, ${countedContent(contents)}, ${formatBytes(bytes)}`;
  const head = isCheck
    ? `lacking there: ${countedContent(contents)}, ${formatBytes(bytes)}\n`
    : `${request.isDryRun ? 'would write' : 'wrote'} ${what} in ${counted(volumes.length, 'volume')}\n`;
  const lines = [
    ...(isCheck ? digests.map((digest) => `  ${digest}\n`) : volumes.map(volumeText)),
    ...(missingBytes > 0 ? [`  ${formatBytes(missingBytes)} of it would be fetched first\n`] : []),
    ...(count('base') > 0 ? [`  ${countedContent(count('base'))} left out: the other site has them\n`] : []),
    ...failures.map((failure) => `  failed: ${failure}\n`),
    ...notes.map((note) => `  note: ${note}\n`),
    ...(client?.notes ?? []).map((note) => `  note: ${note}\n`),
    ...(client?.files ?? []).map((file) => `  for clients: ${file}\n`),
    ...(signature === undefined ? [] : [`  signed: ${signature}\n`]),
  ];
  return {
    exitCode: exitCode(report, { isCheck, isDryRun: request.isDryRun }),
    json: {
      ...shown,
      ...(isCheck && { lacking: digests }),
      signature: signature ?? null,
      client: client ?? null,
    },
    text: bundle === null && !isCheck ? `nothing to export\n${lines.join('')}` : `${head}${lines.join('')}`,
  };
}

function volumeText({ file, bytes, sha256, isKept }: ExportReport['volumes'][number]): string {
  const sum = sha256 === null ? '' : ` sha256:${sha256}`;
  return `  ${file} ${formatBytes(bytes)}${sum}${isKept ? ' (was there)' : ''}\n`;
}

function exitCode(
  { bundle, contents, failures }: ExportReport,
  { isCheck, isDryRun }: { readonly isCheck: boolean; readonly isDryRun: boolean },
): ExitCode {
  if (isCheck) return contents > 0 || failures.length > 0 ? 3 : 0;
  if (failures.length > 0) return bundle === null ? 1 : 3;
  return bundle === null && !isDryRun ? 1 : 0;
}
