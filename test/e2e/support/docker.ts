/** A Docker daemon of our own beside whatever the machine runs, with the daemon.json of the README. */
import { join } from 'node:path';
import { archivedLayers, type Client, place } from './client.ts';
import { startContainerd } from './containerd.ts';
import { run, start } from './programs.ts';
import { snippet } from './snippets.ts';

export const docker: Client = {
  name: 'docker',
  programs: ['dockerd', 'docker', 'containerd', 'unshare'],
  registry: 'docker.io',
  keeps: 'diffIds',
  async pull({ image, entrepot, folder, env }) {
    const socket = `unix://${join(folder, 'docker.sock')}`;
    const config = place(join(folder, 'daemon.json'), snippet('/etc/docker/daemon.json', entrepot));
    const containerd = await startContainerd(join(folder, 'containerd'), env);
    try {
      const isolated = ['--bridge=none', '--iptables=false', '--ip6tables=false', '--storage-driver=vfs'];
      const own = ['data-root', 'exec-root', 'pidfile'].map((name) => `--${name}=${join(folder, name)}`);
      const where = [`--host=${socket}`, `--containerd=${containerd.socket}`, `--config-file=${config}`];
      // In a mount namespace of its own: a mount of its data folder that it may leave ends with it.
      const dockerd = ['--mount', 'dockerd', ...where, ...own, ...isolated];
      const daemon = await start('unshare', dockerd, env, /API listen on/);
      try {
        const docker = (...args: string[]) => run('docker', ['--host', socket, ...args], env);
        const report = await docker('pull', image);
        const archive = join(folder, 'saved.tar');
        await docker('save', '--output', archive, image);
        const digest = report.match(/^Digest: (sha256:[0-9a-f]{64})$/m)?.[1] ?? '';
        return { digest, layers: await archivedLayers(archive, env) };
      } finally {
        await daemon.stop();
      }
    } finally {
      await containerd.stop();
    }
  },
};
