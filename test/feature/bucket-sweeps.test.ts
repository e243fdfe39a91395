/** What is removed from buckets by itself, and what stays. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { describe, it, type TestContext } from 'node:test';
import type { StoreSweep } from '../../src/config/store-config.ts';
import type { Digest } from '../../src/oci/digest.ts';
import { contentKey } from '../../src/stores/content-key.ts';
import { startApp } from '../support/app.ts';
import { createManualClock } from '../support/clock.ts';
import { eventually } from '../support/eventually.ts';
import { startFakeRegistry } from '../support/fake-registry.ts';
import { get } from '../support/http-client.ts';
import { buildImage, type Image } from '../support/images.ts';
import { createMemoryObjects, type MemoryObjects } from '../support/memory-objects.ts';
import { insecureRegistry } from '../support/mirrored-registry.ts';
import { imageManifest, pusher, sha256 } from '../support/pusher.ts';
import { storedFile } from '../support/stored-files.ts';

const hour = 3_600_000;
const toml = `
[access]
anonymous = ["pull", "push", "delete"]
[[push]]
match = "images.local/**"
mode = "local"
delete = true
`;

const configured = ({ store }: MemoryObjects, sweep: StoreSweep) => ({
  ...{ store, match: [], uploadRate: undefined, redirect: undefined, sweep },
});
const has = ({ objects }: MemoryObjects, digest: Digest) => objects.has(contentKey(digest));

/** The digests of its config, its layer and itself. */
async function pushImage(url: string, content: string) {
  const client = pusher(url, 'images.local/team/app');
  const [config, layer] = ['{}', content].map((text) => sha256(text) as Digest);
  await client.blob('{}');
  await client.blob(content);
  const json = imageManifest(['{}', content]);
  assert.equal((await client.manifest('v1', json)).status, 201);
  return { client, digests: [config, layer, sha256(JSON.stringify(json))] as [Digest, Digest, Digest] };
}

describe('sweep_every', () => {
  async function world(t: TestContext) {
    const clock = createManualClock(Date.now());
    const eu = createMemoryObjects('eu', clock.now);
    const running = await startApp(
      t,
      { registries: '', toml },
      { buckets: [configured(eu, { after: 2 * hour, maxSize: undefined, every: hour })], clock },
    );
    return { ...running, clock, eu };
  }

  it('removes what no image needs any more, without a command', async (t) => {
    const { url, clock, eu, log } = await world(t);
    const { client, digests } = await pushImage(url, 'a layer');
    const [config, layer, manifest] = digests;
    await client.send('DELETE', `manifests/${manifest}`);
    await client.send('DELETE', `blobs/${layer}`);
    await clock.advance(hour);
    assert.ok(
      digests.every((digest) => has(eu, digest)),
      'too young',
    );
    await eventually('it is swept', async () => {
      await clock.advance(hour);
      return !has(eu, layer) && !has(eu, manifest);
    });
    assert.ok(has(eu, config));
    const lines = log.filter(({ event }) => event === 'placement.swept');
    assert.equal(
      lines.reduce((sum, { removed }) => sum + Number(removed), 0),
      2,
    );
  });

  it('is a job that tells why it was refused, and that goes on when the bucket is back', async (t) => {
    const { app, clock, eu } = await world(t);
    eu.fail('refused');
    const job = await eventually('it was refused', async () => {
      await clock.advance(60_000);
      const [found] = await app.jobs.list({ kind: 'sweep', limit: 1 });
      return found?.reason !== undefined && found;
    });
    assert.equal(job.key, 'eu');
    assert.match(job.reason ?? '', /credentials have expired/);
    eu.fail(undefined);
    await eventually('it is done', async () => {
      await clock.advance(hour);
      const [found] = await app.jobs.list({ kind: 'sweep', limit: 1 });
      return found?.state === 'done';
    });
  });
});

describe('max_size of a bucket', () => {
  const KiB = 1024;

  it('removes the least recently used of what was pulled, and nothing that was pushed or is young', async (t) => {
    const clock = createManualClock(Date.now());
    const eu = createMemoryObjects('eu', clock.now);
    const registry = await startFakeRegistry();
    t.after(() => registry.stop());
    const sweep = { after: undefined, maxSize: 260 * KiB, every: undefined };
    const { url, app, data } = await startApp(
      t,
      { registries: insecureRegistry(registry.host), toml: `${toml}[freshness]\ntag = "3650d"\n` },
      { buckets: [configured(eu, sweep)], clock },
    );
    const pushed = await pushImage(url, 'x'.repeat(50 * KiB));
    const images = ['a', 'b', 'c'].map((seed) => buildImage({ seed, layers: [100 * KiB] }));
    async function pull(at: number) {
      const image = images[at] as Image;
      const paths = ['manifests/v1', ...image.blobs.map(({ digest }) => `blobs/${digest}`)];
      for (const path of paths) {
        const answer = await get(`${url}/v2/team/app${at}/${path}?ns=${registry.host}`);
        assert.equal(answer.status, 200);
      }
      await eventually('it is in the bucket', () => image.blobs.every(({ digest }) => has(eu, digest)));
    }
    for (const [at, image] of images.entries()) {
      registry.putImage(`team/app${at}`, 'v1', image);
      await pull(at);
      await clock.advance(60_000);
    }
    const [young] = (await app.administration.gc()).buckets;
    assert.equal(young?.removed, 0, 'an hour has not passed');
    assert.ok((young?.over ?? 0) > 80 * KiB);
    await clock.advance(2 * hour);
    await pull(0);
    await clock.advance(hour);
    const [swept] = (await app.administration.gc()).buckets;
    assert.equal(swept?.over, undefined);
    assert.ok((swept?.bytes ?? 0) >= 100 * KiB);
    const layers = images.map(({ blobs }) => blobs.at(-1)?.digest as Digest);
    assert.deepEqual(
      layers.map((layer) => has(eu, layer)),
      [true, false, true],
    );
    assert.ok(pushed.digests.every((digest) => has(eu, digest)));
    assert.ok(existsSync(storedFile(data, layers[1] as Digest)), 'the disk is another matter');
    await clock.advance(hour);
    assert.equal(has(eu, layers[1] as Digest), false, 'and it is not uploaded again');
  });
});
