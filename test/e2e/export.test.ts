/** A bundle of `entrepot export`, as the tools of others read it: an image, an index, and what is attached. */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { runEntrepot } from '../support/processes.ts';
import { place } from './support/client.ts';
import { createContainerStorage } from './support/container-storage.ts';
import { startContainerd } from './support/containerd.ts';
import { withDaemon } from './support/docker.ts';
import { isEquipped, obstacle } from './support/equipment.ts';
import type { Image } from './support/images.ts';
import { type Origin, startOrigin } from './support/origin.ts';
import { run } from './support/programs.ts';
import { openSite, type Site } from './support/site.ts';

describe('a bundle of one volume', () => {
  let site: Site;
  let image: Image;
  let index: Image;
  let target: Origin;
  /** With the image alone, with the index alone, with both, and that one with `--docker`. */
  const bundles = { image: '', index: '', both: '', docker: '' };

  before(async () => {
    if (obstacle() !== undefined) return;
    site = await openSite();
    const home = site.folder('entrepot');
    const env = site.resident(home);
    const origin = site.own(await startOrigin(site.folder('origin'), env));
    image = await site.images.image('app');
    index = await site.images.index('platforms');
    await origin.push(image, 'team/app', '1.0');
    await origin.push(index, 'team/platforms', '2.0');
    const registries = `[[registry]]\nprefix = "quay.io"\nlocation = "${origin.host}"\ninsecure = true\n`;
    const files = ['--registries', place(join(home, 'registries.conf'), registries), '--config'];
    const common = [...files, place(join(home, 'entrepot.toml'), ''), '--data', join(home, 'data')];
    const names = { image: ['quay.io/team/app:1.0'], index: ['quay.io/team/platforms:2.0'] };
    const wanted = { ...names, both: [...names.image, ...names.index] };
    const all = { ...wanted, docker: ['--docker', ...wanted.both] };
    for (const which of ['image', 'index', 'both', 'docker'] as const) {
      const { code, stderr } = await runEntrepot([
        'export',
        '--to',
        join(home, which),
        ...common,
        ...all[which],
      ]);
      assert.equal(code, 0, stderr);
      bundles[which] = join(home, `${which}.0001.tar`);
    }
    target = site.own(await startOrigin(site.folder('target'), env));
  });
  after(() => site?.close());

  /** The digest that a registry has for a tag, and that all of it is there. */
  async function digestAt(reference: string): Promise<string> {
    const env = site.resident(site.folder('check'));
    const whole = join(site.folder('whole'), 'copy');
    const how = ['--all', '--preserve-digests', '--src-tls-verify=false'];
    await run('skopeo', ['copy', ...how, `docker://${target.host}/${reference}`, `oci:${whole}:x`], env);
    const copied = JSON.parse(readFileSync(join(whole, 'index.json'), 'utf8'));
    return copied.manifests[0].digest;
  }

  test('skopeo copies it to a registry, by the tag and by being the only one', async (t) => {
    if (!isEquipped(t)) return;
    const env = site.resident(site.folder('skopeo'));
    const copy = (source: string, to: string) => {
      const how = ['--all', '--preserve-digests', '--dest-tls-verify=false'];
      return run('skopeo', ['copy', ...how, source, `docker://${target.host}/${to}`], env);
    };
    await copy(`oci-archive:${bundles.image}`, 'skopeo/app:1');
    await copy(`oci-archive:${bundles.index}:2.0`, 'skopeo/platforms:2');
    await copy(`oci-archive:${bundles.both}:1.0`, 'skopeo/both:1');
    assert.equal(await digestAt('skopeo/app:1'), image.digest);
    assert.equal(await digestAt('skopeo/platforms:2'), index.digest);
    assert.equal(await digestAt('skopeo/both:1'), image.digest);
  });

  test('crane pushes it', async (t) => {
    if (!isEquipped(t, ['crane', 'tar'])) return;
    const folder = site.folder('crane');
    const env = site.resident(folder);
    const layout = join(folder, 'layout');
    mkdirSync(layout);
    await run('tar', ['-xf', bundles.index, '-C', layout], env);
    await run('crane', ['push', '--insecure', layout, `${target.host}/crane/platforms:2`], env);
    assert.equal(await digestAt('crane/platforms:2'), index.digest);
  });

  test('oras copies it with all platforms', async (t) => {
    if (!isEquipped(t, ['oras'])) return;
    const env = site.resident(site.folder('oras'));
    const to = ['--to-plain-http', `${target.host}/oras/platforms:2`];
    await run('oras', ['copy', '--no-tty', '-r', '--from-oci-layout', `${bundles.index}:2.0`, ...to], env);
    assert.equal(await digestAt('oras/platforms:2'), index.digest);
  });

  test('podman loads it, with its name and its digest', async (t) => {
    if (!isEquipped(t, ['podman'])) return;
    const folder = site.folder('podman');
    const { podman } = createContainerStorage(folder, site.resident(folder), '');
    await podman('load', '--input', bundles.image);
    const listed = JSON.parse(await podman('images', '--format', 'json'));
    assert.deepEqual(
      [listed.length, listed[0].Names, listed[0].Digest],
      [1, ['quay.io/team/app:1.0'], image.digest],
    );
    const layers = JSON.parse(await podman('image', 'inspect', listed[0].Id))[0].RootFS.Layers;
    assert.deepEqual(layers, image.diffIds);
  });

  test('ctr imports both images, by their whole names and with their digests', async (t) => {
    if (!isEquipped(t, ['containerd', 'ctr'])) return;
    const folder = site.folder('ctr');
    const env = site.resident(folder);
    const containerd = await startContainerd(join(folder, 'containerd'), env);
    try {
      const ctr = (...args: string[]) => run('ctr', ['--address', containerd.socket, ...args], env);
      await ctr('images', 'import', '--all-platforms', '--no-unpack', bundles.both).catch(() =>
        ctr('images', 'import', '--all-platforms', '--snapshotter', 'native', bundles.both),
      );
      const listed = await ctr('images', 'list');
      assert.match(listed, new RegExp(`^quay.io/team/app:1\\.0 .*${image.digest}`, 'm'));
      assert.match(listed, new RegExp(`^quay.io/team/platforms:2\\.0 .*${index.digest}`, 'm'));
    } finally {
      await containerd.stop();
    }
  });

  test('docker loads both images, by their whole names', async (t) => {
    if (!isEquipped(t, ['dockerd', 'docker', 'containerd', 'unshare'])) return;
    const folder = site.folder('docker');
    await withDaemon(folder, site.resident(folder), async ({ docker }) => {
      await docker('load', '--input', bundles.docker);
      const layersOf = async (name: string) =>
        JSON.parse(await docker('image', 'inspect', '--format', '{{json .RootFS.Layers}}', name));
      assert.deepEqual(await layersOf('quay.io/team/app:1.0'), image.diffIds);
      assert.deepEqual(await layersOf('quay.io/team/platforms:2.0'), index.diffIds);
    });
  });
});
