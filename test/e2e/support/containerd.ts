/** A containerd of our own, and ctr with the hosts.toml of docs/clients.md. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Client, contentDigests, type Pulled, place } from './client.ts';
import { type Environment, run, start } from './programs.ts';
import { snippet } from './snippets.ts';

export interface Containerd {
  readonly socket: string;
  /** Where it keeps content, named by hash. */
  readonly content: string;
  stop(): Promise<unknown>;
}

/** The CRI plugin is left out: it would want a network configuration, and ctr reads the same files. */
export async function startContainerd(folder: string, env: Environment): Promise<Containerd> {
  const socket = join(folder, 'containerd.sock');
  const file = place(
    join(folder, 'config.toml'),
    `version = 2
root = "${folder}/root"
state = "${folder}/state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
address = "${socket}"
`,
  );
  const program = await start('containerd', ['--config', file], env, /containerd successfully booted/);
  const content = join(folder, 'root/io.containerd.content.v1.content/blobs/sha256');
  return { socket, content, stop: () => program.stop() };
}

/** Pulls with the hosts.toml files in `hosts`. */
export async function pullWithHosts(
  image: string,
  hosts: string,
  folder: string,
  env: Environment,
): Promise<Pulled> {
  const containerd = await startContainerd(join(folder, 'containerd'), env);
  try {
    const ctr = (...args: string[]) => run('ctr', ['--address', containerd.socket, ...args], env);
    await ctr('images', 'pull', '--snapshotter', 'native', '--hosts-dir', hosts, image);
    const listed = await ctr('images', 'list', `name==${image}`);
    const digest = listed.match(/sha256:[0-9a-f]{64}/)?.[0] ?? '';
    const { content } = containerd;
    const present = new Set(contentDigests(content));
    return { digest, layers: layersOf(content, digest, present) };
  } finally {
    await containerd.stop();
  }
}

export const containerd: Client = {
  name: 'containerd',
  programs: ['containerd', 'ctr'],
  registry: 'quay.io',
  keeps: 'layers',
  async pull({ image, entrepot, folder, env }) {
    const root = '/etc/containerd/certs.d';
    const file = '_default/hosts.toml';
    place(join(folder, 'hosts', file), snippet(`${root}/${file}`, entrepot));
    return pullWithHosts(image, join(folder, 'hosts'), folder, env);
  },
};

/** Layers of the image, or of the one image of an index that was pulled. */
function layersOf(content: string, digest: string, present: ReadonlySet<string>): readonly string[] {
  const parsed = JSON.parse(readFileSync(join(content, digest.replace('sha256:', '')), 'utf8')) as {
    layers?: { digest: string }[];
    manifests?: { digest: string }[];
  };
  const child = parsed.manifests?.find((manifest) => present.has(manifest.digest));
  if (child !== undefined) return layersOf(content, child.digest, present);
  return (parsed.layers ?? []).map((layer) => layer.digest).filter((layer) => present.has(layer));
}
