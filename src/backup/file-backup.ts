/** A backup in one tar, which any tar unpacks. Its manifest is the first entry. */
import { lstatSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { contentPath } from '../airgap/bundle-names.ts';
import { volumeBytes } from '../airgap/export/volume-bytes.ts';
import { entryBytes, type Slice } from '../airgap/export/volume-plan.ts';
import { writeVolume } from '../airgap/export/volume-writer.ts';
import { EntrepotError } from '../errors.ts';
import { backupManifestPath, printBackupManifest } from './backup-manifest.ts';
import {
  type BackupSource,
  type BackupWriting,
  backupMode,
  backupUnwritable,
  checkBackupRoom,
  overBlobs,
} from './backup-place.ts';

/** Two blocks of zeros. */
const tarEnd = 1024;

/** Gives the bytes of the file. What was at `file` before stays until all of the new one is on the disk. */
export async function writeFileBackup(
  file: string,
  source: BackupSource,
  { signal, onBytes, freeBytes }: BackupWriting,
): Promise<number> {
  try {
    await refuseOther(file);
    const manifest = { path: backupManifestPath, bytes: printBackupManifest(source.manifest) };
    let bytes = tarEnd + entryBytes(manifest.path, manifest.bytes.length);
    await overBlobs(source, (digest, size) => {
      bytes += entryBytes(contentPath(digest), size);
    });
    checkBackupRoom(dirname(file), bytes, freeBytes(dirname(file)));
    const entries = { files: [manifest], slices: slicesOf(source), bytes };
    const tar = volumeBytes(entries, { open: ({ digest }) => source.open(digest) });
    await writeVolume(file, tar, bytes, { signal, onBytes, mode: backupMode });
    return bytes;
  } catch (error) {
    throw backupUnwritable(file, error);
  }
}

function* slicesOf({ blobs }: BackupSource): Generator<Slice> {
  for (const [digest, end] of blobs()) yield { path: contentPath(digest), digest, start: 0, end };
}

/** A name that was mistyped must not cost a file that is no backup. */
async function refuseOther(file: string): Promise<void> {
  const found = lstatSync(file, { throwIfNoEntry: false });
  if (!found) return;
  if (found.isFile()) {
    const handle = await open(file, 'r');
    try {
      const { buffer } = await handle.read(Buffer.alloc(100), 0, 100, 0);
      if (buffer.toString('latin1').replace(/\0+$/, '') === backupManifestPath) return;
    } finally {
      await handle.close();
    }
  }
  throw new EntrepotError('BUNDLE_UNWRITABLE', 'is in the way: it is no backup of Entrepot', { file });
}
