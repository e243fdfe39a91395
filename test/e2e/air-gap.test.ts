/**
 * A bundle over an air gap: images are exported in volumes beside their registry, and imported in a network namespace without a route,
 * where one volume comes late. Clients of that namespace then pull them, with the configuration that the export wrote.
 */
import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { runEntrepot, run as runToEnd } from '../support/processes.ts';
import { type Attachments, attach } from './support/attachments.ts';
import { type Pulled, place } from './support/client.ts';
import { pullWithHosts } from './support/containerd.ts';
import { pullWithDaemon } from './support/docker.ts';
import { isEquipped, obstacle } from './support/equipment.ts';
import type { Image } from './support/images.ts';
import { renderRegistriesYaml } from './support/k3s.ts';
import { startOrigin } from './support/origin.ts';
import { pullWithRegistriesConf } from './support/podman.ts';
import { type Environment, run, start } from './support/programs.ts';
import { type SealedNetwork, sealingPrograms, sealNetwork } from './support/sealed-network.ts';
import { openSite, type Site } from './support/site.ts';

/** Of the Entrepot in the namespace, where every port is free. */
const host = '127.0.0.1:5000';
const main = join(import.meta.dirname, '../../src/main.ts');

interface Exported {
  /** Without a tag. */
  readonly name: string;
  readonly tag: string;
  readonly image: Image;
}

interface Outcome {
  readonly code: number;
  readonly output: string;
}

describe('a site without a route', () => {
  let site: Site;
  let network: SealedNetwork;
  let exported: readonly Exported[];
  let attached: Attachments;
  let volumes: readonly string[];
  /** `NAME.config/` of the bundle. */
  let config: string;
  /** registries.conf of the Entrepot in the namespace. */
  let registries: string;
  /** What the import said without one volume, what a tag was answered then, and what it said when the volume had come. */
  let first: Outcome;
  let early: readonly number[];
  let second: Outcome;

  before(async () => {
    if (obstacle(sealingPrograms) !== undefined) return;
    site = await openSite();
    const bundle = await exportBundle();
    network = site.own(await sealNetwork(site.folder('programs'), site.resident(site.folder('namespace'))));
    await importBundle(bundle);
  });
  after(() => site?.close());

  /** Where a route is. */
  async function exportBundle(): Promise<string> {
    const home = site.folder('connected');
    const origin = site.own(await startOrigin(site.folder('origin'), site.resident(home)));
    const plain = { tag: '1', image: await site.images.image('plain') };
    const platforms = { tag: '2', image: await site.images.index('platforms') };
    const signed = { tag: '3', image: await site.images.image('signed') };
    exported = [
      { name: 'docker.io/library/plain', ...plain },
      { name: 'docker.io/team/platforms', ...platforms },
      { name: 'docker.io/team/signed', ...signed },
      { name: 'quay.io/team/signed', ...signed },
    ];
    for (const { name, tag, image } of exported)
      await origin.push(image, name.slice(name.indexOf('/') + 1), tag);
    attached = await attach(origin.host, 'team/signed', signed.image.digest);
    const entry = (prefix: string) =>
      `[[registry]]\nprefix = "${prefix}"\nlocation = "${origin.host}"\ninsecure = true\n`;
    const files = settings(home, entry('docker.io') + entry('quay.io'));
    const usb = join(home, 'usb');
    mkdirSync(usb);
    const bundle = join(usb, 'site');
    const how = ['--to', bundle, '--volume-size', '2MiB', '--config-for', `http://${host}`, '--sealed'];
    const names = exported.map(({ name, tag }) => `${name}:${tag}`);
    const { code, stderr } = await runEntrepot(['export', ...how, ...files, ...names]);
    assert.equal(code, 0, stderr);
    config = `${bundle}.config`;
    volumes = readdirSync(usb)
      .filter((name) => name.endsWith('.tar'))
      .toSorted();
    return usb;
  }

  /** In the namespace; the second volume comes late. */
  async function importBundle(from: string): Promise<void> {
    const home = site.folder('sealed');
    const env = network.inside(site.resident(home));
    const files = settings(
      home,
      '[[registry]]\nlocation = "docker.io"\n[[registry]]\nlocation = "quay.io"\n',
    );
    registries = join(home, 'registries.conf');
    site.own(await start('node', [main, 'serve', '--listen', host, ...files], env, /listening/));
    const take = async (folder: string, arrived: (volume: string) => boolean): Promise<Outcome> => {
      mkdirSync(join(home, folder));
      for (const name of volumes.filter(arrived)) copyFileSync(join(from, name), join(home, folder, name));
      const command = ['import', ...files, '--receipt', join(home, 'receipt.json'), join(home, folder)];
      const ended = await entrepot(command, env);
      return { code: ended.code ?? -1, output: ended.stdout + ended.stderr };
    };
    first = await take('first', (volume) => volume !== volumes[1]);
    early = await Promise.all(
      exported.map(async ({ name, tag }) => (await ask(`${name}/manifests/${tag}`)).status),
    );
    second = await take('second', (volume) => volume === volumes[1]);
  }

  function settings(home: string, conf: string): readonly string[] {
    const files = ['--registries', place(join(home, 'registries.conf'), conf)];
    return [...files, '--config', place(join(home, 'entrepot.toml'), ''), '--data', join(home, 'data')];
  }
  /** A command in the namespace. */
  const entrepot = (args: readonly string[], env: Environment) =>
    runToEnd('env', ['-i', ...Object.entries(env).map((pair) => pair.join('=')), 'node', main, ...args]);

  /** GET from a process in the namespace. */
  async function ask(path: string): Promise<{ readonly status: number; readonly body: string }> {
    const folder = site.folder('asker');
    const script = `const answer = await fetch(process.argv[1], { headers: { accept: '*/*' } });
      console.log(JSON.stringify({ status: answer.status, body: await answer.text() }));`;
    const args = ['--input-type=module', '--eval', script, `http://${host}/v2/${path}`];
    return JSON.parse(await run('node', args, network.inside(site.resident(folder))));
  }

  type Pull = (image: string, folder: string, env: Environment) => Promise<Pulled>;

  async function pullsAll(keeps: 'layers' | 'diffIds', pull: Pull, which = exported): Promise<void> {
    for (const { name, tag, image } of which) {
      for (const reference of [`${name}:${tag}`, `${name}@${image.digest}`]) {
        const folder = site.folder('node');
        const pulled = await pull(reference, folder, network.inside(site.resident(folder)));
        assert.deepEqual(pulled, { digest: image.digest, layers: image[keeps] }, reference);
      }
    }
  }

  test('has a loopback device and no route', async (t) => {
    if (!isEquipped(t, sealingPrograms)) return;
    assert.deepEqual(await network.reach(), { devices: ['lo'], routes: '' });
  });

  test('lists what a lost volume leaves open, and has all images once it comes', async (t) => {
    if (!isEquipped(t, sealingPrograms)) return;
    assert.ok(volumes.length >= 3, `${volumes.length} volumes`);
    assert.equal(first.code, 3, first.output);
    assert.match(first.output, /: lacks 1 content, in volume 2;/);
    assert.ok(!early.includes(200), early.join());
    assert.equal(second.code, 0, second.output);
  });

  test('has the signature and the referrer of an image', async (t) => {
    if (!isEquipped(t, sealingPrograms)) return;
    const { signature, signatureTag, sbom } = attached;
    for (const { name, image } of exported.filter((one) => one.tag === '3')) {
      assert.equal((await ask(`${name}/manifests/${signatureTag}`)).body, signature.bytes.toString(), name);
      const listed = JSON.parse((await ask(`${name}/referrers/${image.digest}`)).body);
      const digests = listed.manifests.map((one: { digest: string }) => one.digest);
      assert.deepEqual(digests, [sbom.digest], name);
      assert.equal((await ask(`${name}/manifests/${sbom.digest}`)).body, sbom.bytes.toString(), name);
      const [layer] = sbom.layers;
      assert.equal((await ask(`${name}/blobs/${layer?.digest}`)).body, layer?.bytes().toString(), name);
    }
  });

  test('lets podman pull every image', async (t) => {
    if (!isEquipped(t, [...sealingPrograms, 'podman'])) return;
    const conf = readFileSync(join(config, 'registries.conf'), 'utf8');
    await pullsAll('diffIds', (image, folder, env) => pullWithRegistriesConf(image, conf, folder, env));
  });

  test('lets containerd pull every image', async (t) => {
    if (!isEquipped(t, [...sealingPrograms, 'containerd', 'ctr'])) return;
    const hosts = join(config, 'certs.d');
    await pullsAll('layers', (image, folder, env) => pullWithHosts(image, hosts, folder, env));
  });

  test('lets containerd pull every image with what k3s makes of registries.yaml', async (t) => {
    if (!isEquipped(t, [...sealingPrograms, 'containerd', 'ctr'])) return;
    const hosts = site.folder('k3s');
    const yaml = readFileSync(join(config, 'registries.yaml'), 'utf8');
    for (const [registry, text] of renderRegistriesYaml(yaml))
      place(join(hosts, registry, 'hosts.toml'), text);
    await pullsAll('layers', (image, folder, env) => pullWithHosts(image, hosts, folder, env));
  });

  // An export writes no daemon.json, which can name mirrors of docker.io alone: `entrepot render` does.
  test('lets Docker pull every image of docker.io', async (t) => {
    if (!isEquipped(t, [...sealingPrograms, 'dockerd', 'docker', 'containerd'])) return;
    const rendered = join(site.folder('rendered'), 'daemon.json');
    const how = ['--registries', registries, '--for', `http://${host}`, '--out', rendered];
    const { code, stderr } = await runEntrepot(['render', 'daemon.json', ...how]);
    assert.equal(code, 0, stderr);
    const pull: Pull = (image, folder, env) => {
      place(join(folder, 'etc/daemon.json'), readFileSync(rendered, 'utf8'));
      return pullWithDaemon(image, folder, env);
    };
    await pullsAll(
      'diffIds',
      pull,
      exported.filter(({ name }) => name.startsWith('docker.io/')),
    );
  });
});
