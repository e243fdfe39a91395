/**
 * A copy of this machine that a test may change as root: the file system of the machine with a layer of memory on top, in a mount
 * namespace of its own. Network and processes are the machine's.
 */
import { mkdirSync } from 'node:fs';
import { type Environment, type Program, run, searchPath, start } from './programs.ts';

export interface MachineCopy {
  /** Runs a program in it as root; gives its standard output. */
  run(program: string, ...args: readonly string[]): Promise<string>;
  /** Starts a program in it; resolves when a line matches `ready`. */
  start(program: string, args: readonly string[], ready: RegExp): Promise<Program>;
  stop(): Promise<unknown>;
}

const arrange = `
set -e
mount -t tmpfs none "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay none -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
for name in proc sys dev; do mount --rbind "/$name" "$1/root/$name"; done
echo arranged
exec sleep infinity
`;

/** `folder` is where it is mounted. */
export async function copyMachine(folder: string, env: Environment): Promise<MachineCopy> {
  mkdirSync(folder, { recursive: true });
  const unshare = ['--mount', '--propagation', 'private', 'sh', '-c', arrange, 'sh', folder];
  const holder = await start('unshare', unshare, env, /arranged/);
  const enter = ['--mount', '--target', `${holder.pid}`, 'chroot', `${folder}/root`];
  const inside = { HOME: '/root', PATH: searchPath, ...env };
  return {
    run: (program, ...args) => run('nsenter', [...enter, program, ...args], inside),
    start: (program, args, ready) => start('nsenter', [...enter, program, ...args], inside, ready),
    stop: () => holder.stop('SIGKILL'),
  };
}
