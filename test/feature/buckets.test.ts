/** Contents in buckets: the disk makes room, buckets die and come back, and the content is still there. */
import assert from 'node:assert/strict';
import { existsSync, rmSync } from 'node:fs';
import { describe, it, type TestContext } from 'node:test';
import { type Clock, systemClock } from '../../src/lib/clock.ts';
import type { Digest } from '../../src/oci/digest.ts';
import { contentKey } from '../../src/stores/content-key.ts';
import { type RunningApp, startApp } from '../support/app.ts';
import { createManualClock } from '../support/clock.ts';
import { eventually } from '../support/eventually.ts';
import { type FakeRegistry, startFakeRegistry } from '../support/fake-registry.ts';
import { status } from '../support/fake-registry-faults.ts';
import { get } from '../support/http-client.ts';
import { buildImage, type Image } from '../support/images.ts';
import { createMemoryObjects, type MemoryObjects } from '../support/memory-objects.ts';
import { insecureRegistry } from '../support/mirrored-registry.ts';
import { imageManifest, pusher, sha256, withQuery } from '../support/pusher.ts';
import { flipByte, storedBytes, storedFile } from '../support/stored-files.ts';

const KiB = 1024;
const configured = ({ store }: MemoryObjects) => ({
  ...{ store, match: [], uploadRate: undefined, redirect: undefined, sweep: undefined },
});
const digestsOf = ({ digest, blobs }: Image): readonly Digest[] => [
  digest,
  ...blobs.map((blob) => blob.digest),
];
const has = ({ objects }: MemoryObjects, digest: Digest) => objects.has(contentKey(digest));

interface World {
  readonly registry: FakeRegistry;
  readonly eu: MemoryObjects;
  readonly us: MemoryObjects;
  readonly app: RunningApp;
  pull(repository: string, image: Image, reference?: string): Promise<void>;
  at(repository: string, path: string): string;
  /** The same on the same folder, after a stop. */
  again(buckets: readonly MemoryObjects[]): Promise<World>;
}

interface Wanted {
  readonly toml?: string;
  readonly buckets?: readonly MemoryObjects[];
  readonly folder?: string;
  readonly registry?: FakeRegistry;
  readonly clock?: Clock;
}

const pushes = `
[access]
anonymous = ["pull", "push", "delete"]
[[push]]
match = "images.local/**"
mode = "local"
`;

async function world(t: TestContext, wanted: Wanted = {}): Promise<World> {
  const [eu, us] = [createMemoryObjects('eu'), createMemoryObjects('us')];
  const { toml = '', buckets = [eu, us], folder, clock = systemClock } = wanted;
  const registry = wanted.registry ?? (await startFakeRegistry());
  if (!wanted.registry) t.after(() => registry.stop());
  const files = { registries: insecureRegistry(registry.host), toml };
  const app = await startApp(
    t,
    { ...files, ...(folder !== undefined && { folder }) },
    { buckets: buckets.map(configured), clock },
  );
  const at = (repository: string, path: string) => `${app.url}/v2/${repository}/${path}?ns=${registry.host}`;
  return {
    registry,
    eu: buckets[0] ?? eu,
    us: buckets[1] ?? us,
    app,
    at,
    async pull(repository, image, reference = 'v1') {
      const manifest = await get(at(repository, `manifests/${reference}`));
      assert.equal(manifest.status, 200, manifest.body.toString());
      for (const blob of image.blobs) {
        const answer = await get(at(repository, `blobs/${blob.digest}`));
        assert.equal(answer.status, 200, answer.body.toString());
        assert.ok(answer.body.equals(blob.bytes()), `bytes of ${blob.digest}`);
      }
    },
    async again(others) {
      await app.stop();
      return world(t, { ...wanted, registry, folder: app.folder, buckets: others });
    },
  };
}

const placed = (bucket: MemoryObjects, digests: readonly Digest[]) =>
  eventually('the contents are in the bucket', () => digests.every((digest) => has(bucket, digest)));

const imageOf = (seed: string, size = 100 * KiB) => buildImage({ seed, layers: [size] });
const gets = ({ calls }: MemoryObjects) => calls.filter((call) => call.startsWith('get'));

/** Pushes an image with a layer of its own, under the tag 1. */
async function pushImage(url: string, layer: string, repository = 'images.local/team/app') {
  const client = pusher(url, repository);
  const blobs = ['{}', layer];
  for (const blob of blobs) await client.blob(blob);
  const json = imageManifest(blobs);
  const answer = await client.manifest('1', json);
  const digests = [...blobs, JSON.stringify(json)].map((bytes) => sha256(bytes) as Digest);
  return { client, answer, digests };
}

describe('what was pulled', () => {
  it('is in every bucket soon after', async (t) => {
    const { registry, eu, us, pull } = await world(t);
    const image = imageOf('a');
    registry.putImage('team/app', 'v1', image);
    await pull('team/app', image);
    await placed(eu, digestsOf(image));
    await placed(us, digestsOf(image));
    for (const blob of image.blobs) assert.ok(eu.objects.get(contentKey(blob.digest))?.equals(blob.bytes()));
  });

  it('comes back from the nearest bucket once its files had to make room, with no registry there', async (t) => {
    const toml = '[cache]\nmax_size = "300KiB"\n[freshness]\ntag = "1h"';
    const { registry, eu, us, app, pull } = await world(t, { toml });
    const images = ['a', 'b', 'c', 'd'].map((seed) => imageOf(seed));
    for (const [n, image] of images.entries()) {
      registry.putImage(`team/app${n}`, 'v1', image);
      await pull(`team/app${n}`, image);
      await placed(eu, digestsOf(image));
      await placed(us, digestsOf(image));
    }
    await eventually('room was made', () => storedBytes(app.data) <= 300 * KiB);
    await registry.refuse();
    us.calls.length = 0;
    for (const [n, image] of images.entries()) await pull(`team/app${n}`, image);
    assert.ok(gets(eu).length > 0);
    assert.deepEqual(gets(us), []);
  });

  for (const trouble of [
    'unreachable',
    'throttled',
    'refused',
    'silent',
    'wrong bytes',
    { cutAt: 50_000 },
  ] as const)
    it(`comes from the next bucket where the nearest one is in trouble: ${JSON.stringify(trouble)}`, async (t) => {
      const { registry, eu, us, pull, app } = await world(t, { toml: '[freshness]\ntag = "1h"' });
      const image = imageOf('a');
      registry.putImage('team/app', 'v1', image);
      await pull('team/app', image);
      for (const bucket of [eu, us]) await placed(bucket, digestsOf(image));
      for (const { digest } of image.blobs) rmSync(storedFile(app.data, digest));
      await registry.refuse();
      eu.fail(trouble);
      await pull('team/app', image);
      assert.ok(gets(us).length > 0);
    });

  it('comes from upstream where every bucket is in trouble, and the buckets catch up', async (t) => {
    const { registry, eu, us, pull } = await world(t);
    const image = imageOf('a');
    registry.putImage('team/app', 'v1', image);
    eu.fail('refused');
    us.fail('unreachable');
    await pull('team/app', image);
    await eventually('an upload was tried', () => eu.calls.length > 0);
    assert.equal(eu.objects.size, 0);
  });

  it('is given to no image by a bucket alone', async (t) => {
    const { registry, eu, us, pull, at } = await world(t);
    const image = imageOf('a');
    registry.putImage('team/app', 'v1', image);
    await pull('team/app', image);
    for (const bucket of [eu, us]) await placed(bucket, digestsOf(image));
    const [layer] = image.layers;
    registry.on({ repository: 'team/other' }, status(404));
    const answer = await get(at('team/other', `blobs/${layer?.digest}`));
    assert.equal(answer.status, 404);
  });
});

describe('what was pushed', () => {
  it('is in the nearest bucket before the answer', async (t) => {
    const { app, eu } = await world(t, { toml: pushes });
    const client = pusher(app.url, 'images.local/team/app');
    const digest = (await client.blob('a layer')) as Digest;
    assert.ok(has(eu, digest));
    const { answer, digests } = await pushImage(app.url, 'another layer');
    assert.equal(answer.status, 201);
    assert.ok(digests.every((one) => has(eu, one)));
  });

  it('is in the next bucket where the nearest one fails, and in that one later', async (t) => {
    const clock = createManualClock();
    const { app, eu, us } = await world(t, { toml: pushes, clock });
    eu.fail('unreachable');
    const { answer, digests } = await pushImage(app.url, 'a layer');
    assert.equal(answer.status, 201);
    assert.ok(digests.every((digest) => has(us, digest)));
    assert.equal(eu.objects.size, 0);
    eu.fail(undefined);
    await eventually('the bucket has caught up', async () => {
      await clock.advance(60_000);
      return digests.every((digest) => has(eu, digest));
    });
  });

  it('is answered within some seconds where the nearest bucket says nothing', async (t) => {
    const clock = createManualClock();
    const { app, eu, us } = await world(t, { toml: pushes, clock });
    eu.fail('silent');
    const pushing = pushImage(app.url, 'a layer');
    let isOver = false;
    pushing.finally(() => {
      isOver = true;
    });
    for (let n = 0; n < 3; n += 1) {
      await eventually(
        'the bucket was asked',
        () => isOver || clock.pending.some((ms) => ms > 9_000 && ms < 11_000),
      );
      await clock.advance(11_000);
    }
    const { answer, digests } = await pushing;
    assert.equal(answer.status, 201);
    assert.ok(digests.every((digest) => has(us, digest)));
  });

  it('is refused for now where no bucket takes it, and taken later', async (t) => {
    const { app, eu, us } = await world(t, { toml: pushes });
    eu.fail('refused');
    us.fail('throttled');
    const client = pusher(app.url, 'images.local/team/app');
    const location = withQuery(await client.begin(), `digest=${sha256('a layer')}`);
    const refused = await client.send('PUT', location, 'a layer');
    assert.deepEqual([refused.status, refused.headers['retry-after']], [503, '30']);
    assert.match(
      refused.body.toString(),
      /in 0 buckets and has to be in 1; eu: the credentials have expired/,
    );
    eu.fail(undefined);
    const { answer, digests } = await pushImage(app.url, 'a layer');
    assert.equal(answer.status, 201);
    assert.ok(digests.every((digest) => has(eu, digest)));
  });

  it('is in as many buckets as its rule says before the answer', async (t) => {
    const { app, eu, us } = await world(t, { toml: `${pushes}durable = 2\n` });
    const { answer, digests } = await pushImage(app.url, 'a layer');
    assert.equal(answer.status, 201);
    for (const bucket of [eu, us]) assert.ok(digests.every((digest) => has(bucket, digest)));
    us.fail('unreachable');
    const client = pusher(app.url, 'images.local/team/app');
    await assert.rejects(client.blob('more'), /503/);
    assert.ok(has(eu, sha256('more') as Digest));
  });

  it('is in a bucket again before the answer, where the bucket has lost it since', async (t) => {
    let later = 0;
    const clock = { ...systemClock, now: () => Date.now() + later };
    const { app, eu, us } = await world(t, { toml: pushes, clock });
    const { digests } = await pushImage(app.url, 'a layer');
    await placed(us, digests);
    eu.objects.clear();
    us.objects.clear();
    later = 3_600_000;
    const { answer } = await pushImage(app.url, 'a layer');
    assert.equal(answer.status, 201);
    for (const digest of digests) assert.ok(has(eu, digest), digest);
  });

  it('waits once for a bucket that cannot say whether it has it still', async (t) => {
    let later = 0;
    const clock = { ...systemClock, now: () => Date.now() + later };
    const { app, eu, us } = await world(t, { toml: pushes, clock });
    const { digests } = await pushImage(app.url, 'a layer');
    await placed(us, digests);
    later = 3_600_000;
    eu.fail('unreachable');
    const { answer } = await pushImage(app.url, 'a layer');
    assert.equal(answer.status, 201);
    assert.equal(eu.calls.filter((call) => call.startsWith('head')).length, 1);
    const looks = app.log.filter(({ event }) => event === 'placement.lookFailed');
    assert.deepEqual(
      looks.map(({ store, reason }) => [store, reason]),
      [['eu', 'eu: answered 503']],
    );
  });

  it('is not asked of a bucket that has just taken it', async (t) => {
    const { app, eu } = await world(t, { toml: pushes });
    await pushImage(app.url, 'a layer');
    assert.deepEqual(
      eu.calls.filter((call) => call.startsWith('head')),
      [],
    );
  });

  it('makes room once a bucket has it, and is served from there', async (t) => {
    const { app, eu, us } = await world(t, { toml: `${pushes}[cache]\nmax_size = "300KiB"\n` });
    const layers = ['a', 'b', 'c', 'd', 'e'].map((letter) => letter.repeat(100 * KiB));
    // What is being uploaded makes no room.
    for (const [n, layer] of layers.entries())
      await eventually('there is room', async () => {
        const pushed = await pushImage(app.url, layer, `images.local/app${n}`).catch(() => undefined);
        return pushed?.answer.status === 201;
      });
    await eventually('room was made', () => storedBytes(app.data) <= 300 * KiB);
    const gone = layers.find((layer) => !existsSync(storedFile(app.data, sha256(layer) as Digest))) ?? '';
    const repository = `images.local/app${layers.indexOf(gone)}`;
    const url = `${app.url}/v2/${repository}/blobs/${sha256(gone)}`;
    eu.fail('unreachable');
    us.fail('refused');
    assert.equal((await get(url)).status, 503, 'no bucket can tell');
    for (const bucket of [eu, us]) bucket.fail(undefined);
    const served = await eventually('the bucket is asked again', async () => {
      const answer = await get(url);
      return answer.status === 200 && answer;
    });
    assert.ok(served.body.equals(Buffer.from(gone)));
    assert.equal((await get(`${app.url}/v2/${repository}/manifests/1`)).status, 200);
    const other = await get(`${app.url}/v2/images.local/other/blobs/${sha256(gone)}`);
    assert.equal(other.status, 404, 'another image');
    const thief = pusher(app.url, 'images.local/other');
    await thief.blob('{}');
    const stolen = await thief.manifest('1', imageManifest(['{}', gone]));
    assert.deepEqual([stolen.status, stolen.body.toString().includes('MANIFEST_BLOB_UNKNOWN')], [400, true]);
    assert.equal((await get(`${app.url}/v2/images.local/other/blobs/${sha256(gone)}`)).status, 404);
  });

  it('is no 404 over a registry that does not know it, while no bucket can tell', async (t) => {
    const registry = await startFakeRegistry();
    t.after(() => registry.stop());
    const toml = pushes.replace('images.local/**', `${registry.host}/**`).replace('local"', 'overlay"');
    const { app, eu, us } = await world(t, { toml, registry });
    const repository = `${registry.host}/team/app`;
    const { answer, digests } = await pushImage(app.url, 'a layer', repository);
    assert.equal(answer.status, 201);
    const layer = digests[1] as Digest;
    for (const bucket of [eu, us]) {
      await placed(bucket, digests);
      bucket.fail('unreachable');
    }
    rmSync(storedFile(app.data, layer));
    const url = `${app.url}/v2/${repository}/blobs/${layer}`;
    assert.equal((await get(url)).status, 503);
    for (const bucket of [eu, us]) bucket.fail(undefined);
    const served = await eventually('a bucket is asked again', async () => {
      const found = await get(url);
      return found.status === 200 && found;
    });
    assert.equal(served.body.toString(), 'a layer');
  });

  it('is brought back from a bucket by a scrub that finds it damaged', async (t) => {
    const { app } = await world(t, { toml: pushes });
    const { client, digests } = await pushImage(app.url, 'a layer');
    for (const digest of digests) flipByte(storedFile(app.data, digest), 0);
    const { damaged } = await app.app.administration.scrub(undefined, {});
    assert.deepEqual(
      damaged.map(({ repaired, failure }) => repaired || failure),
      [true, true, true],
    );
    assert.equal((await client.send('GET', 'manifests/1')).status, 200);
  });

  it('stays on the disk where no bucket has it', async (t) => {
    const { app, eu, us } = await world(t, { toml: `${pushes}durable = 0\n[cache]\nmax_size = "300KiB"\n` });
    for (const bucket of [eu, us]) bucket.fail('unreachable');
    const statuses: number[] = [];
    for (const letter of ['a', 'b', 'c', 'd']) {
      const client = pusher(app.url, 'images.local/team/app');
      const body = letter.repeat(100 * KiB);
      const { status: code } = await client.send(
        'PUT',
        withQuery(await client.begin(), `digest=${sha256(body)}`),
        body,
      );
      statuses.push(code);
    }
    assert.deepEqual(statuses, [201, 201, 201, 403]);
  });
});

describe('a bucket', () => {
  it('is filled with what was here before it, and from another bucket with what had to make room', async (t) => {
    const first = await world(t, {
      toml: `${pushes}[cache]\nmax_size = "300KiB"\n`,
      buckets: [createMemoryObjects('eu')],
    });
    const layers = ['a', 'b', 'c', 'd'].map((letter) => letter.repeat(100 * KiB));
    const all: Digest[] = [];
    for (const layer of layers) {
      const { digests } = await eventually('there is room', () =>
        pushImage(first.app.url, layer).catch(() => undefined),
      );
      all.push(...digests);
    }
    await placed(first.eu, all);
    const us = createMemoryObjects('us');
    await first.again([first.eu, us]);
    assert.ok(all.some((digest) => !existsSync(storedFile(first.app.data, digest))));
    await placed(us, all);
    for (const digest of all)
      assert.ok(
        us.objects.get(contentKey(digest))?.equals(first.eu.objects.get(contentKey(digest)) ?? Buffer.of()),
      );
  });

  it('gets what was not uploaded when the server ended', async (t) => {
    const eu = createMemoryObjects('eu');
    eu.fail('unreachable');
    const first = await world(t, { buckets: [eu] });
    const image = imageOf('a');
    first.registry.putImage('team/app', 'v1', image);
    await first.pull('team/app', image);
    eu.fail(undefined);
    const us = createMemoryObjects('us');
    await first.again([us, eu]);
    await placed(us, digestsOf(image));
  });

  it('gets an object again that a reader did not find, and one that has wrong bytes', async (t) => {
    const { registry, eu, us, app, pull } = await world(t, { toml: '[freshness]\ntag = "1h"' });
    const image = imageOf('a');
    registry.putImage('team/app', 'v1', image);
    await pull('team/app', image);
    for (const bucket of [eu, us]) await placed(bucket, digestsOf(image));
    const [config, layer] = image.blobs.map(({ digest }) => digest) as [Digest, Digest];
    const wrong = Buffer.alloc(eu.objects.get(contentKey(layer))?.length ?? 0, 1);
    eu.objects.delete(contentKey(config));
    eu.objects.set(contentKey(layer), wrong);
    for (const digest of [config, layer]) rmSync(storedFile(app.data, digest));
    await pull('team/app', image);
    const bytes = image.layers[0]?.bytes() ?? Buffer.of();
    await eventually(
      'both were repaired',
      () => has(eu, config) && eu.objects.get(contentKey(layer))?.equals(bytes),
    );
    await eventually('it is told', () => app.log.some(({ event }) => event === 'placement.replaced'));
    for (const event of ['placement.missing', 'placement.wrongBytes'])
      assert.ok(
        app.log.some((line) => line.event === event),
        event,
      );
  });

  it('gives a replica with an empty disk what an endpoint confirms', async (t) => {
    const first = await world(t);
    const image = imageOf('a');
    first.registry.putImage('team/app', 'v1', image);
    await first.pull('team/app', image);
    await placed(first.eu, digestsOf(image));
    const fetched = first.registry.count({ kind: 'blob', method: 'GET' });
    const other = await world(t, { registry: first.registry, buckets: [first.eu] });
    await other.pull('team/app', image);
    assert.equal(first.registry.count({ kind: 'blob', method: 'GET' }), fetched);
  });
});

describe('a redirect to a bucket', () => {
  async function redirecting(t: TestContext, networks: readonly string[], clock: Clock = systemClock) {
    const eu = createMemoryObjects('eu');
    const bucket = { ...configured(eu), redirect: { networks, seconds: 60 } };
    const toml = `trusted_proxies = ["127.0.0.1"]\n${pushes}`;
    const app = await startApp(t, { registries: '', toml }, { buckets: [bucket], clock });
    const { digests } = await pushImage(app.url, 'a layer');
    const layer = digests[1] as Digest;
    const from = (client: string, repository = 'images.local/team/app', method = 'GET') =>
      get(`${app.url}/v2/${repository}/blobs/${layer}`, { method, headers: { 'x-forwarded-for': client } });
    return { app, eu, layer, from };
  }

  it('is for GETs of blobs by clients of the networks that are named', async (t) => {
    const { app, eu, layer, from } = await redirecting(t, ['10.0.0.0/8']);
    const sent = await from('10.1.2.3');
    assert.deepEqual([sent.status, sent.headers['docker-content-digest']], [307, layer]);
    const location = String(sent.headers.location);
    assert.equal((await eu.fetchUrl(location))?.toString(), 'a layer');
    assert.equal((await from('192.0.2.1')).status, 200);
    assert.equal((await from('10.1.2.3', undefined, 'HEAD')).status, 200);
    assert.equal((await from('10.1.2.3', 'images.local/other')).status, 404, 'an image that is not linked');
    const text = JSON.stringify(app.log);
    assert.ok(!text.includes(location) && !text.includes('signature='), 'the URL is in no log line');
  });

  it('is given only for what the bucket has at this moment', async (t) => {
    const { eu, layer, from } = await redirecting(t, ['10.0.0.0/8']);
    eu.objects.delete(contentKey(layer));
    const answer = await from('10.1.2.3');
    assert.deepEqual([answer.status, answer.body.toString()], [200, 'a layer']);
    eu.fail('silent');
    assert.equal((await from('10.1.2.3')).status, 200);
  });

  it('is not tried again for a while after a bucket did not answer', async (t) => {
    const clock = createManualClock(Date.now());
    const { eu, from } = await redirecting(t, ['10.0.0.0/8'], clock);
    eu.fail('unreachable');
    assert.equal((await from('10.1.2.3')).status, 200);
    eu.fail(undefined);
    const before = eu.calls.length;
    assert.equal((await from('10.1.2.3')).status, 200);
    assert.equal(eu.calls.length, before, 'the bucket is not asked');
    const puts = eu.calls.filter((call) => call.startsWith('put '));
    assert.deepEqual(puts, [...new Set(puts)], 'what the push has put there is not put again behind it');
    await clock.advance(10_000);
    assert.equal((await from('10.1.2.3')).status, 307);
  });
});

describe('entrepot gc', () => {
  const sweeping = (bucket: MemoryObjects) => ({
    ...configured(bucket),
    sweep: { after: 3_600_000, maxSize: undefined, every: undefined },
  });
  const hour = 3_600_000;

  it('removes from a bucket what no image needs any more, and no foreign object', async (t) => {
    const eu = createMemoryObjects('eu');
    const us = createMemoryObjects('us');
    const clock = createManualClock(Date.now());
    const app = await startApp(
      t,
      { registries: '', toml: pushes.replace('[[push]]', '[[push]]\ndelete = true') },
      { buckets: [sweeping(eu), configured(us)], clock },
    );
    const { client, digests } = await pushImage(app.url, 'a layer');
    const [config, layer, manifest] = digests as [Digest, Digest, Digest];
    const kept = await pushImage(app.url, 'kept', 'images.local/team/kept');
    await placed(us, [...digests, ...kept.digests]);
    for (const key of ['readme.txt', 'sha256/aa/nothing', `sha256/00/${'ab'.repeat(32)}`])
      eu.objects.set(key, Buffer.from('foreign'));
    for (const digest of [manifest, layer]) {
      const path = digest === manifest ? `manifests/${digest}` : `blobs/${digest}`;
      assert.equal((await client.send('DELETE', path)).status, 202);
    }
    const early = await app.app.administration.gc();
    assert.deepEqual(early.buckets, [{ store: 'eu', removed: 0, bytes: 0, foreign: 3 }], 'too young');
    await clock.advance(2 * hour);
    const { buckets } = await app.app.administration.gc();
    assert.deepEqual(
      buckets.map(({ store, removed, foreign }) => ({ store, removed, foreign })),
      [{ store: 'eu', removed: 2, foreign: 3 }],
    );
    assert.deepEqual(
      [layer, manifest].map((digest) => has(eu, digest)),
      [false, false],
    );
    assert.ok(
      [config, ...kept.digests].every((digest) => has(eu, digest)),
      'what is needed stays',
    );
    assert.ok(
      digests.every((digest) => has(us, digest)),
      'a bucket without sweep_after',
    );
  });

  it('tells of a bucket that cannot be listed', async (t) => {
    const eu = createMemoryObjects('eu');
    const app = await startApp(t, { registries: '' }, { buckets: [sweeping(eu)] });
    eu.fail('refused');
    const { buckets } = await app.app.administration.gc();
    assert.match(buckets[0]?.refused ?? '', /credentials have expired/);
  });
});

it('entrepot usage tells what is in each bucket, and what waits', async (t) => {
  const { app, eu, us } = await world(t, { toml: pushes });
  us.fail('unreachable');
  const { digests } = await pushImage(app.url, 'a layer');
  await placed(eu, digests);
  const { buckets } = await eventually('an upload has failed', async () => {
    const usage = await app.app.administration.usage();
    return usage.buckets[1]?.failing && usage.buckets[0]?.waiting.contents === 0 && usage;
  });
  assert.deepEqual(
    buckets.map(({ store, placed: there, waiting }) => [store, there.contents, waiting.contents]),
    [
      ['eu', 3, 0],
      ['us', 0, 3],
    ],
  );
});
