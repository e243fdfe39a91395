/** An index of two platforms: by tag and by digest, whole or only the platform that a client wants. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { RunningEntrepot } from '../support/processes.ts';
import { startEntrepot } from './support/entrepot.ts';
import { isEquipped, obstacle } from './support/equipment.ts';
import { clients } from './support/every-client.ts';
import type { Image } from './support/images.ts';
import { startOrigin } from './support/origin.ts';
import { run } from './support/programs.ts';
import { openSite, type Site } from './support/site.ts';

describe('through Entrepot, an index of two platforms', () => {
  let site: Site;
  let index: Image;
  let entrepot: RunningEntrepot;

  before(async () => {
    if (obstacle() !== undefined) return;
    site = await openSite();
    const home = site.folder('entrepot');
    const env = site.resident(home);
    const origin = site.own(await startOrigin(site.folder('origin'), env));
    index = await site.images.index('platforms');
    await origin.push(index, 'library/platforms', '1');
    const registries = ['docker.io', 'quay.io'].map(
      (prefix) => `[[registry]]\nprefix = "${prefix}"\nlocation = "${origin.host}"\ninsecure = true\n`,
    );
    entrepot = site.own(await startEntrepot(home, env, { registries: registries.join('\n') }));
  });
  after(() => site?.close());

  for (const client of clients) {
    for (const by of ['tag', 'digest'] as const) {
      test(`${client.name} pulls it by ${by} and reports the digest of the index`, async (t) => {
        if (!isEquipped(t, client.programs)) return;
        const folder = site.folder(client.name);
        const image = `${client.registry}/library/platforms${by === 'tag' ? ':1' : `@${index.digest}`}`;
        const order = { image, entrepot: entrepot.host, folder, env: site.resident(folder) };
        const pulled = await client.pull(order);
        assert.equal(pulled.digest, index.digest);
        assert.deepEqual(pulled.layers, index[client.keeps]);
      });
    }
  }

  test('skopeo copies every platform with all digests as they were', async (t) => {
    if (!isEquipped(t)) return;
    const folder = site.folder('whole');
    const source = `docker://${entrepot.host}/quay.io/library/platforms:1`;
    const how = ['--all', '--preserve-digests', '--src-tls-verify=false'];
    await run('skopeo', ['copy', ...how, source, `oci:${folder}/copy:1`], site.resident(folder));
    const { manifests } = JSON.parse(await run('cat', [`${folder}/copy/index.json`], {})) as {
      manifests: { digest: string }[];
    };
    assert.deepEqual(
      manifests.map(({ digest }) => digest),
      [index.digest],
    );
  });
});
