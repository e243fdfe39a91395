/**
 * `entrepot restore`: a data folder from a backup, whole or not at all.
 *
 *   read-backup --> each blob, hashed --> cache/restored-folder.ts: a stage in the folder, flushed, fitted, then renamed into its place
 *                                    '--> --verify: nothing is written but the index, to a temporary folder
 */
import { createHash } from 'node:crypto';
import { createReadStream, mkdtempSync, rmSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { unusable } from '../cache/data-folder.ts';
import { snapshotContents } from '../cache/index/index-snapshot.ts';
import { isWrongFile } from '../cache/index/sqlite-faults.ts';
import { beginRestore, damagedIndex, type RestoredFolder } from '../cache/restored-folder.ts';
import { formatSize } from '../config/toml/units.ts';
import { EntrepotError } from '../errors.ts';
import { hexHash } from '../lib/bytes/hex-hash.ts';
import { freeOnDisk } from '../lib/disk-space.ts';
import { type Digest, digestAlgorithm, digestHex } from '../oci/digest.ts';
import { maxManifestBytes } from '../oci/manifest.ts';
import { isNamedBy } from '../oci/signed-schema1.ts';
import { type BackupManifest, indexPath } from './backup-manifest.ts';
import { type BackupBlob, type ReadBackup, readBackup } from './read-backup.ts';

export interface RestoreRequest {
  /** File or folder of the backup. */
  readonly from: string;
  /** The data folder; it need not exist. */
  readonly data: string;
  /** Files of a data folder that a backup may hold beside the index. */
  readonly files: readonly string[];
}

export interface RestoreOptions {
  readonly onProgress: (progress: { readonly done: number; readonly size: number }) => void;
  readonly signal: AbortSignal;
  /** Epoch ms. */
  readonly now: number;
}

/** Pushed and imported contents that the backup lists without their bytes. */
export type RestoreReport = BackupManifest & { readonly listed: number };

/**
 * Makes the data folder. Throws EntrepotError: BUNDLE_INVALID for a backup that is not whole and right, INDEX_TOO_NEW, DATA_LOCKED,
 * DATA_UNUSABLE for a folder that is not empty or has no room. The folder is then as empty as it was.
 */
export async function restoreBackup(
  { from, data, files }: RestoreRequest,
  options: RestoreOptions,
): Promise<RestoreReport> {
  const read = await readBackup(from, files, options.signal);
  const { manifest } = read;
  const folder = beginRestore(data);
  try {
    const free = freeOnDisk(data);
    const needed = manifest.bytes + sizeOfFiles(manifest);
    if (needed > free) {
      const message = `has ${formatSize(free)} free, and the backup needs ${formatSize(needed)}`;
      throw new EntrepotError('DATA_UNUSABLE', message, { file: data });
    }
    const arrived = await takeAll(read, from, options, ({ digest }) => placeOf(digest, manifest, folder));
    checkFiles(manifest, arrived, from);
    await placeTwice(manifest, folder);
    const { contents, listed } = await folder.fit({ isList: manifest.scope === 'list', now: options.now });
    checkContents(manifest, contents, from);
    await folder.commit();
    return { ...manifest, listed };
  } catch (error) {
    throw unusable(data, error);
  } finally {
    folder.close();
  }
}

/** Reads and hashes all of a backup, and writes no data folder. Throws EntrepotError BUNDLE_INVALID. */
export async function verifyBackup(
  { from, files }: Pick<RestoreRequest, 'from' | 'files'>,
  options: RestoreOptions,
): Promise<RestoreReport> {
  const read = await readBackup(from, files, options.signal);
  const { manifest } = read;
  const folder = mkdtempSync(join(tmpdir(), 'entrepot-verify-'));
  try {
    const index = join(folder, indexPath);
    const isIndex = ({ digest }: BackupBlob) =>
      manifest.files.some((file) => file.path === indexPath && file.digest === digest);
    const arrived = await takeAll(read, from, options, async (blob) =>
      isIndex(blob) ? { path: index, mode: 0o600 } : undefined,
    );
    checkFiles(manifest, arrived, from);
    const { contents, listed, missing } = countOf(index, arrived, manifest, from);
    if (missing > 0) throw incomplete(from, missing);
    checkContents(manifest, contents, from);
    return { ...manifest, listed };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Contents of the index that have arrived; of the others, those that are hosted. */
function countOf(index: string, arrived: ReadonlySet<Digest>, { scope }: BackupManifest, from: string) {
  const count = { contents: 0, listed: 0, missing: 0 };
  try {
    for (const some of snapshotContents(index)) {
      for (const { digest, isHosted } of some) {
        if (arrived.has(digest)) count.contents += 1;
        else if (isHosted && scope === 'list') count.listed += 1;
        else if (isHosted) count.missing += 1;
      }
    }
  } catch (error) {
    throw isWrongFile(error) ? damagedIndex(from, error) : error;
  }
  return count;
}

function sizeOfFiles({ files }: BackupManifest): number {
  return files.reduce((sum, { size }) => sum + size, 0);
}

interface Place {
  readonly path: string;
  readonly mode: number;
}

/** Keys and tokens are the owner's alone; the rest has the permissions that `cache/` gives it. */
async function placeOf(digest: Digest, { files }: BackupManifest, folder: RestoredFolder): Promise<Place> {
  const file = files.find((one) => one.digest === digest);
  if (!file) return { path: await folder.pathOf(digest), mode: 0o660 };
  return { path: folder.pathOfFile(file.path), mode: file.path === indexPath ? 0o660 : 0o600 };
}

/** Every file of the manifest must be there; contents are compared with the index. */
function checkFiles({ files }: BackupManifest, arrived: ReadonlySet<Digest>, from: string): void {
  const missing = files.find(({ digest }) => !arrived.has(digest));
  if (missing) throw new EntrepotError('BUNDLE_INVALID', `the backup lacks ${missing.path}`, { file: from });
}

/** The same bytes may have been pushed, too. `fit` removes what its index does not name. */
async function placeTwice({ files }: BackupManifest, folder: RestoredFolder): Promise<void> {
  for (const { path, digest } of files) {
    if (path === indexPath) continue;
    const content = { path: await folder.pathOf(digest), mode: 0o660 };
    await writeFlushed(content, createReadStream(folder.pathOfFile(path)));
  }
}

/** There may be more: a file that is content too, or what a run that was killed has not removed from a folder. */
function checkContents({ contents }: BackupManifest, found: number, from: string): void {
  if (found < contents) throw incomplete(from, contents - found);
}

function incomplete(from: string, missing: number): EntrepotError {
  const message = `the backup is not whole: ${missing} contents that its index names are not in it`;
  return new EntrepotError('BUNDLE_INVALID', message, { file: from });
}

/** Hashes each blob on its way to the file that `place` gives; without one it goes nowhere. Gives their digests. */
async function takeAll(
  { manifest, blobs }: ReadBackup,
  from: string,
  { onProgress, signal }: RestoreOptions,
  place: (blob: BackupBlob) => Promise<Place | undefined>,
): Promise<ReadonlySet<Digest>> {
  const size = manifest.bytes + sizeOfFiles(manifest);
  const arrived = new Set<Digest>();
  let done = 0;
  for await (const blob of blobs()) {
    const check = checkOf(blob.digest);
    const to = await place(blob);
    async function* hashed(): AsyncGenerator<Uint8Array> {
      for await (const part of blob.body()) {
        signal.throwIfAborted();
        check.update(part);
        done += part.length;
        onProgress({ done, size });
        yield part;
      }
    }
    await writeFlushed(to, hashed());
    if (!check.isRight())
      throw new EntrepotError('BUNDLE_INVALID', `${blob.digest} has other bytes: the backup is damaged`, {
        file: from,
      });
    arrived.add(blob.digest);
  }
  return arrived;
}

/** A signed manifest of schema 1 is right, too: its digest is that of its payload, a part of its bytes. */
function checkOf(digest: Digest) {
  const hash = createHash(digestAlgorithm(digest));
  let parts: Uint8Array[] | undefined = [];
  let length = 0;
  return {
    update(part: Uint8Array): void {
      hash.update(part);
      length += part.length;
      if (length > maxManifestBytes) parts = undefined;
      parts?.push(part);
    },
    isRight(): boolean {
      if (hash.digest('hex') === digestHex(digest)) return true;
      return parts !== undefined && isNamedBy(Buffer.concat(parts), digest, hexHash);
    },
  };
}

async function writeFlushed(to: Place | undefined, bytes: AsyncIterable<Uint8Array>): Promise<void> {
  if (to === undefined) {
    for await (const _ of bytes);
    return;
  }
  const handle = await open(to.path, 'wx', to.mode);
  try {
    for await (const part of bytes) await handle.appendFile(part);
    await handle.sync();
  } finally {
    await handle.close();
  }
}
