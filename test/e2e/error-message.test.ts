/** A pull that fails: the client's own message names the endpoints and the request, from the reason phrase. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { createContainerStorage } from './support/container-storage.ts';
import { startEntrepot } from './support/entrepot.ts';
import { isEquipped } from './support/equipment.ts';
import { run } from './support/programs.ts';
import { openSite, type Site } from './support/site.ts';

const endpoints = ['127.0.0.1:2 connection refused', '127.0.0.1:1 connection refused'].join('; ');
const told = new RegExp(`502 Bad Gateway \\(quay\\.io/team/app: ${endpoints}; id [0-9a-f]{12}\\)`);

async function dead(t: TestContext): Promise<{ site: Site; host: string }> {
  const site = await openSite();
  t.after(() => site.close());
  const home = site.folder('entrepot');
  const place = (table: string, port: number) =>
    `[[${table}]]\nlocation = "127.0.0.1:${port}"\ninsecure = true\n`;
  const registries = `${place('registry', 1)}prefix = "quay.io"\n${place('registry.mirror', 2)}`;
  const entrepot = site.own(await startEntrepot(home, site.resident(home), { registries }));
  return { site, host: entrepot.host };
}

test('skopeo prints which endpoints failed and why', async (t) => {
  if (!isEquipped(t, ['skopeo'])) return;
  const { site, host } = await dead(t);
  const env = site.resident(site.folder('skopeo'));
  const asked = run('skopeo', ['inspect', '--tls-verify=false', `docker://${host}/quay.io/team/app:1`], env);
  await assert.rejects(asked, told);
});

test('podman prints which endpoints failed and why', async (t) => {
  if (!isEquipped(t, ['podman'])) return;
  const { site, host } = await dead(t);
  const folder = site.folder('podman');
  const { podman } = createContainerStorage(folder, site.resident(folder), '');
  await assert.rejects(podman('pull', '--tls-verify=false', `${host}/quay.io/team/app:1`), told);
});
