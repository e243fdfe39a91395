/**
 * Where a bundle is written: the folder, what is there already, and the space.
 *
 *   no file .................................. written
 *   a volume of the same bundle, and right ... kept: an export that was killed goes on behind it
 *   a volume of the same bundle, damaged ..... written again
 *   anything else under the name ............. refused: it is another bundle, or is of another program
 */
import { createHash } from 'node:crypto';
import { constants, createReadStream } from 'node:fs';
import { access, lstat, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join } from 'node:path';
import { formatRoundedSize } from '../../config/toml/units.ts';
import { EntrepotError } from '../../errors.ts';
import { isNoRoom } from '../../lib/disk-space.ts';
import { syncPath } from '../../lib/sync-path.ts';
import { reasonOf, systemCode } from '../../lib/thrown.ts';
import { sumsName } from '../bundle-names.ts';
import { readVolumeManifest } from '../volume-manifest.ts';
import { parseSums, printSums, type Sums } from '../volume-sums.ts';
import type { PreparedBundle, PreparedVolume } from './export-request.ts';

export interface Destination {
  readonly folder: string;
  /** Of the files, without their endings. */
  readonly name: string;
}

const nameForm = /^[A-Za-z0-9][A-Za-z0-9._-]{0,199}$/;

/** `to`: an absolute path. Throws EntrepotError USAGE for a name that other tools would have to escape, BUNDLE_UNWRITABLE for the folder. */
export async function openDestination(to: string): Promise<Destination> {
  const [folder, name] = [dirname(to), basename(to)];
  if (!isAbsolute(to) || to.endsWith('/') || !nameForm.test(name)) {
    const message = `--to must be a path that ends with a name of letters, digits, ".", "_" and "-", not ${JSON.stringify(to.slice(0, 300))}`;
    throw new EntrepotError('USAGE', message);
  }
  if ((await lstat(to).catch(() => undefined))?.isDirectory()) {
    const message = `--to is a folder: say the name of the bundle in it, too, such as ${join(to, 'site')}`;
    throw new EntrepotError('USAGE', message, { file: to });
  }
  try {
    await access(folder, constants.W_OK | constants.X_OK);
    await readdir(folder);
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw unwritable(folder, error);
    const message = 'there is no such folder: make it, or mount what belongs there';
    throw new EntrepotError('BUNDLE_UNWRITABLE', message, { file: folder, cause: error });
  }
  return { folder, name };
}

/** The sums of volumes that are there and right. Throws EntrepotError BUNDLE_UNWRITABLE for a file of another bundle. */
export async function finishedVolumes(
  { folder, name }: Destination,
  { bundle, volumes }: Pick<PreparedBundle, 'bundle' | 'volumes'>,
  signal: AbortSignal,
): Promise<Sums> {
  const known = new Map([
    ...(await sumsIn(join(folder, sumsName(name)))),
    ...(await sumsIn(join(folder, `${sumsName(name)}.partial`))),
  ]);
  const sums = new Map<string, string>();
  const isVolume = (file: string) =>
    file.startsWith(name) && /^\.[0-9]{4}\.tar$/.test(file.slice(name.length));
  for (const file of (await readdir(folder)).filter(isVolume).toSorted()) {
    const path = join(folder, file);
    await refuseOther(path, bundle);
    const planned = volumes.find((one) => one.file === file);
    const sum = known.get(file);
    if (planned && sum !== undefined && (await isRight(path, planned, sum, signal))) sums.set(file, sum);
  }
  return sums;
}

async function refuseOther(file: string, bundle: string): Promise<void> {
  const other =
    'is in the way: it is not of the bundle that this export writes. Choose another --to, or remove it';
  const isFile = (await lstat(file)).isFile();
  const found = isFile
    ? await readVolumeManifest(file).catch((error: unknown) => {
        if (error instanceof EntrepotError) return undefined;
        throw unwritable(file, error);
      })
    : undefined;
  if (found?.bundle !== bundle) throw new EntrepotError('BUNDLE_UNWRITABLE', other, { file });
}

async function isRight(
  file: string,
  planned: PreparedVolume,
  sum: string,
  signal: AbortSignal,
): Promise<boolean> {
  if ((await lstat(file)).size !== planned.bytes) return false;
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file, { highWaterMark: 1024 * 1024, signal })) {
    hash.update(chunk as Uint8Array);
  }
  return hash.digest('hex') === sum;
}

async function sumsIn(file: string): Promise<Sums> {
  try {
    return parseSums(await readFile(file, 'utf8'));
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return new Map();
    throw unwritable(file, error);
  }
}

/** Throws EntrepotError BUNDLE_UNWRITABLE where `bytes` have no room. */
export function checkRoom(
  { folder }: Destination,
  bytes: number,
  freeBytes: (folder: string) => number,
): void {
  const free = freeBytes(folder);
  if (bytes <= free) return;
  const message = `has ${formatRoundedSize(free)} free, and the bundle needs ${formatRoundedSize(bytes)}`;
  throw new EntrepotError('BUNDLE_UNWRITABLE', message, { file: folder });
}

/** Keeps the sums of what is written so far, for an export that goes on after a kill. */
export async function keepSums({ folder, name }: Destination, sums: Sums): Promise<void> {
  await writeDraft(join(folder, `${sumsName(name)}.partial`), printSums(sums));
}

/** Gives the sums their last name: the bundle is whole. */
export async function finishSums({ folder, name }: Destination, sums: Sums): Promise<void> {
  const file = join(folder, sumsName(name));
  await writeDraft(`${file}.partial`, printSums(sums));
  await rename(`${file}.partial`, file);
  await syncPath(folder);
}

/** What `file` had stays until all of the text is on the disk: a kill in between costs no sum. */
async function writeDraft(file: string, text: string): Promise<void> {
  const next = `${file}.new`;
  // Removed first, so that no link that stands there is followed.
  await rm(next, { force: true });
  await writeFile(next, text, { mode: 0o644, flag: 'wx', flush: true });
  await rename(next, file);
}

/** What a failed write means for the person that gave `--to`. */
export function unwritable(file: string, error: unknown): EntrepotError {
  const why = isNoRoom(error)
    ? 'has no room left: what is finished is kept, and the same command goes on'
    : reasonOf(error);
  return new EntrepotError('BUNDLE_UNWRITABLE', `cannot be written: ${why}`, { file, cause: error });
}
