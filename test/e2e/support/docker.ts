/** A Docker daemon of our own beside whatever the machine runs, with the daemon.json of docs/clients.md. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { archivedLayers, type Client, type Pulled, place } from './client.ts';
import { startContainerd } from './containerd.ts';
import { type Environment, run, start } from './programs.ts';
import { snippet } from './snippets.ts';

export const docker: Client = {
  name: 'docker',
  programs: ['dockerd', 'docker', 'containerd', 'unshare'],
  registry: 'docker.io',
  keeps: 'diffIds',
  pull({ image, entrepot, folder, env }) {
    place(join(folder, 'etc/daemon.json'), snippet('/etc/docker/daemon.json', entrepot));
    return pullWithDaemon(image, folder, env);
  },
};

/**
 * Pulls with what is in `folder`/etc as the daemon's /etc/docker. Clients are told what Docker Hub said, never what a mirror
 * did: that the daemon logs, and an error here bears it too.
 */
export function pullWithDaemon(image: string, folder: string, env: Environment): Promise<Pulled> {
  return withDaemon(folder, env, async ({ docker, log }) => {
    const report = await docker('pull', image).catch((error: Error) => {
      const faults = log()
        .split('\n')
        .filter((line) => line.includes('Attempting next endpoint'));
      throw new Error([error.message, ...faults].join('\n'), { cause: error });
    });
    const archive = join(folder, 'saved.tar');
    await docker('save', '--output', archive, image);
    const digest = report.match(/^Digest: (sha256:[0-9a-f]{64})$/m)?.[1] ?? '';
    return { digest, layers: await archivedLayers(archive, env) };
  });
}

export interface Daemon {
  docker(...args: readonly string[]): Promise<string>;
  /** What the daemon has logged so far. */
  log(): string;
}

/** A daemon for as long as `work` takes, with `folder`/etc as its /etc/docker. */
export async function withDaemon<T>(
  folder: string,
  env: Environment,
  work: (daemon: Daemon) => Promise<T>,
): Promise<T> {
  const socket = `unix://${join(folder, 'docker.sock')}`;
  const etc = join(folder, 'etc');
  mkdirSync(etc, { recursive: true });
  const containerd = await startContainerd(join(folder, 'containerd'), env);
  try {
    const isolated = ['--bridge=none', '--iptables=false', '--ip6tables=false', '--storage-driver=vfs'];
    const own = ['data-root', 'exec-root', 'pidfile'].map((name) => `--${name}=${join(folder, name)}`);
    const dockerd = ['dockerd', `--host=${socket}`, `--containerd=${containerd.socket}`, ...own, ...isolated];
    const daemon = await start('unshare', inItsOwnPlace(etc, dockerd), env, /API listen on/);
    try {
      const docker = (...args: readonly string[]) => run('docker', ['--host', socket, ...args], env);
      return await work({ docker, log: () => daemon.stderr });
    } finally {
      await daemon.stop();
    }
  } finally {
    await containerd.stop();
  }
}

/**
 * Arguments of `unshare`. In a mount namespace the daemon sees `etc` as /etc/docker, and a mount of its data folder that it
 * may leave ends with it.
 */
function inItsOwnPlace(etc: string, command: readonly string[]): readonly string[] {
  mkdirSync('/etc/docker', { recursive: true });
  return ['--mount', 'sh', '-c', 'mount --bind "$0" /etc/docker && exec "$@"', etc, ...command];
}
