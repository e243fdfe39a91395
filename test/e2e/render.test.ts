/**
 * Nodes pull with the files that `entrepot render` writes: with an Entrepot as the mirror, and with the mirrors of a registries.conf. The
 * sources of the images do not exist, so that only the rendered mirror can have answered.
 */
import assert from 'node:assert/strict';
import { cpSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, type TestContext, test } from 'node:test';
import { listen } from '../support/listener.ts';
import { type RunningEntrepot, runEntrepot } from '../support/processes.ts';
import { type Pulled, place } from './support/client.ts';
import { pullWithHosts } from './support/containerd.ts';
import { pullWithDaemon } from './support/docker.ts';
import { startEntrepot } from './support/entrepot.ts';
import { isEquipped, obstacle } from './support/equipment.ts';
import type { Image } from './support/images.ts';
import { renderRegistriesYaml } from './support/k3s.ts';
import { type Origin, startOrigin } from './support/origin.ts';
import { pullWithRegistriesConf } from './support/podman.ts';
import { type Environment, run } from './support/programs.ts';
import { openSite, type Site } from './support/site.ts';

describe('nodes with rendered configuration', () => {
  let site: Site;
  let origin: Origin;
  let pushed: Image;
  let entrepot: RunningEntrepot;
  /** registries.conf of Entrepot. */
  let listed: string;
  /** registries.conf that names the origin as the mirror of a source that is never asked. */
  let mirrored: string;

  before(async () => {
    if (obstacle() !== undefined) return;
    site = await openSite();
    const home = site.folder('entrepot');
    const env = site.resident(home);
    origin = site.own(await startOrigin(site.folder('origin'), env));
    pushed = await site.images.image('rendered');
    for (const repository of ['team/app', 'library/app', 'copies/team/app']) {
      await origin.push(pushed, repository, '1');
    }
    const entry = (prefix: string) =>
      `[[registry]]\nprefix = "${prefix}"\nlocation = "${origin.host}"\ninsecure = true\n`;
    listed = entry('docker.io') + entry('quay.io');
    const mirror = `[[registry.mirror]]\nlocation = "${origin.host}/copies"\ninsecure = true\n`;
    mirrored = `[[registry]]\nlocation = "quay.io"\nblocked = true\n${mirror}[[registry]]\nlocation = "evil.io"\nblocked = true\n`;
    entrepot = site.own(await startEntrepot(home, env, { registries: listed }));
  });
  after(() => site?.close());

  /** A folder with what `entrepot render FORMAT` writes for this registries.conf. */
  async function rendered(format: string, conf: string, ...flags: readonly string[]): Promise<string> {
    const folder = site.folder('rendered');
    const registries = place(join(site.folder('source'), 'registries.conf'), conf);
    const args = ['render', format, '--registries', registries, '--out', `${folder}/`, ...flags];
    const { code, stderr } = await runEntrepot(args);
    assert.equal(code, 0, stderr);
    return folder;
  }
  const forEntrepot = () => ['--for', entrepot.url, '--sealed'];
  const file = (folder: string, name: string) => readFileSync(join(folder, name), 'utf8');

  /** Pulls by tag and by digest. */
  async function pullsBoth(
    name: string,
    keeps: 'layers' | 'diffIds',
    pull: (image: string, folder: string, env: Environment) => Promise<Pulled>,
  ): Promise<void> {
    for (const image of [`${name}:1`, `${name}@${pushed.digest}`]) {
      const folder = site.folder('node');
      const pulled = await pull(image, folder, site.resident(folder));
      assert.deepEqual(pulled, { digest: pushed.digest, layers: pushed[keeps] }, image);
    }
  }
  const podmanPulls = (conf: string) =>
    pullsBoth('quay.io/team/app', 'diffIds', (image, folder, env) =>
      pullWithRegistriesConf(image, conf, folder, env),
    );
  const containerdPulls = (hosts: string) =>
    pullsBoth('quay.io/team/app', 'layers', (image, folder, env) => pullWithHosts(image, hosts, folder, env));

  const podman = ['podman'];
  const containerd = ['containerd', 'ctr'];
  const docker = ['dockerd', 'docker', 'containerd', 'unshare'];
  const equipped = (t: TestContext, programs: readonly string[]) => isEquipped(t, programs);

  test('podman pulls through Entrepot', async (t) => {
    if (!equipped(t, podman)) return;
    await podmanPulls(file(await rendered('registries.conf', listed, ...forEntrepot()), 'registries.conf'));
  });

  test('containerd pulls through Entrepot', async (t) => {
    if (!equipped(t, containerd)) return;
    await containerdPulls(join(await rendered('hosts.toml', listed, ...forEntrepot()), 'certs.d'));
  });

  test('Docker pulls through Entrepot', async (t) => {
    if (!equipped(t, docker)) return;
    const from = await rendered('daemon.json', listed, ...forEntrepot());
    await pullsBoth('docker.io/library/app', 'diffIds', (image, folder, env) => {
      mkdirSync(join(folder, 'etc'));
      cpSync(join(from, 'daemon.json'), join(folder, 'etc/daemon.json'));
      return pullWithDaemon(image, folder, env);
    });
  });

  test('containerd pulls through Entrepot with what k3s makes of registries.yaml', async (t) => {
    if (!equipped(t, containerd)) return;
    const yaml = file(await rendered('registries.yaml', listed, ...forEntrepot()), 'registries.yaml');
    const folder = site.folder('k3s');
    for (const [registry, text] of renderRegistriesYaml(yaml))
      place(join(folder, registry, 'hosts.toml'), text);
    assert.ok(existsSync(join(folder, 'quay.io/hosts.toml')), yaml);
    await containerdPulls(folder);
  });

  /** Pulls with the reader of registries.yaml that RKE2 uses. */
  async function wharfiePulls(yaml: string): Promise<void> {
    for (const image of ['quay.io/team/app:1', `quay.io/team/app@${pushed.digest}`]) {
      const folder = site.folder('wharfie');
      await run('wharfie', ['--private-registry', yaml, image, folder], site.resident(folder));
      assert.match(file(folder, 'etc/tag'), /^rendered for /, image);
    }
  }

  test('the reader of registries.yaml that RKE2 uses pulls through Entrepot', async (t) => {
    if (!equipped(t, ['wharfie'])) return;
    await wharfiePulls(join(await rendered('registries.yaml', listed, ...forEntrepot()), 'registries.yaml'));
  });

  test('that reader pulls from the mirror of a registries.conf, which has a path and speaks plain HTTP', async (t) => {
    if (!equipped(t, ['wharfie'])) return;
    await wharfiePulls(join(await rendered('registries.yaml', mirrored), 'registries.yaml'));
  });

  test('podman pulls with what OpenShift makes of rendered objects', async (t) => {
    if (!equipped(t, podman)) return;
    const policies = site.folder('policies');
    for (const kind of ['idms', 'itms']) {
      cpSync(
        join(await rendered(kind, listed, ...forEntrepot()), `${kind}.yaml`),
        join(policies, `${kind}.yaml`),
      );
    }
    const image = { registrySources: { insecureRegistries: [entrepot.host] } };
    const manifest = {
      apiVersion: 'config.openshift.io/v1',
      kind: 'Image',
      metadata: { name: 'cluster' },
      spec: image,
    };
    place(join(policies, 'image.json'), JSON.stringify(manifest));
    const node = await rendered('registries.conf', '', '--policies', policies);
    await podmanPulls(file(node, 'registries.conf'));
  });

  test('podman pulls from the mirror of a registries.conf', async (t) => {
    if (!equipped(t, podman)) return;
    await podmanPulls(file(await rendered('registries.conf', mirrored), 'registries.conf'));
  });

  test('containerd pulls from the mirror of a registries.conf, which has a path and speaks plain HTTP', async (t) => {
    if (!equipped(t, containerd)) return;
    await containerdPulls(join(await rendered('hosts.toml', mirrored), 'certs.d'));
  });

  test('containerd asks nothing for a registry that is blocked and has no mirror', async (t) => {
    if (!equipped(t, containerd)) return;
    const hosts = join(await rendered('hosts.toml', mirrored), 'certs.d');
    // What is not on loopback would be asked for here.
    const proxy = await listen({}, (_request, response) => response.writeHead(502).end());
    t.after(() => proxy.close());
    const folder = site.folder('node');
    const env = { ...site.resident(folder), HTTPS_PROXY: proxy.url };
    await assert.rejects(
      pullWithHosts('evil.io/team/app:1', hosts, folder, env),
      /no resolve hosts|not found/,
    );
    assert.equal(proxy.accepted(), 0);
  });

  test('skopeo finds no mistake in a registries.conf with every key', async (t) => {
    if (!equipped(t, [])) return;
    const keys = `unqualified-search-registries = ["quay.io"]\nshort-name-mode = "enforcing"\n`;
    const rest = '[aliases]\n"app" = "quay.io/team/app"\n[[registry]]\nprefix = "*.corp"\nblocked = true\n';
    const conf = keys + mirrored.replace('insecure', 'pull-from-mirror = "tag-only"\ninsecure') + rest;
    const folder = site.folder('skopeo');
    const registries = join(await rendered('registries.conf', conf), 'registries.conf');
    const how = ['inspect', '--no-tags', '--format', '{{.Digest}}', 'docker://quay.io/team/app:1'];
    const digest = await run('skopeo', ['--registries-conf', registries, ...how], site.resident(folder));
    assert.equal(digest.trim(), pushed.digest);
  });
});
