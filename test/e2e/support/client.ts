/** What the tests want of a client of Entrepot: pull one image into an empty store and tell what has arrived. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { sha256 } from './images.ts';
import { type Environment, run } from './programs.ts';

export interface Client {
  readonly name: string;
  /** Programs that it needs. */
  readonly programs: readonly string[];
  /** Registry whose images its snippet in docs/clients.md sends to Entrepot. */
  readonly registry: 'docker.io' | 'quay.io';
  /** Whether it keeps layers as they travel or unpacked. */
  readonly keeps: 'layers' | 'diffIds';
  pull(order: PullOrder): Promise<Pulled>;
}

export interface PullOrder {
  /** `registry/repository:tag`. */
  readonly image: string;
  /** `host:port` of Entrepot. */
  readonly entrepot: string;
  /** Empty, the client's own; removed after the test. */
  readonly folder: string;
  readonly env: Environment;
}

export interface Pulled {
  /** Digest of the manifest or index that the tag stands for, as the client reports it. */
  readonly digest: string;
  /** Digests of the bytes of each layer as the client has them. */
  readonly layers: readonly string[];
}

/** Writes a file and the folders above it; gives its path. */
export function place(path: string, content: string): string {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
  return path;
}

/** The layers of an archive as `docker save` and `podman save` write it. */
export async function archivedLayers(archive: string, env: Environment): Promise<readonly string[]> {
  const folder = `${archive}.unpacked`;
  mkdirSync(folder);
  await run('tar', ['-x', '-f', archive, '-C', folder], env);
  const [entry] = JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8')) as { Layers: string[] }[];
  return (entry?.Layers ?? []).map((layer) => sha256(readFileSync(join(folder, layer))));
}

/** Digests of the files in a folder that are named by their own hash. */
export function contentDigests(folder: string): readonly string[] {
  const names = readdirSync(folder).filter((name) => /^[0-9a-f]{64}$/.test(name));
  return names.map((name) => {
    const digest = sha256(readFileSync(join(folder, name)));
    if (digest !== `sha256:${name}`) throw new Error(`${folder}/${name} has the content of ${digest}`);
    return digest;
  });
}
