/** Contents in buckets: the disk makes room, buckets die and come back, and the content is still there. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { systemClock } from '../../src/lib/clock.ts';
import type { Digest } from '../../src/oci/digest.ts';
import { contentKey } from '../../src/stores/content-key.ts';
import { type RunningApp, startApp } from '../support/app.ts';
import { eventually } from '../support/eventually.ts';
import { type FakeRegistry, startFakeRegistry } from '../support/fake-registry.ts';
import { get } from '../support/http-client.ts';
import { buildImage, type Image } from '../support/images.ts';
import { createMemoryObjects, type MemoryObjects } from '../support/memory-objects.ts';
import { insecureRegistry } from '../support/mirrored-registry.ts';
import { storedBytes } from '../support/stored-files.ts';

const KiB = 1024;
const configured = ({ store }: MemoryObjects) => ({ store, match: [], uploadRate: undefined });
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
}

async function world(t: TestContext, toml = '', buckets = 2): Promise<World> {
  const registry = await startFakeRegistry();
  t.after(() => registry.stop());
  const eu = createMemoryObjects('eu');
  const us = createMemoryObjects('us');
  const app = await startApp(
    t,
    { registries: insecureRegistry(registry.host), toml },
    { buckets: [eu, us].slice(0, buckets).map(configured), clock: systemClock },
  );
  const at = (repository: string, path: string) => `${app.url}/v2/${repository}/${path}?ns=${registry.host}`;
  return {
    registry,
    eu,
    us,
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
  };
}

const placed = (bucket: MemoryObjects, image: Image) =>
  eventually('the image is in the bucket', () => digestsOf(image).every((digest) => has(bucket, digest)));

const imageOf = (seed: string, size = 100 * KiB) => buildImage({ seed, layers: [size] });

describe('what was pulled', () => {
  it('is in every bucket soon after', async (t) => {
    const { registry, eu, us, pull } = await world(t);
    const image = imageOf('a');
    registry.putImage('team/app', 'v1', image);
    await pull('team/app', image);
    await placed(eu, image);
    await placed(us, image);
    for (const blob of image.blobs) assert.ok(eu.objects.get(contentKey(blob.digest))?.equals(blob.bytes()));
  });

  it('comes back from the nearest bucket once its files had to make room, with no registry there', async (t) => {
    const { registry, eu, us, app, pull } = await world(
      t,
      '[cache]\nmax_size = "300KiB"\n[freshness]\ntag = "1h"',
    );
    const images = ['a', 'b', 'c', 'd'].map((seed) => imageOf(seed));
    for (const [n, image] of images.entries()) {
      registry.putImage(`team/app${n}`, 'v1', image);
      await pull(`team/app${n}`, image);
      await placed(eu, image);
      await placed(us, image);
    }
    await eventually('room was made', () => storedBytes(app.data) <= 300 * KiB);
    await registry.refuse();
    us.calls.length = 0;
    for (const [n, image] of images.entries()) await pull(`team/app${n}`, image);
    assert.ok(eu.calls.some((call) => call.startsWith('get')));
    assert.deepEqual(
      us.calls.filter((call) => call.startsWith('get')),
      [],
    );
  });
});
