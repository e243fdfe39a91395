/** The files of docs/clients.md that `every-client.ts` does not use: other ways to point the same clients at Entrepot. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { listen } from '../support/listener.ts';
import type { RunningEntrepot } from '../support/processes.ts';
import { place } from './support/client.ts';
import { pullWithHosts } from './support/containerd.ts';
import { startEntrepot } from './support/entrepot.ts';
import { isEquipped, obstacle } from './support/equipment.ts';
import type { Image } from './support/images.ts';
import { renderRegistriesYaml } from './support/k3s.ts';
import { startOrigin } from './support/origin.ts';
import { pullWithRegistriesConf } from './support/podman.ts';
import { type Environment, run } from './support/programs.ts';
import { openSite, type Site } from './support/site.ts';
import { snippet } from './support/snippets.ts';

describe('through Entrepot, with the other documented files', () => {
  const image = 'quay.io/team/app:1';
  const onlyThis = '/etc/containerd/certs.d/quay.io/hosts.toml';
  let site: Site;
  let pushed: Image;
  let entrepot: RunningEntrepot;

  before(async () => {
    if (obstacle() !== undefined) return;
    site = await openSite();
    const home = site.folder('entrepot');
    const env = site.resident(home);
    const origin = site.own(await startOrigin(site.folder('origin'), env));
    pushed = await site.images.image('documented');
    await origin.push(pushed, 'team/app', '1');
    const registries = `[[registry]]\nprefix = "quay.io"\nlocation = "${origin.host}"\ninsecure = true\n`;
    entrepot = site.own(await startEntrepot(home, env, { registries }));
  });
  after(() => site?.close());

  const pullWithContainerd = (hosts: ReadonlyMap<string, string>, proxies: Environment = {}) => {
    const folder = site.folder('containerd');
    for (const [name, content] of hosts) place(join(folder, 'hosts', name, 'hosts.toml'), content);
    return pullWithHosts(image, join(folder, 'hosts'), folder, { ...site.resident(folder), ...proxies });
  };

  test('containerd pulls with a hosts.toml for one registry', async (t) => {
    if (!isEquipped(t, ['containerd', 'ctr'])) return;
    const pulled = await pullWithContainerd(new Map([['quay.io', snippet(onlyThis, entrepot.host)]]));
    assert.deepEqual(pulled, { digest: pushed.digest, layers: pushed.layers });
  });

  test('containerd goes nowhere else with that file', async (t) => {
    if (!isEquipped(t, ['containerd', 'ctr'])) return;
    // Whatever is not on loopback would be asked for here.
    const proxy = await listen({}, (_request, response) => response.writeHead(502).end());
    t.after(() => proxy.close());
    const hosts = new Map([['quay.io', snippet(onlyThis, '127.0.0.1:1')]]);
    await assert.rejects(pullWithContainerd(hosts, { HTTPS_PROXY: proxy.url }), /connection refused/);
    assert.equal(proxy.accepted(), 0);
  });

  test('containerd pulls with what k3s makes of registries.yaml', async (t) => {
    if (!isEquipped(t, ['containerd', 'ctr'])) return;
    const hosts = renderRegistriesYaml(snippet('/etc/rancher/k3s/registries.yaml', entrepot.host));
    assert.deepEqual([...hosts.keys()], ['_default']);
    const pulled = await pullWithContainerd(hosts);
    assert.deepEqual(pulled, { digest: pushed.digest, layers: pushed.layers });
  });

  test('podman pulls where Entrepot is the location itself', async (t) => {
    if (!isEquipped(t, ['podman'])) return;
    const folder = site.folder('podman');
    const only = snippet('/etc/containers/registries.conf.d/60-entrepot-only.conf', entrepot.host);
    const pulled = await pullWithRegistriesConf(image, only, folder, site.resident(folder));
    assert.deepEqual(pulled, { digest: pushed.digest, layers: pushed.diffIds });
  });

  test('skopeo follows registries.conf too', async (t) => {
    if (!isEquipped(t)) return;
    const folder = site.folder('skopeo');
    const env = site.resident(folder);
    const file = '/etc/containers/registries.conf.d/50-entrepot.conf';
    place(join(folder, '.config/containers/registries.conf'), snippet(file, entrepot.host));
    const format = ['--no-tags', '--format', '{{.Digest}}'];
    const digest = await run('skopeo', ['inspect', ...format, `docker://${image}`], env);
    assert.equal(digest.trim(), pushed.digest);
  });
});
