/** A backup on a disk, as a restore reads it: its manifest, then everything else in any order. Nothing of it is believed. */
import { createReadStream, lstatSync, readdirSync, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseContentPath } from '../airgap/bundle-names.ts';
import { maxFileBytes } from '../airgap/strict-fields.ts';
import { readTar, type TarEntry } from '../airgap/tar-reader.ts';
import { EntrepotError } from '../errors.ts';
import { reasonOf, systemCode } from '../lib/thrown.ts';
import { type Digest, digestAlgorithms } from '../oci/digest.ts';
import { type BackupManifest, backupManifestPath, parseBackupManifest } from './backup-manifest.ts';

export interface BackupBlob {
  /** By its name: the caller hashes the bytes. */
  readonly digest: Digest;
  readonly size: number;
  body(): AsyncIterable<Uint8Array>;
}

export interface ReadBackup {
  readonly manifest: BackupManifest;
  /** Once. Each body is read before the next blob is asked for. */
  blobs(): AsyncGenerator<BackupBlob>;
}

const chunk = 1024 * 1024;

/**
 * `allowed`: files of the data folder that a backup may hold. Throws EntrepotError BUNDLE_INVALID, as reading does, for what is no backup or
 * is cut off.
 */
export async function readBackup(
  path: string,
  allowed: readonly string[],
  signal: AbortSignal,
): Promise<ReadBackup> {
  try {
    return statSync(path).isDirectory()
      ? await readFolder(path, allowed, signal)
      : await readArchive(path, allowed, signal);
  } catch (error) {
    throw explained(path, error);
  }
}

async function readFolder(
  folder: string,
  allowed: readonly string[],
  signal: AbortSignal,
): Promise<ReadBackup> {
  const file = join(folder, backupManifestPath);
  const found = lstatSync(file, { throwIfNoEntry: false });
  if (!found?.isFile() || found.size > maxFileBytes) throw notOne(folder, `it has no ${backupManifestPath}`);
  const manifest = parseBackupManifest(await readFile(file), allowed, file);
  async function* blobs(): AsyncGenerator<BackupBlob> {
    for (const algorithm of digestAlgorithms) {
      for (const name of namesIn(join(folder, 'blobs', algorithm))) {
        const blob = join(folder, 'blobs', algorithm, name);
        const content = parseContentPath(`blobs/${algorithm}/${name}`);
        // A run that ended early has left a draft, or what only the next backup would name.
        if (!content || content.part !== undefined || !lstatSync(blob).isFile()) continue;
        const { size } = statSync(blob);
        yield {
          digest: content.digest,
          size,
          body: () => createReadStream(blob, { highWaterMark: chunk, signal }),
        };
      }
    }
  }
  return { manifest, blobs };
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return [];
    throw error;
  }
}

async function readArchive(
  file: string,
  allowed: readonly string[],
  signal: AbortSignal,
): Promise<ReadBackup> {
  const bytes = createReadStream(file, { highWaterMark: chunk, signal });
  const entries = readTar(bytes, file, {
    entries: Number.MAX_SAFE_INTEGER,
    paths: Number.MAX_SAFE_INTEGER,
  });
  const first = (await entries.next()).value as TarEntry | undefined;
  if (first?.path !== backupManifestPath || first.size > maxFileBytes) {
    await entries.return(undefined);
    throw notOne(file, `its first entry is not ${backupManifestPath}`);
  }
  const parts: Uint8Array[] = [];
  for await (const part of first.body()) parts.push(part);
  const manifest = parseBackupManifest(Buffer.concat(parts), allowed, file);
  async function* blobs(): AsyncGenerator<BackupBlob> {
    for await (const { path, isFolder, target, size, body } of entries) {
      if (isFolder) continue;
      const content = parseContentPath(path);
      if (!content || content.part !== undefined || target !== undefined)
        throw notOne(file, `${JSON.stringify(path.slice(0, 200))} has no place in it`);
      yield { digest: content.digest, size, body };
    }
  }
  return { manifest, blobs };
}

function notOne(file: string, why: string): EntrepotError {
  return new EntrepotError('BUNDLE_INVALID', `is no backup of Entrepot: ${why}`, { file });
}

function explained(file: string, error: unknown): unknown {
  if (error instanceof EntrepotError || systemCode(error) === undefined) return error;
  return new EntrepotError('BUNDLE_INVALID', `cannot be read: ${reasonOf(error)}`, { file, cause: error });
}
