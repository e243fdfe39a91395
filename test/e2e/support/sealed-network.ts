/** A network namespace that has a loopback device and nothing else: no route leads out of it, and none into it. */
import { chmodSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { place } from './client.ts';
import { type Environment, run, searchPath, start } from './programs.ts';

export interface SealedNetwork {
  /** With this environment, the programs of tests run in the namespace: `node` (the one that runs the tests), clients and daemons. */
  inside(env: Environment): Environment;
  /** What it can reach: devices and routes. */
  reach(): Promise<{ readonly devices: readonly string[]; readonly routes: string }>;
  stop(): Promise<unknown>;
}

export const sealingPrograms: readonly string[] = ['unshare', 'nsenter', 'ip', 'sleep'];

/** Daemons that a daemon starts are in the namespace with it. */
const clients = ['podman', 'skopeo', 'containerd', 'ctr', 'docker', 'unshare', 'ip'];

/** `folder`: empty, for programs that come first in PATH and enter the namespace. */
export async function sealNetwork(folder: string, env: Environment): Promise<SealedNetwork> {
  const hold = 'ip link set lo up && echo sealed && exec sleep infinity';
  const holder = await start('unshare', ['--net', 'sh', '-c', hold], env, /^sealed$/);
  const enter = (command: string) =>
    `#!/bin/sh\nPATH="\${PATH#*${delimiter}}"\nexec nsenter --net=/proc/${holder.pid}/ns/net ${command} "$@"\n`;
  for (const name of ['node', ...clients]) {
    const command = name === 'node' ? `'${process.execPath}'` : name;
    chmodSync(place(join(folder, name), enter(command)), 0o755);
  }
  const inside = (outside: Environment) => ({ ...outside, PATH: [folder, searchPath].join(delimiter) });
  return {
    inside,
    async reach() {
      const links = await run('ip', ['-json', 'link'], inside(env));
      const devices = (JSON.parse(links) as { ifname: string }[]).map(({ ifname }) => ifname);
      return { devices, routes: (await run('ip', ['route'], inside(env))).trim() };
    },
    stop: () => holder.stop(),
  };
}
