/**
 * The pages of docs/quick-starts: where a client runs here, it pulls with the very file or command of its page, with the address
 * replaced. The others say on their page what the tests do in their place.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { RunningEntrepot } from '../support/processes.ts';
import { place } from './support/client.ts';
import { pullWithHosts } from './support/containerd.ts';
import { pullWithDaemon } from './support/docker.ts';
import { startEntrepot } from './support/entrepot.ts';
import { isEquipped, obstacle } from './support/equipment.ts';
import type { Image } from './support/images.ts';
import { renderRegistriesYaml } from './support/k3s.ts';
import { type Origin, startOrigin } from './support/origin.ts';
import { pullWithRegistriesConf } from './support/podman.ts';
import { run } from './support/programs.ts';
import { openSite, type Site } from './support/site.ts';

const folder = join(import.meta.dirname, '../../docs/quick-starts');
const documented = '127.0.0.1:5000';
const image = 'docker.io/library/alpine:3.22';

describe('the quick starts', () => {
  let site: Site;
  let origin: Origin;
  let entrepot: RunningEntrepot;
  let pushed: Image;

  before(async () => {
    if (obstacle() !== undefined) return;
    site = await openSite();
    const home = site.folder('entrepot');
    const env = site.resident(home);
    origin = site.own(await startOrigin(site.folder('origin'), env));
    pushed = await site.images.image('alpine');
    await origin.push(pushed, 'library/alpine', '3.22');
    const registries = ['docker.io', 'ghcr.io']
      .map((prefix) => `[[registry]]\nprefix = "${prefix}"\nlocation = "${origin.host}"\ninsecure = true\n`)
      .join('');
    entrepot = site.own(await startEntrepot(home, env, { registries }));
  });
  after(() => site?.close());

  /** Blocks of code of a page, with the address replaced. */
  function blocks(name: string, language: string): readonly string[] {
    const text = readFileSync(join(folder, `${name}.md`), 'utf8');
    const found = [...text.matchAll(new RegExp(`^( *)\`\`\`${language}\\n(.*?)^ *\`\`\`$`, 'gms'))];
    return found.map(([, indent = '', block = '']) =>
      block.replaceAll(new RegExp(`^${indent}`, 'gm'), '').replaceAll(documented, entrepot.host),
    );
  }

  /** The file that the page has the reader write. */
  function file(name: string, language: string): string {
    const [first, ...others] = blocks(name, language).filter((block) => block.includes(entrepot.host));
    assert.ok(
      first !== undefined && others.length === 0,
      `${name} has one ${language} block with the address`,
    );
    return first;
  }

  /** Runs the blocks of the page for a shell one after another, in one folder; gives it and what they print. */
  async function follow(name: string): Promise<{ readonly folder: string; readonly printed: string }> {
    const home = site.folder(name);
    const env = site.resident(home);
    const own = blocks(name, 'sh').filter((block) => !block.startsWith('entrepot '));
    assert.ok(own.length > 0);
    const printed: string[] = [];
    for (const block of own) printed.push(await run('sh', ['-euc', `cd ${home}\n${block}`], env));
    return { folder: home, printed: printed.join('\n') };
  }

  /** The command of the page pulls what the test pulls. */
  const pulledImage = (name: string) => {
    const wanted = name === 'docker' ? 'alpine:3.22' : image;
    const lines = readFileSync(join(folder, `${name}.md`), 'utf8').split('\n');
    assert.ok(
      lines.some((line) => / pull /.test(line) && line.endsWith(` ${wanted}`)),
      name,
    );
  };

  test('are one for each client, and say what they try', (t) => {
    if (!isEquipped(t)) return;
    const names = readdirSync(folder).map((name) => basename(name, '.md'));
    const tried = ['containerd', 'crane', 'docker', 'helm', 'oras', 'podman', 'skopeo'];
    const untried = names.filter((name) => name !== 'README' && !tried.includes(name));
    const silent = untried.filter(
      (name) => !/ is not run/.test(readFileSync(join(folder, `${name}.md`), 'utf8')),
    );
    assert.deepEqual(silent, []);
  });

  for (const name of ['containerd', 'nerdctl', 'kind']) {
    test(`${name}: containerd pulls with the hosts.toml of the page`, async (t) => {
      if (!isEquipped(t, ['containerd', 'ctr'])) return;
      pulledImage(name);
      const home = site.folder(name);
      place(
        join(home, 'hosts/_default/hosts.toml'),
        blocks(name, 'toml').find((block) => block.includes(entrepot.host)) ?? '',
      );
      const pulled = await pullWithHosts(image, join(home, 'hosts'), home, site.resident(home));
      assert.equal(pulled.digest, pushed.digest);
    });
  }

  for (const name of ['k3s', 'rke2']) {
    test(`${name}: containerd pulls with what becomes of registries.yaml`, async (t) => {
      if (!isEquipped(t, ['containerd', 'ctr'])) return;
      pulledImage(name);
      const home = site.folder(name);
      for (const [registry, hosts] of renderRegistriesYaml(file(name, 'yaml'))) {
        place(join(home, 'hosts', registry, 'hosts.toml'), hosts);
      }
      const pulled = await pullWithHosts(image, join(home, 'hosts'), home, site.resident(home));
      assert.equal(pulled.digest, pushed.digest);
    });
  }

  for (const name of ['docker', 'gitlab-runner', 'github-runner']) {
    test(`${name}: Docker pulls with the daemon.json of the page`, async (t) => {
      if (!isEquipped(t, ['dockerd', 'docker', 'containerd', 'unshare'])) return;
      if (name === 'docker') pulledImage(name);
      const home = site.folder(name);
      place(join(home, 'etc/daemon.json'), file(name, 'json'));
      const pulled = await pullWithDaemon('alpine:3.22', home, site.resident(home));
      assert.equal(pulled.digest, pushed.digest);
    });
  }

  for (const name of ['podman', 'cri-o']) {
    test(`${name}: podman pulls with the drop-in of the page`, async (t) => {
      if (!isEquipped(t, ['podman'])) return;
      pulledImage(name);
      const home = site.folder(name);
      const pulled = await pullWithRegistriesConf(image, file(name, 'toml'), home, site.resident(home));
      assert.equal(pulled.digest, pushed.digest);
    });
  }

  test('skopeo: its commands copy and inspect the image', async (t) => {
    if (!isEquipped(t)) return;
    const { folder: home, printed } = await follow('skopeo');
    assert.ok(printed.includes(pushed.digest));
    assert.ok(readdirSync(join(home, 'alpine')).includes('manifest.json'));
  });

  for (const name of ['crane', 'oras']) {
    test(`${name}: its commands bring the image as a layout`, async (t) => {
      if (!isEquipped(t, [name])) return;
      const { folder: home, printed } = await follow(name);
      assert.ok(printed.includes(pushed.digest));
      assert.ok(readFileSync(join(home, 'alpine/index.json'), 'utf8').includes(pushed.digest));
    });
  }

  test('helm: its commands pull and render the chart', async (t) => {
    if (!isEquipped(t, ['helm'])) return;
    await pushChart();
    const { folder: home, printed } = await follow('helm');
    assert.ok(readdirSync(home).includes('podinfo-6.9.0.tgz'));
    assert.match(printed, /kind: ConfigMap/);
  });

  async function pushChart(): Promise<void> {
    const home = site.folder('chart');
    const env = site.resident(home);
    place(join(home, 'podinfo/Chart.yaml'), 'apiVersion: v2\nname: podinfo\nversion: 6.9.0\n');
    place(
      join(home, 'podinfo/templates/map.yaml'),
      'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: podinfo\n',
    );
    await run('helm', ['package', '--destination', home, join(home, 'podinfo')], env);
    const target = `oci://${origin.host}/stefanprodan/charts`;
    await run('helm', ['push', '--plain-http', join(home, 'podinfo-6.9.0.tgz'), target], env);
  }
});
