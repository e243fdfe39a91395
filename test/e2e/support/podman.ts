/** podman with storage of its own and the registries.conf of the README; CRI-O and Buildah read the same file. */
import { join } from 'node:path';
import { archivedLayers, type Client, type Pulled, place } from './client.ts';
import { type Environment, run } from './programs.ts';
import { snippet } from './snippets.ts';

const containersConf = `
[engine]
cgroup_manager = "cgroupfs"
events_logger = "none"
lock_type = "file"
`;

/** Pulls with `registries` as the one registries.conf. */
export async function pullWithRegistriesConf(
  image: string,
  registries: string,
  folder: string,
  env: Environment,
): Promise<Pulled> {
  const own = {
    ...env,
    CONTAINERS_CONF: place(join(folder, 'containers.conf'), containersConf),
    CONTAINERS_REGISTRIES_CONF: place(join(folder, 'registries.conf'), registries),
  };
  const folders = ['root', 'runroot', 'tmpdir'].flatMap((name) => [`--${name}`, join(folder, name)]);
  const podman = (...args: string[]) => run('podman', ['--storage-driver', 'vfs', ...folders, ...args], own);

  await podman('pull', '--quiet', image);
  const digest = await podman('image', 'inspect', '--format', '{{.Digest}}', image);
  const archive = join(folder, 'saved.tar');
  await podman('save', '--quiet', '--format', 'docker-archive', '--output', archive, image);
  return { digest: digest.trim(), layers: await archivedLayers(archive, own) };
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
