/**
 * The folder `incoming/`: everything that is on its way into the store. This file alone knows which names it holds:
 *
 *   put-HEX-N ............................ a small content that the store is writing; a kill may leave it
 *   put-index-N .......................... a snapshot of the index that a backup reads; the same
 *   ALGORITHM-HEX-OWNER .................. the bytes of a partial download (`partial-file.ts`)
 *   ALGORITHM-HEX-OWNER.ranges, .ranges.tmp   which of them are there
 *
 * OWNER tells apart the images that load one digest: bytes that nothing has verified serve only the image that loaded them from its own endpoints.
 */
import { readdirSync, rmSync, statSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { syncPath } from '../../lib/sync-path.ts';
import { type Digest, digestHex, parseDigest } from '../../oci/digest.ts';
import { PartialFile, rangesSuffix, temporarySuffix } from './partial-file.ts';

export interface FoundPartial {
  readonly digest: Digest;
  readonly file: PartialFile;
  /** Bytes that are there. */
  readonly bytes: number;
  /** Epoch ms. */
  readonly modified: number;
}

const writePrefix = 'put-';
/** An OWNER is hexadecimal and has this length. */
export const ownerLength = 32;
const partialName = new RegExp(`^([a-z0-9]+)-([0-9a-f]+)-[0-9a-f]{${ownerLength}}$`);

/** Call what removes files only while this process holds the lock of the data folder. */
export class IncomingFolder {
  readonly path: string;
  #writes = 0;

  /** `path`: on the file system of the store. */
  constructor(path: string) {
    this.path = path;
  }

  /** Makes the folder again where it was removed while this process runs. */
  async make(): Promise<void> {
    await mkdir(this.path, { recursive: true });
  }

  /** A path that no other write uses. */
  pathForWrite(digest: Digest): string {
    this.#writes += 1;
    return join(this.path, `${writePrefix}${digestHex(digest)}-${this.#writes}`);
  }

  /** A path for a snapshot of the index. */
  pathForSnapshot(): string {
    this.#writes += 1;
    return join(this.path, `${writePrefix}index-${this.#writes}`);
  }

  /** The partial download of the blob that belongs to `owner`, whether it exists or not. */
  partial(digest: Digest, owner: string): PartialFile {
    return new PartialFile(join(this.path, `${digest.replace(':', '-')}-${owner}`));
  }

  /** Removes the small contents that a killed process had not finished writing. */
  removeUnfinishedWrites(): void {
    for (const name of this.#files()) {
      if (name.startsWith(writePrefix)) rmSync(join(this.path, name), { force: true });
    }
  }

  /**
   * Removes all files after a power cut, and returns how many there were. The ranges of a partial download may list bytes that
   * never came to the disk: a client that asks for a part of the blob would be given zeros.
   */
  clear(): number {
    const names = this.#files();
    for (const name of names) rmSync(join(this.path, name), { force: true });
    return names.length;
  }

  /** Flushes every file at an orderly end: partial downloads can then be resumed whatever happens to the machine. */
  async flush(): Promise<void> {
    for (const name of this.#files()) await syncPath(join(this.path, name));
    await syncPath(this.path);
  }

  /**
   * Tidies the folder at start: removes what cannot be resumed, what is stored already, and what was not touched for `maxAge` ms.
   * Returns what can be resumed, the oldest first, and how many downloads were removed. `now`: epoch ms.
   */
  async sweep(
    isStored: (digest: Digest) => boolean | Promise<boolean>,
    now: number,
    maxAge: number,
  ): Promise<{ resumable: FoundPartial[]; removed: number }> {
    const resumable: FoundPartial[] = [];
    let removed = 0;
    for (const name of new Set(this.#files().map(withoutSuffix))) {
      const file = new PartialFile(join(this.path, name));
      const digest = digestIn(name);
      const stat = statSync(file.path, { throwIfNoEntry: false });
      const saved = digest && file.load();
      if (saved && stat && !(await isStored(digest)) && now - stat.mtimeMs < maxAge) {
        const bytes = saved.ranges.reduce((sum, [start, end]) => sum + end - start, 0);
        // A time in the future comes from a clock that was ahead: it counts as long ago.
        resumable.push({ digest, file, bytes, modified: stat.mtimeMs > now ? 0 : stat.mtimeMs });
      } else {
        file.remove();
        removed += 1;
      }
    }
    resumable.sort((one, other) => one.modified - other.modified);
    return { resumable, removed };
  }

  /** Names of all but folders: `lost+found` is not ours. */
  #files(): string[] {
    const entries = readdirSync(this.path, { withFileTypes: true });
    return entries.filter((entry) => !entry.isDirectory()).map(({ name }) => name);
  }
}

function withoutSuffix(name: string): string {
  const suffix = [temporarySuffix, rangesSuffix].find((end) => name.endsWith(end)) ?? '';
  return name.slice(0, name.length - suffix.length);
}

function digestIn(name: string): Digest | undefined {
  const match = partialName.exec(name);
  return match ? parseDigest(`${match[1]}:${match[2]}`) : undefined;
}
