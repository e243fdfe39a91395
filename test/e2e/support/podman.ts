/** podman with storage of its own and the registries.conf of docs/clients.md; CRI-O and Buildah read the same file. */
import { join } from 'node:path';
import { archivedLayers, type Client, type Pulled } from './client.ts';
import { createContainerStorage } from './container-storage.ts';
import type { Environment } from './programs.ts';
import { snippet } from './snippets.ts';

/** Pulls with `registries` as the one registries.conf. */
export async function pullWithRegistriesConf(
  image: string,
  registries: string,
  folder: string,
  env: Environment,
): Promise<Pulled> {
  const { podman } = createContainerStorage(folder, env, registries);
  await podman('pull', '--quiet', image);
  const digest = await podman('image', 'inspect', '--format', '{{.Digest}}', image);
  const archive = join(folder, 'saved.tar');
  await podman('save', '--quiet', '--format', 'docker-archive', '--output', archive, image);
  return { digest: digest.trim(), layers: await archivedLayers(archive, env) };
}

export const podman: Client = {
  name: 'podman',
  programs: ['podman'],
  registry: 'quay.io',
  keeps: 'diffIds',
  pull({ image, entrepot, folder, env }) {
    const registries = snippet('/etc/containers/registries.conf.d/50-entrepot.conf', entrepot);
    return pullWithRegistriesConf(image, registries, folder, env);
  },
};
