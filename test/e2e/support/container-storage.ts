/** podman and buildah on storage of their own, which goes with its folder. */
import { join } from 'node:path';
import { place } from './client.ts';
import { type Environment, type Program, run, start } from './programs.ts';

export interface ContainerStorage {
  podman(...args: readonly string[]): Promise<string>;
  buildah(...args: readonly string[]): Promise<string>;
  /** `podman run ARGS`, with the container's output, signals and exit code; resolves when a line matches `ready`. */
  start(args: readonly string[], ready: RegExp): Promise<Program>;
}

/** The limits are such as anybody may hand out. */
const containersConf = `
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]

[engine]
cgroup_manager = "cgroupfs"
events_logger = "none"
lock_type = "file"
`;

/** `registries` is the one registries.conf of both. */
export function createContainerStorage(
  folder: string,
  env: Environment,
  registries: string,
): ContainerStorage {
  const own = {
    ...env,
    CONTAINERS_CONF: place(join(folder, 'containers.conf'), containersConf),
    CONTAINERS_REGISTRIES_CONF: place(join(folder, 'registries.conf'), registries),
  };
  const where = ['root', 'runroot'].flatMap((name) => [`--${name}`, join(folder, name)]);
  const storage = ['--storage-driver', 'vfs', ...where];
  const ofPodman = [...storage, '--tmpdir', join(folder, 'tmpdir')];
  return {
    podman: (...args) => run('podman', [...ofPodman, ...args], own),
    buildah: (...args) => run('buildah', [...storage, ...args], own),
    // runc takes every arrangement of cgroups.
    start: (args, ready) => start('podman', [...ofPodman, '--runtime', 'runc', 'run', ...args], own, ready),
  };
}
