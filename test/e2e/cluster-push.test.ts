/**
 * Clients as people have them push through a load balancer that sends each of their requests to another replica, and pull back in the same way:
 * three replicas with [cluster] and [facts], a real PostgreSQL, and a bucket or none (docs/cluster.md).
 */
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { systemClock } from '../../src/lib/clock.ts';
import { startCluster } from '../support/cluster.ts';
import { createMemoryObjects } from '../support/memory-objects.ts';
import { skipFor } from '../support/missing.ts';
import { hasPostgres, runPostgres } from '../support/postgres.ts';
import { type RoundRobin, startRoundRobin } from '../support/round-robin.ts';
import { isEquipped, obstacle } from './support/equipment.ts';
import type { Image } from './support/images.ts';
import { passwordLine } from './support/origin.ts';
import { pushers } from './support/pushers.ts';
import { openSite, type Site } from './support/site.ts';

const account = { username: 'ci', password: 'only:for tests' };
/** Each uploads in a way of its own: streams, chunks, or all at once. */
const chosen = ['skopeo copy', 'podman', 'docker', 'crane', 'regctl', 'oras, with a referrer,'];

for (const where of ['on their disks', 'in a bucket'])
  describe(`replicas that keep pushed content ${where}`, () => {
    const ends: (() => unknown)[] = [];
    const cleanup = { after: (end: () => unknown) => void ends.push(end) };
    let site: Site;
    let balancer: RoundRobin;
    let index: Image;
    let image: Image;

    before(async () => {
      if (obstacle() !== undefined || !hasPostgres()) return;
      site = await openSite();
      index = await site.images.index('spread');
      image = await site.images.image('single');
      const server = await runPostgres(cleanup);
      const shared = site.folder('shared');
      const write = (name: string, text: string): string => {
        writeFileSync(join(shared, name), text);
        return join(shared, name);
      };
      const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      const key = write('key.pem', String(privateKey.export({ type: 'pkcs8', format: 'pem' })));
      const users = write('htpasswd', await passwordLine(account, site.resident(site.folder('home'))));
      const facts = write('facts-url', server.url);
      const toml = `[access]
anonymous = []
htpasswd = "${users}"
token_key = "${key}"
[[access.rule]]
who = ["ci"]
match = "images.local/**"
may = ["pull", "push"]
[[push]]
match = "images.local/**"
mode = "local"
[facts]
url_file = "${facts}"
`;
      const { store } = createMemoryObjects('near');
      const near = { store, match: [], uploadRate: undefined, redirect: undefined, sweep: undefined };
      const deps = { clock: systemClock, buckets: where === 'in a bucket' ? [near] : [] };
      const { replicas } = await startCluster(cleanup, {
        registries: '',
        size: 3,
        toml,
        of: () => ({ deps }),
      });
      balancer = await startRoundRobin(
        cleanup,
        replicas.map(({ url }) => url),
      );
    });
    after(async () => {
      for (const end of ends.reverse()) await end();
      await site?.close();
    });

    for (const pusher of pushers.filter(({ name }) => chosen.includes(name)))
      test(`${pusher.name} pushes to them and pulls the same, each request at another one`, async (t) => {
        if (!isEquipped(t, pusher.programs)) return;
        if (!hasPostgres()) return skipFor(t, 'PostgreSQL is missing: install the package postgresql');
        // podman takes no path of more than 50 characters below it.
        const folder = site.folder('c');
        const repository = `images.local/ci/${pusher.name.replaceAll(/\W+/g, '-')}x`;
        const client = { folder, env: site.resident(folder), host: new URL(balancer.url).host };
        const begun = balancer.passed.length;
        const trip = await pusher.roundTrip({ ...client, repository, account, index, image });
        assert.notEqual(trip.pushed, '');
        assert.equal(trip.pulled, trip.pushed);
        const uploads = balancer.passed.slice(begun).filter((line) => /^(PATCH|PUT) .*uploads/.test(line));
        assert.ok(new Set(uploads.map((line) => / -> (\d)/.exec(line)?.[1])).size > 1, uploads.join('\n'));
      });
  });
