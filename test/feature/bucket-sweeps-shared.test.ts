/** Sweeps of a bucket that replicas share, with a real PostgreSQL between them. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { type Clock, systemClock } from '../../src/lib/clock.ts';
import type { Digest } from '../../src/oci/digest.ts';
import type { ConfiguredBucket } from '../../src/placement/placement.ts';
import { contentKey } from '../../src/stores/content-key.ts';
import type { ObjectStore } from '../../src/stores/object-store.ts';
import { type RunningApp, startApp } from '../support/app.ts';
import { createManualClock } from '../support/clock.ts';
import { eventually } from '../support/eventually.ts';
import { createMemoryObjects } from '../support/memory-objects.ts';
import { startPostgres } from '../support/postgres.ts';
import { imageManifest, pusher, sha256 } from '../support/pusher.ts';
import { tempFolder } from '../support/temp-folder.ts';

const hour = 3_600_000;
const access = `
[access]
anonymous = ["pull", "push", "delete"]
[[push]]
match = "images.local/**"
mode = "local"
delete = true
`;

async function world(t: TestContext) {
  const server = await startPostgres(t);
  if (!server) return undefined;
  const urlFile = join(tempFolder(t), 'facts-url');
  writeFileSync(urlFile, `${server.url}\n`);
  const toml = `${access}[facts]\nurl_file = "${urlFile}"\ngone_after = "8h"\n`;
  const eu = createMemoryObjects('eu');
  const sweep = { after: 2 * hour, maxSize: undefined, every: undefined };
  const withSweep = (its: ConfiguredBucket['sweep'], clock: Clock, store: ObjectStore) =>
    startApp(
      t,
      { registries: '', toml },
      { buckets: [{ store, match: [], uploadRate: undefined, redirect: undefined, sweep: its }], clock },
    );
  const replica = (clock: Clock, store = eu.store) => withSweep(sweep, clock, store);
  /** One that has the bucket and sweeps nothing. */
  const user = (clock: Clock) => withSweep(undefined, clock, eu.store);
  const has = (digest: Digest) => eu.objects.has(contentKey(digest));
  return { server, eu, replica, user, has };
}

async function push(app: RunningApp, content: string, repository = 'images.local/team/app') {
  const client = pusher(app.url, repository);
  for (const blob of ['{}', content]) await client.blob(blob);
  const json = imageManifest(['{}', content]);
  assert.equal((await client.manifest('v1', json)).status, 201);
  return { client, layer: sha256(content) as Digest, manifest: sha256(JSON.stringify(json)) as Digest };
}

const swept = async ({ app }: RunningApp) => (await app.administration.gc()).buckets[0];

/** Resolves when the tag is listed there, which does not look into the bucket. */
async function knows(app: RunningApp): Promise<void> {
  await eventually('the other replica knows', async () => {
    const client = pusher(app.url, 'images.local/team/app');
    return (await client.send('GET', 'tags/list')).status === 200;
  });
}

/** A machine whose time a test moves on; its timers run as always. */
function shiftedClock() {
  let shift = 0;
  return {
    clock: { ...systemClock, now: () => Date.now() + shift },
    later: (ms: number) => {
      shift += ms;
    },
  };
}

describe('a bucket that replicas share', () => {
  it('keeps what another replica needs, and loses what was taken away everywhere a while ago', async (t) => {
    const all = await world(t);
    if (!all) return;
    const { clock, later } = shiftedClock();
    const sweeper = await all.replica(clock);
    const other = await all.replica(systemClock);
    const { client, layer, manifest } = await push(other, 'a layer');
    later(3 * hour);
    assert.deepEqual(await swept(sweeper), { store: 'eu', removed: 0, bytes: 0, foreign: 0 });
    assert.ok(all.has(layer) && all.has(manifest));
    await knows(sweeper);
    await client.send('DELETE', `manifests/${manifest}`);
    await client.send('DELETE', `blobs/${layer}`);
    await other.stop();
    later(-1.5 * hour);
    assert.equal((await swept(sweeper))?.removed, 0, 'its last link was taken away a moment ago');
    later(1.5 * hour);
    assert.equal((await swept(sweeper))?.removed, 2);
    assert.ok(!all.has(layer) && !all.has(manifest));
  });

  it('loses nothing while a replica is away that was not stopped in order', async (t) => {
    const all = await world(t);
    if (!all) return;
    const { clock, later } = shiftedClock();
    const sweeper = await all.replica(clock);
    await all.replica(systemClock);
    const users = () => all.server.sql('select count(*) from content_users');
    await eventually('both are here', async () => /2/.test(JSON.stringify(await users())));
    await all.server.sql(`update content_users set told = told - interval '50 minutes'`);
    later(3 * hour);
    assert.match(
      (await swept(sweeper))?.refused ?? '',
      /a replica has not told for \d+ minutes what it needs: .*gone_after of \[facts\]/,
    );
    await all.server.sql(`update content_users set told = told - interval '8 hours'`);
    assert.equal((await swept(sweeper))?.refused, undefined, 'it counts as gone');
  });

  it('loses nothing while a replica is away that does not sweep it', async (t) => {
    const all = await world(t);
    if (!all) return;
    const other = await all.user(systemClock);
    const name = await eventually('it is here', async () => {
      const [row] = await all.server.sql('select replica from content_users');
      return row?.[0];
    });
    const { clock, later } = shiftedClock();
    const sweeper = await all.replica(clock);
    await all.server.sql(
      `update content_users set told = told - interval '50 minutes' where replica = '${name}'`,
    );
    later(3 * hour);
    assert.ok((await swept(sweeper))?.refused?.includes(`what it needs: ${name}`));
    await other.stop();
    assert.equal((await swept(sweeper))?.refused, undefined, 'it was stopped in order');
  });

  it('gets back what one replica removed in the moment in which another one found it there', async (t) => {
    const all = await world(t);
    if (!all) return;
    const { clock, later } = shiftedClock();
    const key = contentKey(sha256('a layer') as Digest);
    let meanwhile: (() => Promise<unknown>) | undefined;
    const store: ObjectStore = {
      ...all.eu.store,
      async delete(wanted, signal) {
        const push = wanted === key ? meanwhile : undefined;
        meanwhile = undefined;
        await push?.();
        return all.eu.store.delete(wanted, signal);
      },
    };
    const sweeper = await all.replica(clock, store);
    const late = createManualClock(Date.now());
    const other = await all.replica(late);
    all.eu.objects.set(key, Buffer.from('a layer'));
    meanwhile = async () => {
      await push(other, 'a layer');
      await eventually('its uploads are over', async () => {
        const before = all.eu.calls.length;
        await late.advance(1000);
        const { buckets } = await other.app.administration.usage();
        return buckets[0]?.waiting.contents === 0 && all.eu.calls.length === before;
      });
    };
    later(3 * hour);
    await swept(sweeper);
    assert.ok(!all.eu.objects.has(key), 'the race took place');
    await eventually('it is back', async () => {
      await late.advance(700_000);
      return all.eu.objects.has(key);
    });
  });
});
