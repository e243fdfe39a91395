/**
 * Clients that read a registry, each in all the ways it has. What one has read is a text that does not depend on where it asked:
 * the same from the registry and from Entrepot, or one of them is wrong.
 */
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { chartVersion } from './charts.ts';
import { place } from './client.ts';
import { pullWithHosts } from './containerd.ts';
import { sha256 } from './images.ts';
import { type Environment, run } from './programs.ts';

export interface Place {
  /** `HOST:PORT` that is asked. */
  readonly host: string;
  /** The repository, as that host calls it. */
  readonly repository: string;
  /** Empty, for what the client writes. */
  readonly folder: string;
  readonly env: Environment;
}

/** What is read: the image's tag, and the digest of a blob. */
export interface Wanted {
  readonly tag: string;
  readonly config: string;
}

export interface Reader {
  readonly name: string;
  readonly programs: readonly string[];
  /** By what is asked. */
  readonly reads: Readonly<Record<string, (place: Place, wanted: Wanted) => Promise<string>>>;
}

const name = ({ host, repository }: Place) => `${host}/${repository}`;
const lines = (text: string) => text.trim().split('\n').sort().join('\n');

const crane = ({ env }: Place, ...args: string[]) => run('crane', args, env);
const regctl = ({ env, host }: Place, ...args: string[]) =>
  run('regctl', ['--host', `reg=${host},tls=disabled`, ...args], env);
const oras = ({ env }: Place, ...args: string[]) => run('oras', args, env);
const helm = ({ env }: Place, ...args: string[]) => run('helm', args, env);
/** Beside the images of the repository there is a chart in a repository below it. */
const chart = (at: Place) => ['--plain-http', '--version', chartVersion, `oci://${name(at)}/chart`];
const skopeo = ({ env }: Place, ...args: string[]) => run('skopeo', args, env);

export const readers: readonly Reader[] = [
  {
    name: 'crane',
    programs: ['crane'],
    reads: {
      digest: (at, { tag }) => crane(at, 'digest', `${name(at)}:${tag}`),
      manifest: (at, { tag }) => crane(at, 'manifest', `${name(at)}:${tag}`),
      config: (at, { tag }) => crane(at, 'config', `${name(at)}:${tag}`),
      tags: async (at) => lines(await crane(at, 'ls', name(at))),
      blob: (at, { config }) => crane(at, 'blob', `${name(at)}@${config}`),
      'every layer': async (at, { tag }) =>
        (await crane(at, 'validate', '--remote', `${name(at)}:${tag}`)).replaceAll(name(at), 'IMAGE'),
      'the image': async (at, { tag }) => {
        const layout = join(at.folder, 'layout');
        await crane(at, 'pull', '--format=oci', `${name(at)}:${tag}`, layout);
        return contentOf(join(layout, 'blobs'));
      },
      'a missing tag': (at) => failure(crane(at, 'manifest', `${name(at)}:none`)),
    },
  },
  {
    name: 'regctl',
    programs: ['regctl'],
    reads: {
      digest: (at, { tag }) => regctl(at, 'manifest', 'head', `${name(at)}:${tag}`),
      manifest: (at, { tag }) => regctl(at, 'manifest', 'get', '--format', 'raw-body', `${name(at)}:${tag}`),
      tags: async (at) => lines(await regctl(at, 'tag', 'ls', name(at))),
      blob: (at, { config }) => regctl(at, 'blob', 'get', name(at), config),
      referrers: async (at, { tag }) => {
        const format = '{{range .Descriptors}}{{.Digest}} {{.ArtifactType}}{{"\\n"}}{{end}}';
        return lines(await regctl(at, 'artifact', 'list', '--format', format, `${name(at)}:${tag}`));
      },
      'the image with its referrers': async (at, { tag }) => {
        const layout = join(at.folder, 'layout');
        await regctl(at, 'image', 'copy', '--referrers', `${name(at)}:${tag}`, `ocidir://${layout}:${tag}`);
        return contentOf(join(layout, 'blobs'));
      },
      'a missing tag': (at) => failure(regctl(at, 'manifest', 'get', `${name(at)}:none`)),
    },
  },
  {
    name: 'oras',
    programs: ['oras'],
    reads: {
      manifest: (at, { tag }) => oras(at, 'manifest', 'fetch', '--plain-http', `${name(at)}:${tag}`),
      descriptor: (at, { tag }) =>
        oras(at, 'manifest', 'fetch', '--plain-http', '--descriptor', `${name(at)}:${tag}`),
      tags: async (at) => lines(await oras(at, 'repo', 'tags', '--plain-http', name(at))),
      blob: (at, { config }) =>
        oras(at, 'blob', 'fetch', '--plain-http', '--output', '-', `${name(at)}@${config}`),
      referrers: async (at, { tag }) =>
        (await oras(at, 'discover', '--plain-http', '--format', 'json', `${name(at)}:${tag}`)).replaceAll(
          name(at),
          'IMAGE',
        ),
      'the image with its referrers': async (at, { tag }) => {
        const layout = join(at.folder, 'layout');
        const to = ['--from-plain-http', '--recursive', '--to-oci-layout'];
        await oras(at, 'cp', '--no-tty', ...to, `${name(at)}:${tag}`, `${layout}:${tag}`);
        return contentOf(join(layout, 'blobs'));
      },
      'a missing tag': (at) => failure(oras(at, 'manifest', 'fetch', '--plain-http', `${name(at)}:none`)),
    },
  },
  {
    name: 'skopeo',
    programs: ['skopeo'],
    reads: {
      manifest: (at, { tag }) =>
        skopeo(at, 'inspect', '--raw', '--tls-verify=false', `docker://${name(at)}:${tag}`),
      config: (at, { tag }) =>
        skopeo(at, 'inspect', '--config', '--raw', '--tls-verify=false', `docker://${name(at)}:${tag}`),
      tags: async (at) => {
        const listed = await skopeo(at, 'list-tags', '--tls-verify=false', `docker://${name(at)}`);
        return (JSON.parse(listed) as { Tags: string[] }).Tags.sort().join('\n');
      },
      'the image': async (at, { tag }) => {
        const target = join(at.folder, 'image');
        const from = ['--all', '--preserve-digests', '--src-tls-verify=false', `docker://${name(at)}:${tag}`];
        await skopeo(at, 'copy', ...from, `dir:${target}`);
        return contentOf(target);
      },
      'a missing tag': (at) =>
        failure(skopeo(at, 'inspect', '--raw', '--tls-verify=false', `docker://${name(at)}:none`)),
    },
  },
  {
    name: 'helm',
    programs: ['helm'],
    reads: {
      'what is said of a chart': (at) => helm(at, 'show', 'chart', ...chart(at)),
      'the chart': async (at) => {
        const target = join(at.folder, 'charts');
        mkdirSync(target);
        await helm(at, 'pull', '--destination', target, ...chart(at));
        return contentOf(target);
      },
    },
  },
  {
    name: 'ctr',
    programs: ['containerd', 'ctr'],
    reads: {
      'the image': async (at, { tag }) => {
        const hosts = join(at.folder, 'hosts');
        place(join(hosts, at.host.replace(':', '_'), 'hosts.toml'), `server = "http://${at.host}"\n`);
        const pulled = await pullWithHosts(`${name(at)}:${tag}`, hosts, at.folder, at.env);
        return JSON.stringify(pulled);
      },
    },
  },
];

/** That it failed, and with which code of the specification if the client tells. */
async function failure(attempt: Promise<string>): Promise<string> {
  const words = await attempt.then(
    (text) => `succeeded: ${text}`,
    (error: Error) => error.message,
  );
  if (words.startsWith('succeeded')) return words;
  return `failed, ${/not found|unknown|404/i.test(words) ? 'not found' : words}`;
}

/** The digests of all files below a folder, but for what a client writes about itself. */
export function contentOf(folder: string): string {
  mkdirSync(folder, { recursive: true });
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((file) => file.isFile() && file.name !== 'version')
    .map((file) => sha256(readFileSync(join(file.parentPath, file.name))))
    .sort()
    .join('\n');
}
