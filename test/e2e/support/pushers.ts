/**
 * Clients that push to Entrepot: each logs in as its documentation says, pushes an image, a chart or an artifact, and pulls it back in
 * another folder. What went in and what came out are texts: equal, or one of the two is wrong.
 */
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { chartVersion, packageChart } from './charts.ts';
import { place } from './client.ts';
import { createContainerStorage } from './container-storage.ts';
import { withDaemon } from './docker.ts';
import { type Image, sha256 } from './images.ts';
import type { Account } from './origin.ts';
import { type Environment, run } from './programs.ts';
import { contentOf } from './readers.ts';

export interface Desk {
  /** `HOST:PORT` of Entrepot, plain HTTP. */
  readonly host: string;
  /** Such as `images.local/ci/skopeo`. */
  readonly repository: string;
  readonly account: Account;
  /** Of two platforms. */
  readonly index: Image;
  /** Of this machine's platform. */
  readonly image: Image;
  /** Empty; the client's own. */
  readonly folder: string;
  readonly env: Environment;
}

export interface RoundTrip {
  readonly pushed: string;
  readonly pulled: string;
}

export interface Pusher {
  readonly name: string;
  readonly programs: readonly string[];
  roundTrip(desk: Desk): Promise<RoundTrip>;
}

const target = ({ host, repository }: Desk, tag = '1') => `${host}/${repository}:${tag}`;
const login = ({ account }: Desk) => ['--username', account.username, '--password', account.password];

/** A layout with this image alone. */
async function layoutOf(source: string, desk: Desk, name = 'pushed'): Promise<string> {
  const layout = join(desk.folder, name);
  await run('skopeo', ['copy', '--quiet', '--all', source, `oci:${layout}:1`], desk.env);
  return layout;
}

/** As `docker load` reads it, under the name of the target. */
async function archiveOf(source: string, desk: Desk): Promise<string> {
  const archive = join(desk.folder, 'archive.tar');
  await run('skopeo', ['copy', '--quiet', source, `docker-archive:${archive}:${target(desk)}`], desk.env);
  return archive;
}

const skopeo: Pusher = {
  name: 'skopeo copy',
  programs: ['skopeo'],
  async roundTrip(desk) {
    const { env, folder, host, index } = desk;
    const copy = (...args: string[]) =>
      run('skopeo', ['copy', '--quiet', '--all', '--preserve-digests', ...args], env);
    await run('skopeo', ['login', '--tls-verify=false', ...login(desk), host], env);
    await copy('--dest-tls-verify=false', index.source, `docker://${target(desk)}`);
    await copy('--src-tls-verify=false', `docker://${target(desk)}`, `dir:${folder}/pulled`);
    await copy(index.source, `dir:${folder}/pushed`);
    return { pushed: contentOf(join(folder, 'pushed')), pulled: contentOf(join(folder, 'pulled')) };
  },
};

const skopeoSync: Pusher = {
  name: 'skopeo sync',
  programs: ['skopeo'],
  async roundTrip(desk) {
    const { env, folder, host, repository, index } = desk;
    const sync = (...args: string[]) => run('skopeo', ['sync', '--all', '--preserve-digests', ...args], env);
    const plain = ['--src-tls-verify=false', '--dest-tls-verify=false'];
    await run('skopeo', ['login', '--tls-verify=false', ...login(desk), host], env);
    const pushed = `dir:${folder}/pushed/app:1`;
    mkdirSync(join(folder, 'pushed'));
    await run('skopeo', ['copy', '--quiet', '--all', '--preserve-digests', index.source, pushed], env);
    await sync('--src', 'dir', '--dest', 'docker', ...plain, `${folder}/pushed`, `${host}/${repository}`);
    mkdirSync(join(folder, 'pulled'));
    const source = `${host}/${repository}/app`;
    await sync('--src', 'docker', '--dest', 'dir', ...plain, source, join(folder, 'pulled'));
    return { pushed: contentOf(join(folder, 'pushed')), pulled: contentOf(join(folder, 'pulled')) };
  },
};

const podman: Pusher = {
  name: 'podman',
  programs: ['podman'],
  async roundTrip(desk) {
    const { env, folder, host, image } = desk;
    const storage = (name: string) => createContainerStorage(join(folder, name), env, '').podman;
    const pusher = storage('pusher');
    await pusher('load', '--quiet', '--input', await archiveOf(image.source, desk));
    await pusher('login', '--tls-verify=false', ...login(desk), host);
    const file = join(folder, 'digest');
    const how = ['--quiet', '--tls-verify=false', '--digestfile', file];
    await pusher('push', ...how, target(desk));
    const puller = storage('puller');
    await puller('pull', '--quiet', '--tls-verify=false', target(desk));
    const pulled = await puller('image', 'inspect', '--format', '{{.Digest}}', target(desk));
    return { pushed: readFileSync(file, 'utf8').trim(), pulled: pulled.trim() };
  },
};

const buildah: Pusher = {
  name: 'buildah',
  programs: ['buildah'],
  async roundTrip(desk) {
    const { env, folder, host } = desk;
    const storage = (name: string) => createContainerStorage(join(folder, name), env, '').buildah;
    const builder = storage('builder');
    const container = (await builder('from', 'scratch')).trim();
    await builder('copy', '--quiet', container, place(join(folder, 'file'), 'built here'), '/etc/file');
    await builder('commit', '--quiet', '--rm', container, 'localhost/built:1');
    await builder('login', '--tls-verify=false', ...login(desk), host);
    const file = join(folder, 'digest');
    const how = ['--quiet', '--tls-verify=false', '--digestfile', file];
    await builder('push', ...how, 'localhost/built:1', `docker://${target(desk)}`);
    const puller = storage('puller');
    await puller('pull', '--quiet', '--tls-verify=false', target(desk));
    const format = ['--type', 'image', '--format', '{{.FromImageDigest}}'];
    const pulled = await puller('inspect', ...format, target(desk));
    return { pushed: readFileSync(file, 'utf8').trim(), pulled: pulled.trim() };
  },
};

/** It takes a registry on a loopback address without TLS. */
const docker: Pusher = {
  name: 'docker',
  programs: ['dockerd', 'docker', 'containerd', 'unshare'],
  async roundTrip(desk) {
    const { env, folder, host, image } = desk;
    const archive = await archiveOf(image.source, desk);
    return withDaemon(folder, env, async ({ docker }) => {
      await docker('load', '--input', archive);
      await docker('login', ...login(desk), host);
      const report = await docker('push', target(desk));
      await docker('rmi', target(desk));
      const again = await docker('pull', target(desk));
      return {
        pushed: report.match(/digest: (sha256:[0-9a-f]{64})/)?.[1] ?? report,
        pulled: again.match(/^Digest: (sha256:[0-9a-f]{64})$/m)?.[1] ?? again,
      };
    });
  },
};

const crane: Pusher = {
  name: 'crane',
  programs: ['crane'],
  async roundTrip(desk) {
    const { env, folder, host, repository, index } = desk;
    const crane = (...args: string[]) => run('crane', args, env);
    await crane('auth', 'login', host, ...login(desk));
    await crane('push', '--index', await layoutOf(index.source, desk), target(desk, 'layout'));
    // The layout's own index stands around the image's: what it holds is copied by digest, and mounted in another repository.
    const copy = `${host}/${repository}/copy:1`;
    await crane('copy', `${host}/${repository}@${index.digest}`, copy);
    await crane('validate', '--remote', copy);
    await crane('pull', '--format=oci', copy, join(folder, 'pulled'));
    return {
      pushed: contentOf(join(folder, 'pushed/blobs')),
      pulled: contentOf(join(folder, 'pulled/blobs')),
    };
  },
};

const regctl: Pusher = {
  name: 'regctl',
  programs: ['regctl'],
  async roundTrip(desk) {
    const { env, folder, host, account, index } = desk;
    const regctl = (...args: string[]) => run('regctl', args, env);
    await regctl('registry', 'set', '--tls', 'disabled', host);
    await regctl('registry', 'login', '--user', account.username, '--pass', account.password, host);
    const source = `ocidir://${await layoutOf(index.source, desk)}:1`;
    await regctl('image', 'copy', '--referrers', source, target(desk));
    await regctl('image', 'copy', '--referrers', target(desk), `ocidir://${folder}/pulled:1`);
    return {
      pushed: contentOf(join(folder, 'pushed/blobs')),
      pulled: contentOf(join(folder, 'pulled/blobs')),
    };
  },
};

const oras: Pusher = {
  name: 'oras, with a referrer,',
  programs: ['oras'],
  async roundTrip(desk) {
    const { env, folder, host } = desk;
    const oras = (command: string, ...args: string[]) => run('oras', [command, '--no-tty', ...args], env);
    const files = ['--disable-path-validation', '--format', 'json'];
    const artifact = place(join(folder, 'artifact.txt'), 'an artifact');
    const sbom = place(join(folder, 'sbom.json'), '{"spdx":1}');
    await run('oras', ['login', '--plain-http', ...login(desk), host], env);
    const type = ['--artifact-type', 'application/vnd.entrepot.test'];
    const pushed = await oras('push', '--plain-http', ...files, ...type, target(desk), artifact);
    const spdx = ['--artifact-type', 'application/spdx+json'];
    const attached = await oras('attach', '--plain-http', ...files, ...spdx, target(desk), sbom);
    const layout = join(folder, 'pulled');
    const how = ['--recursive', '--from-plain-http', '--to-oci-layout'];
    await oras('cp', ...how, target(desk), `${layout}:1`);
    const digests = [pushed, attached].map((text) => (JSON.parse(text) as { digest: string }).digest);
    const expected = [...digests, sha256(readFileSync(artifact)), sha256(readFileSync(sbom))];
    const arrived = new Set(contentOf(join(layout, 'blobs')).split('\n'));
    return {
      pushed: expected.join('\n'),
      pulled: expected.filter((digest) => arrived.has(digest)).join('\n'),
    };
  },
};

const helm: Pusher = {
  name: 'helm',
  programs: ['helm'],
  async roundTrip(desk) {
    const { env, folder, host, repository } = desk;
    const helm = (...args: string[]) => run('helm', args, env);
    const chart = await packageChart(folder, env);
    await helm('registry', 'login', '--plain-http', ...login(desk), host);
    const charts = `oci://${host}/${repository}`;
    await helm('push', '--plain-http', chart, charts);
    mkdirSync(join(folder, 'pulled'));
    const which = ['--version', chartVersion, '--destination', join(folder, 'pulled')];
    await helm('pull', '--plain-http', ...which, `${charts}/chart`);
    return { pushed: contentOf(join(folder, 'pushed')), pulled: contentOf(join(folder, 'pulled')) };
  },
};

export const pushers: readonly Pusher[] = [
  skopeo,
  skopeoSync,
  podman,
  buildah,
  docker,
  crane,
  regctl,
  oras,
  helm,
];
