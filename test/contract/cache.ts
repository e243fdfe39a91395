/** What every Cache does. A test file of an implementation calls `cacheContract` with a way to open an empty one. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import type { Cache } from '../../src/cache/cache.ts';
import { digestOf, endpoint, manifestOf, readAll, tagOf } from '../unit/cache/data-folder-fixture.ts';

const image = 'docker.io/library/alpine';
const other = 'quay.io/team/app';

/** Registers the tests. */
export function cacheContract(name: string, open: (t: TestContext) => Promise<Cache>): void {
  async function commit(cache: Cache, bytes: Uint8Array) {
    const digest = digestOf(bytes);
    const file = join(cache.incoming.path, randomBytes(4).toString('hex'));
    writeFileSync(file, bytes);
    await cache.commit(digest, bytes.length, file);
    return { digest, file };
  }

  describe(`${name} keeps the contract of Cache:`, () => {
    it('of an unknown digest nothing is found', async (t) => {
      const cache = await open(t);
      const digest = digestOf(randomBytes(8));
      const found = await cache.find(image, digest);
      assert.deepEqual(found, { content: undefined, linked: false, described: undefined });
      assert.equal(await cache.isStored(digest), false);
      assert.equal(await cache.open(image, digest), undefined);
      assert.equal(await cache.manifest(image, digest), undefined);
    });

    it('a blob is served to the images that link it, also if the link came first', async (t) => {
      const cache = await open(t);
      const bytes = randomBytes(1000);
      await cache.link(image, digestOf(bytes), endpoint);
      const { digest, file } = await commit(cache, bytes);
      assert.equal(existsSync(file), false);
      const blob = await cache.open(image, digest);
      assert.ok(blob && (await readAll(blob.stream(0, blob.size))).equals(bytes));
      blob.close();
      assert.equal(await cache.open(other, digest), undefined);
      const { content, linked } = await cache.find(other, digest);
      assert.deepEqual([content?.size, linked], [1000, false]);
      await cache.link(other, digest, endpoint);
      (await cache.open(other, digest))?.close();
      assert.equal((await cache.find(other, digest)).linked, true);
    });

    it('a manifest is served where its image links it, and describes what it lists', async (t) => {
      const cache = await open(t);
      const layer = digestOf(randomBytes(8));
      const manifest = manifestOf([{ digest: layer, size: 8 }]);
      await cache.putManifest(image, manifest);
      assert.deepEqual((await cache.manifest(image, manifest.digest))?.bytes.length, manifest.bytes.length);
      assert.equal(await cache.manifest(other, manifest.digest), undefined);
      const { described, linked } = await cache.find(image, layer);
      assert.deepEqual([described?.size, described?.imageBytes, linked], [8, 8, false]);
    });

    it('tags are sorted, moved and dropped', async (t) => {
      const cache = await open(t);
      const manifests = ['one', 'two'].map((note) =>
        manifestOf([{ digest: digestOf(Buffer.from('x')), size: 1 }], note),
      );
      for (const manifest of manifests) await cache.putManifest(image, manifest);
      const [one, two] = manifests.map(({ digest }) => ({ digest, endpoint }));
      await cache.setTag(image, tagOf('b'), one!);
      await cache.setTag(image, tagOf('a'), one!);
      await cache.setTag(image, tagOf('b'), two!);
      assert.deepEqual(await cache.tags(image), ['a', 'b']);
      assert.equal((await cache.tag(image, tagOf('b')))?.digest, two!.digest);
      await cache.dropTag(image, tagOf('b'));
      assert.equal(await cache.tag(image, tagOf('b')), undefined);
      assert.deepEqual(await cache.tags(other), []);
    });

    it('lists are kept by image, kind and key', async (t) => {
      const cache = await open(t);
      await cache.setList(image, 'tags', '', Buffer.from('[]'));
      assert.equal((await cache.list(image, 'tags', ''))?.bytes.length, 2);
      assert.equal(await cache.list(image, 'referrers', ''), undefined);
      await cache.dropList(image, 'tags', '');
      assert.equal(await cache.list(image, 'tags', ''), undefined);
    });

    it('what is reserved can be released, once', async (t) => {
      const cache = await open(t);
      const reservation = await cache.reserve(1000, [image]);
      assert.ok(reservation);
      reservation.release();
      reservation.release();
    });
  });
}
