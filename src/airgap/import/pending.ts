/**
 * Images that archives have named and that are not whole yet, one file for each archive in `imports/`:
 *
 *   wanted-HEX.json   {"file", "refs", "omitted", "mayLackPlatforms", "cached", "volumes"}
 *
 * So a volume that comes later, also after a restart, completes what an earlier one has named. The newest import of a tag counts: it takes
 * the tag out of the older files.
 */
import { readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { hexHash } from '../../lib/bytes/hex-hash.ts';
import { writeFileSafely } from '../../lib/safe-write.ts';
import type { Digest } from '../../oci/digest.ts';
import type { WantedRef } from './archive.ts';

export interface Wanted {
  /** The archive that named them: for messages. */
  readonly file: string;
  /** The same for all volumes of a bundle, and for each import of the same archive. */
  readonly key: string;
  readonly refs: readonly WantedRef[];
  readonly omitted: readonly { readonly digest: Digest; readonly why: 'base' | 'platform' }[];
  readonly mayLackPlatforms: boolean;
  /** Its content may be evicted, as what was pulled. */
  readonly cached: boolean;
  /** Volumes of a bundle with the parts of each content, in order; one volume for a content that is not cut. */
  readonly places: readonly (readonly [Digest, readonly number[]])[];
}

export interface PendingImports {
  /** The newest last. */
  all(): Promise<readonly Wanted[]>;
  put(wanted: Wanted): Promise<void>;
  remove(key: string): Promise<void>;
  /** Takes the tags that the newest archive names out of the older ones. */
  supersede(newest: Pick<Wanted, 'key' | 'refs'>): Promise<void>;
}

const nameForm = /^wanted-[a-f0-9]{64}\.json$/;
/** ms. As long as staged contents are kept. */
const maxAge = 14 * 24 * 3_600_000;

/** The key of an archive that has none. */
export function keyOf(refs: readonly WantedRef[]): string {
  return hexHash('sha256', Buffer.from(JSON.stringify(refs)));
}

/** Of the folder of the stage, which exists. `now`: epoch ms. */
export function createPendingImports(folder: string, now: () => number): PendingImports {
  const pathOf = (key: string) => join(folder, `wanted-${key}.json`);
  const pending: PendingImports = {
    async all() {
      const found: { wanted: Wanted; at: number }[] = [];
      for (const name of await readdir(folder)) {
        if (!nameForm.test(name)) continue;
        const path = join(folder, name);
        const { mtimeMs } = await stat(path);
        if (now() - mtimeMs > maxAge) await rm(path, { force: true });
        else found.push({ wanted: JSON.parse(await readFile(path, 'utf8')) as Wanted, at: mtimeMs });
      }
      return found.toSorted((one, other) => one.at - other.at).map(({ wanted }) => wanted);
    },
    async put(wanted) {
      writeFileSafely(pathOf(wanted.key), JSON.stringify(wanted));
    },
    remove: (key) => rm(pathOf(key), { force: true }),
    async supersede({ key, refs }) {
      const tags = new Set(refs.flatMap(({ name, tag }) => (tag === null ? [] : [`${name}:${tag}`])));
      for (const other of await pending.all()) {
        if (other.key === key) continue;
        const left = other.refs.filter(({ name, tag }) => !tags.has(`${name}:${tag}`));
        if (left.length === 0) await pending.remove(other.key);
        else if (left.length < other.refs.length) await pending.put({ ...other, refs: left });
      }
    },
  };
  return pending;
}
