/**
 * `entrepot-backup.json`: what a backup holds. Everything else in a backup is a file under its digest, as in the volumes of a bundle:
 *
 *   entrepot-backup.json       first entry of a tar; in a folder the last file to get its name
 *   blobs/sha256/HEX           the index, the files of access control, and each content
 *
 * Which contents there are stands in the index.
 */

import { checkFormat, readFields, readJson } from '../airgap/strict-fields.ts';
import { type SnapshotScope, snapshotScopes } from '../cache/snapshots.ts';
import type { Digest } from '../oci/digest.ts';

export interface BackupManifest {
  /** ISO 8601. */
  readonly created: string;
  /** Version of the program that wrote it. */
  readonly program: string;
  readonly scope: SnapshotScope;
  /** Files of the data folder, the index among them. */
  readonly files: readonly BackupFile[];
  /** Contents with their bytes, and how many bytes. */
  readonly contents: number;
  readonly bytes: number;
}

export interface BackupFile {
  /** In the data folder. */
  readonly path: string;
  readonly digest: Digest;
  readonly size: number;
}

export const backupManifestPath = 'entrepot-backup.json';
export const indexPath = 'index-v1.sqlite';
const format = 1;

/** Ends with a line break. */
export function printBackupManifest(manifest: BackupManifest): Buffer {
  return Buffer.from(`${JSON.stringify({ format, ...manifest }, undefined, 1)}\n`);
}

/** `allowed`: files that a backup may hold beside the index. Throws EntrepotError BUNDLE_INVALID. */
export function parseBackupManifest(
  bytes: Uint8Array,
  allowed: readonly string[],
  file: string,
): BackupManifest {
  const value = readJson(bytes, file);
  checkFormat(value, format, file);
  const known = ['format', 'created', 'program', 'scope', 'files', 'contents', 'bytes'];
  const fields = readFields(value, known, { file });
  const scope =
    snapshotScopes.find((one) => one === fields.text('scope')) ?? fields.wrong('scope', 'is unknown');
  const files = fields.list('files').map((one, at) => {
    const read = readFields(one, ['path', 'digest', 'size'], { file, at: `files[${at}]` });
    const path = read.text('path');
    if (path !== indexPath && !allowed.includes(path)) read.wrong('path', 'is no file of a backup');
    return { path, digest: read.digest('digest'), size: read.amount('size') };
  });
  const paths = files.map(({ path }) => path);
  if (new Set(paths).size !== paths.length || !paths.includes(indexPath))
    fields.wrong('files', 'are not one index');
  return {
    created: fields.text('created'),
    program: fields.text('program'),
    scope,
    files,
    contents: fields.amount('contents'),
    bytes: fields.amount('bytes'),
  };
}
