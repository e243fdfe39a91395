/**
 * Transfers in flight, on disk: `incoming/ALGORITHM-HEX-OWNER` holds the bytes, `incoming/ALGORITHM-HEX-OWNER.ranges` says which of
 * them are there. OWNER is a hash of the image and its endpoint set: bytes that nothing has verified are used by the image alone
 * whose endpoints have given them. The second is replaced by rename after the writes that it describes, so after a kill it never
 * promises bytes that were not written. After a power cut it might: so that empties the folder (docs/decisions/0017).
 */
import { hash } from 'node:crypto';
import { close, constants, mkdirSync, openSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type Digest, parseDigest } from '../../oci/digest.ts';
import type { ByteSource } from '../fetch/byte-source.ts';
import { RangeSet } from './range-set.ts';

/** What an earlier run left of a blob; nothing, with no ranges, for a new one. */
export interface Leftover {
  readonly path: string;
  readonly ranges: RangeSet;
  /** Of the whole blob, as that run knew it. */
  readonly size: number | undefined;
}

export interface SweptFile {
  readonly digest: Digest;
  readonly path: string;
  readonly bytes: number;
  /** Epoch ms. */
  readonly modified: number;
}

interface SavedRanges {
  readonly size: number | null;
  readonly ranges: readonly (readonly [number, number])[];
}

const suffix = '.ranges';
const ownerLength = 32;

/** The file that holds the bytes that this image's endpoints, as they are now, have given of the blob. */
export function incomingPath(
  folder: string,
  digest: Digest,
  { image, endpointSet }: Pick<ByteSource, 'image' | 'endpointSet'>,
): string {
  const owner = hash('sha256', `${image}\n${endpointSet}`, 'hex').slice(0, ownerLength);
  return join(folder, `${digest.replace(':', '-')}-${owner}`);
}

/** The digest in the name of such a file. */
function digestIn(name: string): Digest | undefined {
  const match = /^([a-z0-9]+)-([0-9a-f]+)-[0-9a-f]{32}$/.exec(name);
  return match ? parseDigest(`${match[1]}:${match[2]}`) : undefined;
}

/** `declared`: the size that the image's manifest tells. What was left of a blob of another size is of no use. */
export function findLeftover(path: string, declared?: number): Leftover {
  const saved = loadRanges(path);
  const length = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  const fits = declared === undefined || (saved?.size ?? declared) === declared;
  if (!saved || length === 0 || !fits) return { path, ranges: new RangeSet(), size: undefined };
  const ranges = saved.ranges.map(([start, end]) => ({ start, end: Math.min(end, length) }));
  return { path, ranges: new RangeSet(ranges), size: saved.size ?? undefined };
}

/** Opens the file for reading and writing; `keep` keeps what is in it. */
export function openIncoming(path: string, keep: boolean): number {
  const flags = constants.O_RDWR | constants.O_CREAT | (keep ? 0 : constants.O_TRUNC);
  try {
    return openSync(path, flags, 0o660);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    // The folder was removed while this process runs.
    mkdirSync(dirname(path), { recursive: true });
    return openSync(path, flags, 0o660);
  }
}

export async function saveRanges(path: string, size: number | undefined, ranges: RangeSet): Promise<void> {
  const saved: SavedRanges = { size: size ?? null, ranges: ranges.toJSON() };
  await writeFile(`${path}${suffix}.tmp`, JSON.stringify(saved), { mode: 0o660 });
  await rename(`${path}${suffix}.tmp`, `${path}${suffix}`);
}

/** Removes the file and its ranges. What cannot be removed, on a disk that takes no more writes, is left to the next run. */
export function removeIncoming(path: string): void {
  removeRanges(path);
  remove(path);
}

/** The same for a file that may be large: its bytes are given back on another thread. */
export function dropIncoming(path: string): void {
  const fd = openSync(path, 'r');
  try {
    removeIncoming(path);
  } finally {
    close(fd);
  }
}

export function removeRanges(path: string): void {
  for (const end of [`${suffix}.tmp`, suffix]) remove(`${path}${end}`);
}

function remove(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {}
}

/**
 * Tidies the folder at start: what cannot be resumed, is in the store already, or was left alone for `maxAge` ms is removed.
 * Returns what can be resumed, the oldest first, and how many files were removed.
 */
export function sweepIncoming(
  folder: string,
  isStored: (digest: Digest) => boolean,
  now: number,
  maxAge: number,
): { resumable: SweptFile[]; removed: number } {
  const resumable: SweptFile[] = [];
  let removed = 0;
  const files = readdirSync(folder, { withFileTypes: true }).filter((entry) => !entry.isDirectory());
  const names = new Set(files.map(({ name }) => name.replace(/\.ranges(\.tmp)?$/, '')));
  for (const name of names) {
    const path = join(folder, name);
    const digest = digestIn(name);
    const stat = statSync(path, { throwIfNoEntry: false });
    const saved = digest && loadRanges(path);
    if (saved && stat && !isStored(digest) && now - stat.mtimeMs < maxAge) {
      const bytes = saved.ranges.reduce((sum, [start, end]) => sum + end - start, 0);
      // A clock that was ahead: a time later than now counts as long ago.
      resumable.push({ digest, path, bytes, modified: stat.mtimeMs > now ? 0 : stat.mtimeMs });
    } else {
      removeIncoming(path);
      removed += 1;
    }
  }
  resumable.sort((one, other) => one.modified - other.modified);
  return { resumable, removed };
}

/** Undefined where there is nothing usable: cut short by a power loss, or not readable, is as good as not there. */
function loadRanges(path: string): SavedRanges | undefined {
  try {
    const saved = JSON.parse(readFileSync(`${path}${suffix}`, 'utf8')) as SavedRanges;
    const good =
      (saved.size === null || Number.isSafeInteger(saved.size)) &&
      saved.ranges.every(
        ([start, end]) => Number.isSafeInteger(start) && Number.isSafeInteger(end) && start >= 0,
      );
    return good ? saved : undefined;
  } catch {
    return undefined;
  }
}
