/**
 * Rendered files on the disk. A file that is there already is replaced only if `entrepot render` has written it: its first line says so
 * (`renderedMark`). daemon.json has no comments, so it is replaced only if it is told. Either all files can be written, or none is.
 */
import { lstatSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { EntrepotError } from '../../errors.ts';
import { forEveryone, writeFileSafely } from '../../lib/safe-write.ts';
import { systemCode } from '../../lib/thrown.ts';
import { isMissing, readTextFile } from '../files/text-file.ts';
import { renderedMark } from './plan.ts';
import type { Rendered } from './rendered.ts';

export interface WriteOptions {
  /** A folder: the files go in it under their own paths. */
  readonly isFolder: boolean;
  /** Whether files that are not ours are replaced. */
  readonly force: boolean;
}

/**
 * Writes to `out`, an absolute path: a folder, or the one file. Each file is written whole or not at all, and one that is the same already
 * stays as it is. The paths of all files. Throws EntrepotError OUTPUT_UNUSABLE.
 */
export function writeRendered(
  { files }: Pick<Rendered, 'files'>,
  out: string,
  { isFolder, force }: WriteOptions,
): readonly string[] {
  const isIn = isFolder || isDirectory(out);
  const placed = files.map(({ path, text }) => ({ file: isIn ? join(out, path) : out, text }));
  const changed = placed.filter(({ file, text }) => isToBeWritten(file, text, force));
  for (const { file, text } of changed) {
    try {
      writeFileSafely(file, text, forEveryone);
    } catch (error) {
      throw unusable(file, `cannot be written: ${systemCode(error) ?? String(error)}`, error);
    }
  }
  return placed.map(({ file }) => file);
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

/** Throws EntrepotError OUTPUT_UNUSABLE if something is there that may not be replaced. */
function isToBeWritten(file: string, text: string, force: boolean): boolean {
  const found = statusOf(file);
  if (!found) return true;
  // A link would be replaced, not what it leads to.
  if (!found.isFile()) throw unusable(file, 'is no plain file: choose another path with --out');
  if (force) return true;
  const present = readTextFile(file);
  if (present === text) return false;
  if (present === undefined || present.startsWith(`# ${renderedMark}`)) return true;
  throw unusable(
    file,
    'is not from "entrepot render", or cannot say so: merge it by hand, or replace it with --force',
  );
}

function statusOf(file: string) {
  try {
    return lstatSync(file);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw unusable(file, `cannot be looked at: ${systemCode(error) ?? String(error)}`, error);
  }
}

function unusable(file: string, message: string, cause?: unknown): EntrepotError {
  return new EntrepotError('OUTPUT_UNUSABLE', message, { file, cause });
}
