/**
 * A backup in a folder, which each run brings up to date: content that is there is not written again, and what the new backup does not
 * name is removed at the end. The manifest says which files count. It is replaced by one rename, so a run that ends early leaves the
 * backup before it, and the next one goes on.
 */
import { constants, lstatSync, readdirSync } from 'node:fs';
import { access, mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { contentPath, parseContentPath } from '../airgap/bundle-names.ts';
import { EntrepotError } from '../errors.ts';
import { syncPath } from '../lib/sync-path.ts';
import { type Digest, digestAlgorithms } from '../oci/digest.ts';
import { backupManifestPath, printBackupManifest } from './backup-manifest.ts';
import {
  type BackupSource,
  type BackupWriting,
  backupMode,
  backupUnwritable,
  checkBackupRoom,
  overBlobs,
} from './backup-place.ts';

const draft = '.partial';
const own = [backupManifestPath, `${backupManifestPath}${draft}`, 'blobs', 'lost+found'];

/** Gives the bytes that were written. */
export async function writeFolderBackup(
  folder: string,
  source: BackupSource,
  { signal, onBytes, freeBytes }: BackupWriting,
): Promise<number> {
  try {
    await mkdir(folder, { mode: 0o700, recursive: true });
    await access(folder, constants.W_OK | constants.X_OK);
    refuseOther(folder);
    for (const algorithm of digestAlgorithms)
      await mkdir(join(folder, 'blobs', algorithm), { mode: 0o700, recursive: true });
    let written = 0;
    const missing: (readonly [Digest, number])[] = [];
    await overBlobs(source, (digest, size) => {
      if (isThere(folder, digest, size)) return;
      missing.push([digest, size]);
      written += size;
    });
    checkBackupRoom(folder, written, freeBytes(folder));
    onBytes(source.bytes - written);
    for (const [digest, size] of missing) {
      await writeBlob(folder, { digest, size }, source, (bytes) => {
        signal.throwIfAborted();
        onBytes(bytes);
      });
    }
    for (const algorithm of digestAlgorithms) await syncPath(join(folder, 'blobs', algorithm));
    await syncPath(join(folder, 'blobs'));
    await writeNew(join(folder, `${backupManifestPath}${draft}`), async (write) =>
      write(printBackupManifest(source.manifest)),
    );
    await rename(join(folder, `${backupManifestPath}${draft}`), join(folder, backupManifestPath));
    await syncPath(folder);
    await removeOthers(folder, source);
    return written;
  } catch (error) {
    throw backupUnwritable(folder, error);
  }
}

function refuseOther(folder: string): void {
  const found = readdirSync(folder).find((name) => !own.includes(name));
  if (found === undefined) return;
  const message = `has ${JSON.stringify(found)} in it, which is no part of a backup: name an empty folder, or a file`;
  throw new EntrepotError('BUNDLE_UNWRITABLE', message, { file: folder });
}

function isThere(folder: string, digest: Digest, size: number): boolean {
  const found = lstatSync(join(folder, contentPath(digest)), { throwIfNoEntry: false });
  return found?.isFile() === true && found.size === size;
}

async function writeBlob(
  folder: string,
  { digest, size }: { readonly digest: Digest; readonly size: number },
  source: BackupSource,
  onBytes: (bytes: number) => void,
): Promise<void> {
  const path = join(folder, contentPath(digest));
  const { stream, close } = await source.open(digest);
  try {
    await writeNew(`${path}${draft}`, async (write) => {
      let left = size;
      for (let chunk = await stream.next(); chunk; chunk = await stream.next()) {
        await write(chunk);
        left -= chunk.length;
        onBytes(chunk.length);
      }
      if (left !== 0) throw new Error(`${digest} came with ${size - left} bytes, and ${size} were announced`);
    });
  } finally {
    stream.close();
    close();
  }
  await rename(`${path}${draft}`, path);
}

/** A file that is on the disk when this resolves. */
async function writeNew(
  path: string,
  fill: (write: (bytes: Uint8Array) => Promise<void>) => Promise<void>,
): Promise<void> {
  await rm(path, { force: true });
  // Exclusive, so that no link that stands there is followed.
  const handle = await open(path, 'wx', backupMode);
  try {
    await fill((bytes) => handle.appendFile(bytes));
    await handle.sync();
    await handle.close();
  } catch (error) {
    await handle.close().catch(() => {});
    await rm(path, { force: true });
    throw error;
  }
}

/** Drafts, and what an earlier backup alone has named. */
async function removeOthers(folder: string, source: BackupSource): Promise<void> {
  for (const algorithm of digestAlgorithms) {
    const names = await readdir(join(folder, 'blobs', algorithm));
    for (const name of names) {
      const path = `blobs/${algorithm}/${name}`;
      const content = parseContentPath(path);
      if (!content || content.part !== undefined || !source.has(content.digest))
        await rm(join(folder, path), { force: true });
    }
  }
}
