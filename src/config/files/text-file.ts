/**
 * Reads a configuration file: a regular file, of limited size, as UTF-8. A byte order mark is dropped. A pipe or a device is
 * refused before it is opened, because opening one can block without end.
 */
import { readFileSync, statSync } from 'node:fs';
import { EntrepotError, type ErrorCode } from '../../errors.ts';
import { systemCode } from '../../lib/thrown.ts';

/** Bytes. Configuration files that people write are far smaller. */
export const maxFileBytes = 4 * 1024 * 1024;

/** All optional: by default, UTF-8 of at most `maxFileBytes`, with CONFIG_UNREADABLE as the code. */
export interface TextFileOptions {
  /** The code of the error if the file exists and cannot be used. */
  readonly code?: ErrorCode;
  readonly maxBytes?: number;
  /** `latin1` accepts any bytes: for PEM, which is ASCII but may be among other text. */
  readonly encoding?: 'utf-8' | 'latin1';
  /** True: a file in a folder that this process may not enter counts as missing. */
  readonly closedIsMissing?: boolean;
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** The text; undefined if there is no such file (or a link to none). Throws EntrepotError with the code of `options`. */
export function readTextFile(path: string, options: TextFileOptions = {}): string | undefined {
  const {
    code = 'CONFIG_UNREADABLE',
    maxBytes = maxFileBytes,
    encoding = 'utf-8',
    closedIsMissing = false,
  } = options;
  try {
    const stat = statSync(path);
    if (!stat.isFile()) {
      const found = stat.isDirectory() ? 'a directory' : 'not a regular file';
      throw new EntrepotError(code, `is ${found}: name a file`, { file: path });
    }
    if (stat.size > maxBytes) {
      const message = `is ${stat.size} bytes long; at most ${maxBytes} are read`;
      throw new EntrepotError(code, message, { file: path });
    }
    const bytes = readFileSync(path);
    return encoding === 'latin1' ? bytes.toString('latin1') : utf8.decode(bytes);
  } catch (error) {
    if (error instanceof EntrepotError) throw error;
    if (isMissing(error) || (closedIsMissing && isClosed(error))) return undefined;
    throw new EntrepotError(code, `cannot be read: ${readProblem(error)}`, { file: path, cause: error });
  }
}

/** True if a file system call failed because there is no such file. */
export function isMissing(error: unknown): boolean {
  return systemCode(error) === 'ENOENT';
}

/** `stat` needs no right to the file itself, only the right to enter the folders above it. */
function isClosed(error: unknown): boolean {
  return (
    systemCode(error) === 'EACCES' && error instanceof Error && 'syscall' in error && error.syscall === 'stat'
  );
}

function readProblem(error: unknown): string {
  const code = systemCode(error);
  if (code === 'EACCES') return 'permission denied: give read access to the user that runs Entrepot';
  if (code === 'ENOTDIR') return 'a part of its path is no directory';
  if (code === 'ELOOP') return 'its symbolic links go round in a circle';
  if (code === 'ERR_ENCODING_INVALID_ENCODED_DATA') return 'it is not UTF-8 text';
  return code ?? String(error);
}
