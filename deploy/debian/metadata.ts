/** Texts that a Debian package must have: control, changelog, copyright. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Architecture } from '../build/program-tree.ts';
import { packagesAtRunTime } from '../build/program-tree.ts';

interface Build {
  readonly version: string;
  readonly architecture: Architecture;
  readonly kibibytes: number;
}

/** Node needs a glibc of 2.28 and the C++ library of GCC; the system's certificates are read at start. */
export function control({ version, architecture, kibibytes }: Build, env: NodeJS.ProcessEnv): string {
  return `Package: entrepot
Version: ${version}
Architecture: ${architecture === 'x64' ? 'amd64' : architecture}
Maintainer: ${maintainer(env)}
Installed-Size: ${kibibytes}
Depends: adduser, libc6 (>= 2.28), libgcc-s1, libstdc++6
Recommends: ca-certificates
Section: net
Priority: optional
Description: pull-through mirror for container images
 Entrepot is an HTTP proxy between container runtimes and registries. It reads
 registries.conf, tries each mirror in order before the source, downloads a
 blob once for any number of clients, keeps what passes through within a
 bounded disk, and serves it when every registry is down.
 .
 Node.js is inside, since the one of Debian is older than the program needs.
`;
}

/** The one entry of this build. Debian's format; CHANGELOG.md has what changed. */
export function changelog(
  { version, date }: { version: string; date: number },
  env: NodeJS.ProcessEnv,
): string {
  const day = new Date(date * 1000).toUTCString().replace('GMT', '+0000');
  return `entrepot (${version}) unstable; urgency=medium

  * Release ${version}; CHANGELOG.md of the sources says what has changed.

 -- ${maintainer(env)}  ${day}
`;
}

/** Licences of the program, of each package in it, and of Node. */
export function copyright(checkout: string): string {
  const parts = packagesAtRunTime(checkout).map((path) => {
    const { name, version, license } = JSON.parse(readFileSync(join(checkout, path, 'package.json'), 'utf8'));
    const text =
      license === 'Apache-2.0' ? '/usr/share/common-licenses/Apache-2.0' : licenceOf(join(checkout, path));
    return `\n==== ${name} ${version} (${license}) ====\n\n${text ?? 'It has no licence file.'}`;
  });
  return `Entrepot is under the Apache License 2.0: /usr/share/common-licenses/Apache-2.0

Copyright: the authors of Entrepot

/usr/lib/entrepot/node is Node.js, as its project has built it: https://github.com/nodejs/node/blob/main/LICENSE
Copyright: Node.js contributors, and those of the libraries in it

/usr/lib/entrepot/node_modules has these packages:
${parts.join('\n')}`;
}

function licenceOf(folder: string): string | undefined {
  const name = readdirSync(folder).find((one) => /^licen[cs]e/i.test(one));
  return name !== undefined && existsSync(join(folder, name))
    ? readFileSync(join(folder, name), 'utf8').trim()
    : undefined;
}

function maintainer({ DEBFULLNAME, DEBEMAIL }: NodeJS.ProcessEnv): string {
  return `${DEBFULLNAME ?? 'Entrepot'} <${DEBEMAIL ?? 'root@localhost'}>`;
}
