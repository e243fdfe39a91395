/** Archives that other tools make are imported: the digest is the one that the tool pulled, where its format keeps it. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { startApp } from '../support/app.ts';
import { bundleVolumes, writeArchive } from '../support/archives.ts';
import { runCommand } from '../support/commands.ts';
import { get } from '../support/http-client.ts';
import { buildArtifact, buildIndex } from '../support/images.ts';
import { createContainerStorage } from './support/container-storage.ts';
import { withDaemon } from './support/docker.ts';
import { hasPrograms, isEquipped } from './support/equipment.ts';
import { type Environment, run } from './support/programs.ts';

const name = 'quay.io/team/app';
const files = { registries: '[[registry]]\nlocation = "quay.io"\n', toml: '[upstream]\noffline = true\n' };
const index = buildIndex({ layers: [{ 'hello.txt': 'hello\n' }, { 'bye.txt': 'bye\n' }] });
const signature = buildArtifact(index);
const [amd64] = index.images;

interface Maker {
  readonly what: string;
  readonly program: string;
  /** Makes an archive of `source` (`HOST/quay.io/team/app:1`) and gives its path. */
  make(source: string, folder: string, env: Environment): Promise<string>;
  readonly flags: readonly string[];
  /** What the tag then means; undefined where the format has no manifests. */
  readonly digest: string | undefined;
}

/** podman writes one platform, with a manifest of its own. */
function podmanSave(what: string, format: 'docker-archive' | 'oci-archive'): Maker {
  return {
    what,
    program: 'podman',
    flags: ['--name', `${name}:1`],
    digest: undefined,
    async make(source, folder, env) {
      const { podman } = createContainerStorage(folder, env, '');
      await podman('pull', '--quiet', '--tls-verify=false', '--arch', 'amd64', source);
      const to = join(folder, 'saved.tar');
      await podman('save', '--quiet', '--format', format, '--output', to, source);
      return to;
    },
  };
}

const plain = ['--src-tls-verify=false'];
const makers: readonly Maker[] = [
  {
    what: 'skopeo to an oci-archive, all platforms',
    program: 'skopeo',
    flags: ['--name', name],
    digest: index.digest,
    async make(source, folder, env) {
      const to = join(folder, 'all.tar');
      await run('skopeo', ['copy', '--all', ...plain, `docker://${source}`, `oci-archive:${to}:1`], env);
      return to;
    },
  },
  {
    what: 'skopeo to an OCI layout in a folder, one platform',
    program: 'skopeo',
    flags: ['--name', `${name}:1`],
    digest: amd64!.digest,
    async make(source, folder, env) {
      const to = join(folder, 'layout');
      const platform = ['--override-arch', 'amd64', '--override-os', 'linux'];
      await run('skopeo', [...platform, 'copy', ...plain, `docker://${source}`, `oci:${to}:1`], env);
      return to;
    },
  },
  {
    what: 'skopeo to a docker-archive',
    program: 'skopeo',
    flags: [],
    digest: undefined,
    async make(source, folder, env) {
      const to = join(folder, 'docker.tar');
      const target = `docker-archive:${to}:${name}:1`;
      const platform = ['--override-arch', 'amd64', '--override-os', 'linux'];
      await run('skopeo', [...platform, 'copy', ...plain, `docker://${source}`, target], env);
      return to;
    },
  },
  podmanSave('podman save', 'docker-archive'),
  podmanSave('podman save as an OCI archive', 'oci-archive'),
  {
    what: 'crane pull --format=oci',
    program: 'crane',
    flags: ['--name', `${name}:1`],
    digest: index.digest,
    async make(source, folder, env) {
      const to = join(folder, 'layout');
      await run('crane', ['pull', '--insecure', '--format=oci', source, to], env);
      return to;
    },
  },
  {
    what: 'crane pull to a tarball',
    program: 'crane',
    flags: ['--name', `${name}:1`],
    digest: undefined,
    async make(source, folder, env) {
      const to = join(folder, 'crane.tar');
      await run('crane', ['pull', '--insecure', '--platform', 'linux/amd64', source, to], env);
      return to;
    },
  },
  {
    what: 'oras cp --recursive to an OCI layout',
    program: 'oras',
    flags: ['--name', name],
    digest: index.digest,
    async make(source, folder, env) {
      const to = join(folder, 'layout');
      const how = ['--no-tty', '--recursive', '--from-plain-http', '--to-oci-layout'];
      await run('oras', ['cp', ...how, source, `${to}:1`], env);
      return to;
    },
  },
];

describe('docker save by a daemon', () => {
  test('comes in with the image id that docker has, and docker load takes it back', async (t) => {
    if (!isEquipped(t, ['dockerd', 'docker', 'containerd', 'unshare'])) return;
    const origin = await startApp(t, files);
    const [volume] = bundleVolumes([{ name, tag: '1', image: index }]);
    const bundle = writeArchive(join(origin.folder, 'site.0001.tar'), volume!);
    const receipt = ['--receipt', join(origin.folder, 'receipt.json')];
    assert.equal((await runCommand(origin, 'import', bundle, ...receipt)).code, 0);
    const site = await startApp(t, files);
    const home = site.folder;
    const env = { HOME: home, PATH: process.env.PATH ?? '' };
    await withDaemon(join(home, 'docker'), env, async ({ docker }) => {
      const source = `${origin.url.replace('http://', '')}/${name}:1`;
      await docker('pull', '--quiet', source);
      await docker('tag', source, `${name}:1`);
      const idOf = async () =>
        (await docker('image', 'inspect', '--format', '{{.Id}} {{json .RootFS.Layers}}', `${name}:1`)).trim();
      const id = await idOf();
      const saved = join(home, 'saved.tar');
      await docker('save', '--output', saved, `${name}:1`);

      const done = await runCommand(site, 'import', saved, '--json');
      assert.equal(done.code, 0, done.stderr);
      const manifest = await get(`${site.url}/v2/${name}/manifests/1`);
      const { config } = JSON.parse(manifest.body.toString());
      assert.equal(config.digest, id.split(' ')[0], 'the configuration is what docker calls the image id');

      const exported = await runCommand(site, 'export', '--docker', '--to', join(home, 'back'), `${name}:1`);
      assert.equal(exported.code, 0, exported.stderr);
      await docker('rmi', '--force', source, `${name}:1`);
      await docker('load', '--input', join(home, 'back.0001.tar'));
      assert.equal(await idOf(), id);
    });
  });
});

describe('an archive that is made by', () => {
  for (const { what, program, make, flags, digest } of makers) {
    test(what, async (t) => {
      if (!hasPrograms(t, [program])) return;
      const origin = await startApp(t, files);
      const [volume] = bundleVolumes([
        { name, tag: '1', image: index },
        { name, tag: null, image: signature },
      ]);
      const receipt = ['--receipt', join(origin.folder, 'receipt.json')];
      const bundle = writeArchive(join(origin.folder, 'site.0001.tar'), volume!);
      assert.equal((await runCommand(origin, 'import', bundle, ...receipt)).code, 0);
      const host = origin.url.replace('http://', '');
      const home = origin.folder;
      const archive = await make(`${host}/${name}:1`, home, { HOME: home, XDG_RUNTIME_DIR: home });

      const site = await startApp(t, files);
      const done = await runCommand(site, 'import', archive, ...flags, '--json');
      assert.equal(done.code, 0, done.stderr);
      const manifest = await get(`${site.url}/v2/${name}/manifests/1`);
      assert.equal(manifest.status, 200);
      if (digest !== undefined) assert.equal(manifest.headers['docker-content-digest'], digest);
      if (program === 'oras') {
        const answer = await get(`${site.url}/v2/${name}/referrers/${index.digest}`);
        assert.equal(JSON.parse(answer.body.toString()).manifests[0]?.digest, signature.digest);
      }
      if (!hasPrograms(t, ['skopeo'])) return;
      const copy = join(site.folder, 'copy');
      const from = `docker://${site.url.replace('http://', '')}/${name}:1`;
      const platform = ['--override-arch', 'amd64', '--override-os', 'linux'];
      await run('skopeo', [...platform, 'copy', ...plain, from, `dir:${copy}`], { HOME: site.folder });
      const pulled = JSON.parse(readFileSync(join(copy, 'manifest.json'), 'utf8'));
      assert.equal(pulled.layers.length, 2);
    });
  }
});
