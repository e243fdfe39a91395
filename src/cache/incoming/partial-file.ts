/**
 * One partial download on disk: `NAME` holds the bytes, `NAME.ranges` says which of them are there. The second is replaced by
 * rename after the writes that it describes, so after a kill it never lists bytes that were not written. After a power cut it
 * might, so that empties the folder (docs/decisions/0017).
 *
 * Some calls are synchronous though a request waits for them: the file is opened, its ranges are read and it is removed within one
 * turn of the event loop, so that no other transfer of the same path can come in between. Each costs microseconds, since
 * the folder's names are in memory. The bytes of a large file are given back on another thread (`drop`).
 */
import { close, constants, mkdirSync, openSync, readFileSync, rmSync, statSync } from 'node:fs';
import { rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { systemCode } from '../../lib/thrown.ts';

/** `[start, end]`, in bytes; `end` is exclusive. */
export type SavedRange = readonly [number, number];

export interface SavedRanges {
  /** Bytes of the whole blob, as the run that saved them knew it. */
  readonly size: number | undefined;
  readonly ranges: readonly SavedRange[];
}

/** What follows the name of a partial download in the names of its ranges. */
export const rangesSuffix = '.ranges';
export const temporarySuffix = '.ranges.tmp';

/** The file and its ranges, whether they exist or not. */
export class PartialFile {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  /** Bytes in the file; undefined where there is no file. */
  get length(): number | undefined {
    return statSync(this.path, { throwIfNoEntry: false })?.size;
  }

  /**
   * Opens the file for reading and writing and gives the descriptor; `keep` keeps what is in it, and without it the saved ranges go first:
   * they would say of holes that they are filled. Throws what the system throws.
   */
  open(keep: boolean): number {
    if (!keep) this.removeRanges();
    const flags = constants.O_RDWR | constants.O_CREAT | (keep ? 0 : constants.O_TRUNC);
    try {
      return openSync(this.path, flags, 0o660);
    } catch (error) {
      if (systemCode(error) !== 'ENOENT') throw error;
      // The folder was removed while this process runs.
      mkdirSync(dirname(this.path), { recursive: true });
      return openSync(this.path, flags, 0o660);
    }
  }

  /** Undefined where nothing usable was saved. Ranges that were cut short by a power loss, or cannot be read, count as absent. */
  load(): SavedRanges | undefined {
    try {
      return parseRanges(readFileSync(`${this.path}${rangesSuffix}`, 'utf8'));
    } catch {
      return undefined;
    }
  }

  /** Not twice at the same time: the two saves would share a temporary file. Rejects with what the system refused. */
  async save({ size, ranges }: SavedRanges): Promise<void> {
    const temporary = `${this.path}${temporarySuffix}`;
    await writeFile(temporary, JSON.stringify({ size: size ?? null, ranges }), { mode: 0o660 });
    await rename(temporary, `${this.path}${rangesSuffix}`);
  }

  /** Removes the file and its ranges. What a broken disk does not let go of is left to the next run. */
  remove(): void {
    this.removeRanges();
    attempt(() => rmSync(this.path, { force: true }));
  }

  /**
   * Removes a file that may be large: its bytes are given back on another thread. Throws what the system refused; a file that is
   * gone already is no error.
   */
  drop(): void {
    this.removeRanges();
    let fd: number;
    try {
      fd = openSync(this.path, 'r');
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return;
      throw error;
    }
    try {
      rmSync(this.path, { force: true });
    } finally {
      close(fd);
    }
  }

  removeRanges(): void {
    for (const suffix of [temporarySuffix, rangesSuffix]) {
      attempt(() => rmSync(`${this.path}${suffix}`, { force: true }));
    }
  }
}

/** Throws where the text is no JSON, or of another shape. */
function parseRanges(text: string): SavedRanges | undefined {
  const saved = JSON.parse(text) as { size: number | null; ranges: readonly SavedRange[] };
  const isUsable =
    (saved.size === null || Number.isSafeInteger(saved.size)) &&
    saved.ranges.every(
      ([start, end]) => Number.isSafeInteger(start) && Number.isSafeInteger(end) && start >= 0,
    );
  return isUsable ? { size: saved.size ?? undefined, ranges: saved.ranges } : undefined;
}

function attempt(work: () => void): void {
  try {
    work();
  } catch {}
}
