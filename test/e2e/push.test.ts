/**
 * Clients as people have them push to a `local` repository and pull it back, with an account of an htpasswd file and with a robot
 * token: the digests are those that went in.
 */
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { accessFiles } from '../../src/access/access-files.ts';
import { createRobots } from '../../src/access/accounts/robots.ts';
import { systemClock } from '../../src/lib/clock.ts';
import type { RunningEntrepot } from '../support/processes.ts';
import { place } from './support/client.ts';
import { startEntrepot } from './support/entrepot.ts';
import { isEquipped, obstacle } from './support/equipment.ts';
import type { Image } from './support/images.ts';
import { type Account, passwordLine } from './support/origin.ts';
import { run } from './support/programs.ts';
import { pushers } from './support/pushers.ts';
import { openSite, type Site } from './support/site.ts';

describe('clients that push to Entrepot', () => {
  let site: Site;
  let entrepot: RunningEntrepot;
  let index: Image;
  let image: Image;
  const accounts: Record<'account' | 'robot token', Account> = {
    account: { username: 'ci', password: 'only:for tests' },
    'robot token': { username: 'builder', password: '' },
  };

  before(async () => {
    if (obstacle() !== undefined) return;
    site = await openSite();
    index = await site.images.index('pushed');
    image = await site.images.image('single');
    const home = site.folder('entrepot');
    const env = site.resident(home);
    const htpasswd = place(join(home, 'htpasswd'), await passwordLine(accounts.account, env));
    const tokens = join(home, 'data', accessFiles.robots);
    mkdirSync(dirname(tokens), { recursive: true });
    const robots = createRobots({ clock: systemClock, onProblem: assert.ifError }, tokens);
    const grant = { match: ['images.local/robot/**'], may: ['pull', 'push'] as const, expires: undefined };
    const password = robots.create({ name: 'builder', ...grant });
    accounts['robot token'] = { username: 'builder', password };
    const settings = `
[access]
anonymous = []
htpasswd = "${htpasswd}"
[[access.rule]]
who = ["ci"]
match = "images.local/account/**"
may = ["pull", "push"]
[[push]]
match = "images.local/**"
mode = "local"
`;
    entrepot = site.own(await startEntrepot(home, env, { registries: '', settings }));
  });
  after(() => site?.close());

  const articles = { account: 'an', 'robot token': 'a' } as const;
  const folders = { account: 'account', 'robot token': 'robot' } as const;
  for (const kind of ['account', 'robot token'] as const)
    for (const pusher of pushers)
      test(`${pusher.name} pushes with the login of ${articles[kind]} ${kind}, and pulls the same`, async (t) => {
        if (!isEquipped(t, pusher.programs)) return;
        // podman takes no path of more than 50 characters below it.
        const folder = site.folder('c');
        const repository = `images.local/${folders[kind]}/${pusher.name.replaceAll(/\W+/g, '-')}x`;
        const client = { folder, env: site.resident(folder), host: entrepot.host };
        const account = accounts[kind];
        const trip = await pusher.roundTrip({ ...client, repository, account, index, image });
        assert.notEqual(trip.pushed, '');
        assert.equal(trip.pulled, trip.pushed);
      });

  test('a client is refused without a login, and outside what its token is for', async (t) => {
    if (!isEquipped(t)) return;
    const push = (repository: string, ...credentials: string[]) => {
      const folder = site.folder('client');
      const how = ['copy', '--quiet', '--dest-tls-verify=false', ...credentials];
      const target = `docker://${entrepot.host}/${repository}:1`;
      return run('skopeo', [...how, image.source, target], site.resident(folder));
    };
    await assert.rejects(push('images.local/account/x'), /denied/);
    const { username, password } = accounts['robot token'];
    const credentials = ['--dest-creds', `${username}:${password}`];
    await assert.rejects(push('images.local/account/x', ...credentials), /denied/);
  });
});
