/** Bundles on a disk, read back with nothing of what wrote them: every content is hashed. */
import { createHash } from 'node:crypto';
import { createReadStream, readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { extract, type Headers } from 'tar-stream';

export interface TarEntry {
  readonly header: Headers;
  readonly bytes: Buffer;
}

/** The entries of a tar, in order. */
export async function readTar(file: string): Promise<readonly TarEntry[]> {
  const entries: TarEntry[] = [];
  const archive = createReadStream(file).pipe(extract());
  for await (const entry of archive) {
    const chunks: Buffer[] = [];
    for await (const chunk of entry) chunks.push(chunk as Buffer);
    entries.push({ header: entry.header, bytes: Buffer.concat(chunks) });
  }
  return entries;
}

/** Names of the files of a bundle, such as `site.0001.tar`. */
export function filesOf(bundle: string): readonly string[] {
  return readdirSync(dirname(bundle))
    .filter((name) => name.startsWith(`${basename(bundle)}.`))
    .toSorted();
}

/** All contents by the digest that their bytes have, cut ones joined, and the manifest of the first volume. */
export async function readBundle(bundle: string) {
  const parts = new Map<string, Buffer[]>();
  const manifests: Record<string, unknown>[] = [];
  for (const name of filesOf(bundle).filter((one) => one.endsWith('.tar'))) {
    for (const { header, bytes } of await readTar(join(dirname(bundle), name))) {
      if (header.name === 'entrepot-bundle.json') manifests.push(JSON.parse(bytes.toString()));
      const [path = '', part = '1'] = header.name.split('.part-');
      if (!path.startsWith('blobs/')) continue;
      const pieces = parts.get(path) ?? [];
      pieces[Number(part) - 1] = bytes;
      parts.set(path, pieces);
    }
  }
  const contents = new Map<string, Buffer>();
  for (const [path, pieces] of parts) {
    const bytes = Buffer.concat(pieces);
    const algorithm = path.split('/')[1] ?? '';
    const digest = `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}`;
    if (path !== `blobs/${digest.replace(':', '/')}`) throw new Error(`${path} has other bytes`);
    contents.set(digest, bytes);
  }
  return { contents, manifests };
}

/** SHA-256 of each file of a bundle, by name. */
export function hashesOf(bundle: string): Readonly<Record<string, string>> {
  return Object.fromEntries(
    filesOf(bundle).map((name) => {
      const bytes = readFileSync(join(dirname(bundle), name));
      return [name, createHash('sha256').update(bytes).digest('hex')];
    }),
  );
}
