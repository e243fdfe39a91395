/**
 * Pushes by a workload that has no account here: its OpenID Connect issuer says what it is, and a rule names its group. The issuer is
 * a real one, in this process.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type OidcIssuer, startOidcIssuer } from '../support/oidc-issuer.ts';
import type { RunningEntrepot } from '../support/processes.ts';
import { startEntrepot } from './support/entrepot.ts';
import { isEquipped, obstacle } from './support/equipment.ts';
import type { Image } from './support/images.ts';
import { run } from './support/programs.ts';
import { pushers } from './support/pushers.ts';
import { contentOf } from './support/readers.ts';
import { openSite, type Site } from './support/site.ts';

const chosen = pushers.filter(({ name }) => /^(?:skopeo|oras|crane|helm)/.test(name));

describe('clients that push with a token of an OpenID Connect issuer', () => {
  let site: Site;
  let issuer: OidcIssuer;
  let token: string;
  let entrepot: RunningEntrepot;
  let index: Image;
  let image: Image;

  before(async () => {
    if (obstacle() !== undefined) return;
    site = await openSite();
    index = await site.images.index('pushed');
    image = await site.images.image('single');
    issuer = site.own(
      await startOidcIssuer({ audience: 'entrepot', client: 'pipeline', groups: ['platform'] }),
    );
    token = await issuer.token();
    const home = site.folder('entrepot');
    const settings = `
[access]
anonymous = []
[[access.oidc]]
issuer = "${issuer.issuer}"
audience = "entrepot"
[[access.rule]]
who = ["group:platform"]
match = "images.local/platform/**"
may = ["pull", "push"]
[[push]]
match = "images.local/**"
mode = "local"
`;
    entrepot = site.own(await startEntrepot(home, site.resident(home), { registries: '', settings }));
  });
  after(() => site?.close());

  for (const pusher of chosen)
    test(`${pusher.name} logs in with it as the password, pushes, and pulls the same`, async (t) => {
      if (!isEquipped(t, pusher.programs)) return;
      const folder = site.folder('client');
      const repository = `images.local/platform/${pusher.name.replaceAll(/\W+/g, '-')}x`;
      const account = { username: 'oidc', password: token };
      const client = { folder, env: site.resident(folder), host: entrepot.host };
      const trip = await pusher.roundTrip({ ...client, repository, account, index, image });
      assert.notEqual(trip.pushed, '');
      assert.equal(trip.pulled, trip.pushed);
    });

  const push = async (repository: string, folder: string, env: Readonly<Record<string, string>>) => {
    const copy = ['copy', '--quiet', '--all', '--preserve-digests'];
    const target = `docker://${entrepot.host}/${repository}:1`;
    const into = ['--dest-tls-verify=false', '--dest-registry-token', token];
    await run('skopeo', [...copy, ...into, index.source, target], env);
    const from = ['--src-tls-verify=false', '--src-registry-token', token];
    await run('skopeo', [...copy, ...from, target, `dir:${folder}/pulled`], env);
    await run('skopeo', [...copy, index.source, `dir:${folder}/pushed`], env);
    assert.equal(contentOf(join(folder, 'pulled')), contentOf(join(folder, 'pushed')));
  };

  test('skopeo sends it as it is, and pulls what it pushed', async (t) => {
    if (!isEquipped(t)) return;
    const folder = site.folder('client');
    await push('images.local/platform/bearer', folder, site.resident(folder));
  });

  test('it is good for nothing that no rule gives to its groups', async (t) => {
    if (!isEquipped(t)) return;
    const folder = site.folder('client');
    await assert.rejects(
      push('images.local/other/bearer', folder, site.resident(folder)),
      /denied|not found/i,
    );
  });

  test('it goes on working while the issuer is away', async (t) => {
    if (!isEquipped(t)) return;
    await issuer.stop();
    const folder = site.folder('client');
    await push('images.local/platform/away', folder, site.resident(folder));
  });
});
