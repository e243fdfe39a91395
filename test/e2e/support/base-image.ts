/**
 * The base image of the Dockerfile, which no registry can be asked for here: made of the files of this machine's Debian
 * packages and of the Node and npm that the tests run on, under the very name that the Dockerfile has. It has what the
 * official image has as far as the Dockerfile uses it: a shell, coreutils, find, certificates, Node, npm, and the user `node`.
 */
import { cpSync, existsSync, lstatSync, mkdirSync, readFileSync, realpathSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { place } from './client.ts';
import type { ContainerStorage } from './container-storage.ts';
import { type Environment, run } from './programs.ts';

/** With the libraries that they and Node need. */
const packages = [
  ...['base-files', 'ca-certificates', 'coreutils', 'dash', 'findutils'],
  ...[
    'libacl1',
    'libattr1',
    'libc6',
    'libgcc-s1',
    'libgmp10',
    'libpcre2-8-0',
    'libselinux1',
    'libssl3',
    'libstdc++6',
  ],
];
const leftOut = /^\/usr\/share\/(?:doc|info|locale|man)\//;

/** Names of the images that the Dockerfile starts from. */
export function baseImages(dockerfile: string): readonly string[] {
  return [...new Set([...dockerfile.matchAll(/^FROM (\S+)/gm)].map(([, name = '']) => name))];
}

/** Puts the image into the storage as `docker.io/library/NAME`. `folder` is for what it takes on the way. */
export async function assembleBaseImage(
  name: string,
  { buildah }: ContainerStorage,
  folder: string,
  env: Environment,
): Promise<void> {
  const container = (await buildah('from', 'scratch')).trim();
  const root = (await buildah('mount', container)).trim();

  // As in every Debian since 12; the packages still name files in /bin and /lib.
  for (const name of ['bin', 'lib', 'lib64', 'sbin']) {
    mkdirSync(join(root, 'usr', name), { recursive: true });
    symlinkSync(`usr/${name}`, join(root, name));
  }
  const listed = await run('dpkg-query', ['--listfiles', ...packages], env);
  const files = listed
    .split('\n')
    .filter((path) => /^\/./.test(path) && !leftOut.test(path) && isThere(path));
  const list = place(join(folder, 'files'), [...new Set(files)].join('\n'));
  const archive = join(folder, 'files.tar');
  await run('tar', ['-c', '-C', '/', '--no-recursion', '-f', archive, '-T', list], env);
  await run('tar', ['-x', '-C', root, '--keep-directory-symlink', '-f', archive], env);

  place(join(root, 'etc/passwd'), 'root:x:0:0::/root:/bin/sh\nnode:x:1000:1000::/home/node:/bin/sh\n');
  place(join(root, 'etc/group'), 'root:x:0:\nnode:x:1000:\n');
  cpSync(process.execPath, join(root, 'usr/local/bin/node'));
  cpSync(npmFolder(), join(root, 'usr/local/lib/node_modules/npm'), { recursive: true });
  symlinkSync('../lib/node_modules/npm/bin/npm-cli.js', join(root, 'usr/local/bin/npm'));

  await buildah('config', '--env', `PATH=${searchPath}`, '--cmd', 'node', container);
  await buildah('umount', container);
  await buildah('commit', '--quiet', '--rm', container, `docker.io/library/${name}`);
}

const searchPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

function isThere(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}

/** The package npm that is first on the PATH. */
function npmFolder(): string {
  const program = (process.env.PATH ?? '')
    .split(':')
    .map((folder) => join(folder, 'npm'))
    .find((path) => existsSync(path));
  const folder = program === undefined ? '' : dirname(dirname(realpathSync(program)));
  const file = join(folder, 'package.json');
  if (!existsSync(file) || JSON.parse(readFileSync(file, 'utf8')).name !== 'npm') {
    throw new Error(`${program ?? 'npm'} is not the npm of a Node distribution`);
  }
  return folder;
}
