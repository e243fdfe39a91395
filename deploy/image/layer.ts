/** A layer of an image: the files of a folder as tar and gzip, the same to the byte for the same content. */
import { createHash } from 'node:crypto';
import { lstatSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import { pack } from 'tar-stream';
import { entriesOf } from '../build/entries.ts';

export interface Layer {
  /** As it is stored: gzip. */
  readonly bytes: Buffer;
  /** Digest of the tar. */
  readonly diffId: string;
}

export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/** `date`: seconds since 1970, for every entry. `owners`: paths that do not belong to root. */
export async function layerOf(
  root: string,
  date: number,
  owners: ReadonlyMap<string, Owner> = new Map(),
): Promise<Layer> {
  const tar = pack();
  const whole = buffer(tar);
  for (const { name } of entriesOf(root)) {
    const path = join(root, name);
    const stats = lstatSync(path);
    const { uid, gid } = owners.get(name) ?? { uid: 0, gid: 0 };
    const common = { name, uid, gid, mtime: new Date(date * 1000), mode: stats.mode & 0o7777 };
    if (stats.isDirectory()) tar.entry({ ...common, type: 'directory' });
    else if (stats.isSymbolicLink())
      tar.entry({ ...common, mode: 0o777, type: 'symlink', linkname: readlinkSync(path) });
    else tar.entry({ ...common, type: 'file' }, readFileSync(path));
  }
  tar.finalize();
  const bytes = await whole;
  return { bytes: gzipSync(bytes, { level: 6 }), diffId: digestOf(bytes) };
}

export function digestOf(bytes: Buffer | string): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}
