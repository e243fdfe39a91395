/** A stamp of a file: device, inode, size and times. Another stamp means that the file may have changed. */
import { type BigIntStats, statSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { reasonOf, systemCode } from '../../lib/thrown.ts';
import { isMissing } from './text-file.ts';

/** The stamp of the file at `path`, with links followed. A file that cannot be examined also has a stamp. Throws nothing. */
export function fileStamp(path: string): string {
  try {
    return textOf(statSync(path, { bigint: true }));
  } catch (error) {
    return absence(error);
  }
}

type Stamp = readonly [path: string, stamp: string];

/**
 * Path -> stamp, for files and for the files of configuration in folders: `*.conf`, YAML and JSON. What does not exist is left out. Asynchronous, so that a file system that does
 * not answer blocks only the caller.
 */
export async function stampsOf(places: Iterable<string>): Promise<ReadonlyMap<string, string>> {
  return new Map((await Promise.all([...places].map(stampsAt))).flat());
}

async function stampsAt(place: string): Promise<readonly Stamp[]> {
  const found = await look(place);
  return found === 'folder' ? stampsIn(place) : found;
}

async function stampsIn(folder: string): Promise<readonly Stamp[]> {
  const names = await readdir(folder).catch(() => []);
  const files = names
    .filter((name) => /\.(?:conf|ya?ml|json)$/.test(name))
    .map((name) => look(join(folder, name)));
  return (await Promise.all(files)).flatMap((found) => (found === 'folder' ? [] : found));
}

async function look(path: string): Promise<readonly Stamp[] | 'folder'> {
  try {
    const found = await stat(path, { bigint: true });
    return found.isDirectory() ? 'folder' : [[path, textOf(found)]];
  } catch (error) {
    return isMissing(error) || systemCode(error) === 'ENOTDIR' ? [] : [[path, absence(error)]];
  }
}

function textOf({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): string {
  return `${dev}:${ino}:${size}:${mtimeNs}:${ctimeNs}`;
}

function absence(error: unknown): string {
  return `none: ${reasonOf(error)}`;
}
