/** skopeo asks for the tags of a repository, of the registry and then of the cache. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startEntrepot } from './support/entrepot.ts';
import { isEquipped } from './support/equipment.ts';
import { startOrigin } from './support/origin.ts';
import { run } from './support/programs.ts';
import { openSite } from './support/site.ts';

test('the tags of a repository are listed, and again when the registry is gone', async (t) => {
  if (!isEquipped(t)) return;
  const site = await openSite();
  t.after(() => site.close());
  const home = site.folder('entrepot');
  const env = site.resident(home);
  const origin = site.own(await startOrigin(site.folder('origin'), env));
  const image = await site.images.image('listed');
  for (const tag of ['1', '1.1', 'latest']) await origin.push(image, 'team/app', tag);
  const registries = `[[registry]]\nprefix = "quay.io"\nlocation = "${origin.host}"\ninsecure = true\n`;
  const first = site.own(await startEntrepot(home, env, { registries }));

  const tags = async (host: string) => {
    const listed = await run(
      'skopeo',
      ['list-tags', '--tls-verify=false', `docker://${host}/quay.io/team/app`],
      env,
    );
    return (JSON.parse(listed) as { Tags: string[] }).Tags;
  };
  assert.deepEqual(await tags(first.host), ['1', '1.1', 'latest']);

  await origin.stop();
  await first.stop();
  const second = site.own(await startEntrepot(home, env, { registries }));
  assert.deepEqual(await tags(second.host), ['1', '1.1', 'latest']);
});
