import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { createCachingIndex } from '../../../../src/cache/index/caching-index.ts';
import { openIndex } from '../../../../src/cache/index/open-index.ts';
import { createSqlitePlacements } from '../../../../src/cache/index/placements/sqlite-placements.ts';
import { createSqliteCatalogue } from '../../../../src/cache/index/sqlite-catalogue.ts';
import { createSqliteEvictionOrder } from '../../../../src/cache/index/sqlite-eviction-order.ts';
import { createSqliteInventory } from '../../../../src/cache/index/sqlite-inventory.ts';
import type { Digest } from '../../../../src/oci/digest.ts';
import { addBlob, addManifest, named, unlistedHosted } from '../../../contract/index-fixture.ts';
import { testPlacementStore } from '../../../contract/placement-store.ts';
import { createMemoryPlacements } from '../../../support/memory-placements.ts';

function openSqlite(t: TestContext) {
  const { index } = openIndex(':memory:', 0);
  t.after(() => index.close());
  const rows = createCachingIndex(index);
  return {
    placements: createSqlitePlacements(rows),
    inventory: createSqliteInventory(rows),
    catalogue: createSqliteCatalogue(rows),
    order: createSqliteEvictionOrder(rows),
  };
}

describe('in SQLite', () => {
  testPlacementStore(async (t) => {
    const { placements, inventory, catalogue } = openSqlite(t);
    return {
      placements,
      add: (digest, size, at) => inventory.add({ digest, size }, [], at),
      link: (digest) => catalogue.link(digest, { image: 'quay.io/team/app', origin: 'quay.io/team/app' }, 1),
    };
  });
});

describe('in memory', () => {
  testPlacementStore(async () => {
    const placements = createMemoryPlacements();
    return {
      placements,
      add: async (digest, size, at) => placements.stored(digest, size, at),
      link: async (digest) => placements.linked(digest),
    };
  });
});

describe('eviction of what is in a bucket', () => {
  const image = 'quay.io/team/app';
  const links = [{ image, origin: image }];
  const hosted = [{ image, origin: 'push' }];

  async function withImage(t: TestContext, from = links) {
    const parts = openSqlite(t);
    await parts.placements.storesAre(['eu']);
    await addBlob(parts.inventory, 'layer', 5, { links: from });
    await addManifest(parts.inventory, 'manifest', ['layer'], { links: from });
    const place = (name: string) =>
      parts.placements.placed({ digest: named(name), store: 'eu' }, name.length, 1);
    const roots = async () => (await parts.order.oldest(undefined, 10)).roots.map(({ digest }) => digest);
    const evict = (...names: string[]) =>
      parts.order.evict(names.map((name): [Digest, number] => [named(name), 1]));
    return { ...parts, place, roots, evict };
  }

  it('takes the files, keeps the names, and is over once nothing of the image is here', async (t) => {
    const { catalogue, inventory, place, roots, evict } = await withImage(t);
    await catalogue.setTag(image, 'v1', { digest: named('manifest'), endpoint: image, checkedAt: 1 }, 1);
    await place('layer');
    await place('manifest');
    assert.deepEqual(new Set(await evict('manifest', 'layer')), new Set(['manifest', 'layer'].map(named)));
    for (const name of ['manifest', 'layer']) {
      const { content, linked } = await catalogue.find(image, named(name));
      assert.deepEqual([content, linked], [undefined, true], name);
    }
    assert.equal((await catalogue.tag(image, 'v1'))?.digest, named('manifest'));
    assert.deepEqual(await roots(), []);
    assert.equal(inventory.totals().bytes, 0);
  });

  it('leaves what is in one bucket alone to be copied to another', async (t) => {
    const { placements, place, evict } = await withImage(t);
    await place('layer');
    await place('manifest');
    await evict('manifest', 'layer');
    await placements.storesAre(['eu', 'us']);
    await placements.fill('us', undefined, 10, 5);
    const due = await placements.due('us', 5, 10);
    assert.deepEqual(new Set(due.map(({ digest }) => digest)), new Set(['manifest', 'layer'].map(named)));
    assert.deepEqual(new Set(due.map(({ size }) => size)), new Set([8, 5]), 'the sizes that the bucket has');
  });

  it('comes to the image again when one of its files is back', async (t) => {
    const { inventory, place, roots, evict } = await withImage(t);
    await place('layer');
    await place('manifest');
    await evict('manifest', 'layer');
    await addBlob(inventory, 'layer', 5);
    assert.deepEqual(await roots(), [named('manifest')]);
    await evict('manifest', 'layer');
    assert.deepEqual([await roots(), inventory.totals().bytes], [[], 0]);
  });

  it('forgets what no bucket has, unless something in a bucket lists it', async (t) => {
    const { catalogue, inventory, place, roots, evict } = await withImage(t);
    await place('manifest');
    await addBlob(inventory, 'alone', 5, { links });
    await evict('manifest', 'layer', 'alone');
    assert.equal((await catalogue.find(image, named('layer'))).linked, true);
    assert.equal((await catalogue.find(image, named('alone'))).linked, false);
    assert.deepEqual(await roots(), []);
  });

  it('keeps what only a bucket has of an image that goes', async (t) => {
    const { catalogue, place, roots, evict } = await withImage(t);
    await place('layer');
    await evict('manifest', 'layer');
    assert.equal((await catalogue.find(image, named('manifest'))).linked, false);
    assert.equal((await catalogue.find(image, named('layer'))).linked, true);
    assert.deepEqual(await roots(), []);
  });

  it('takes hosted content then, and only then', async (t) => {
    const { catalogue, inventory, placements, place, roots, evict } = await withImage(t, hosted);
    assert.deepEqual(await roots(), []);
    assert.deepEqual(await evict('manifest', 'layer'), []);
    assert.equal(inventory.keptBytes(), 15);
    await place('manifest');
    assert.deepEqual([await roots(), inventory.keptBytes()], [[named('manifest')], 5]);
    assert.deepEqual(await evict('manifest', 'layer'), [named('manifest')], 'the layer is in no bucket');
    await place('layer');
    assert.deepEqual(await evict('manifest', 'layer'), [named('manifest'), named('layer')]);
    assert.deepEqual([await roots(), inventory.hosted().contents, inventory.keptBytes()], [[], 0, 0]);
    assert.equal(await catalogue.originOf(image, named('layer')), 'push');
    const lost = await Promise.all(
      Array.from({ length: 256 }, (_, first) => inventory.lostHosted({ algorithm: 'sha256', first })),
    );
    assert.deepEqual(lost.flat(), []);
    await placements.forget({ digest: named('layer'), store: 'eu' });
    const { algorithm, first } = {
      algorithm: 'sha256',
      first: Number(`0x${named('layer').slice(7, 9)}`),
    } as const;
    assert.equal((await inventory.lostHosted({ algorithm, first })).length, 1, 'no bucket has it any more');
  });
});

describe('a manifest that another replica took, and that a bucket has', () => {
  it('leaves no blob of its image for gc: what it lists is not known here', async (t) => {
    const { placements, inventory, catalogue } = openSqlite(t);
    const image = 'images.local/team/app';
    await placements.storesAre(['eu']);
    await addBlob(inventory, 'layer', 5, { links: [{ image, origin: 'push' }], used: 1 });
    const mediaType = 'application/vnd.oci.image.manifest.v1+json';
    await catalogue.link(named('manifest'), { image, origin: 'push', mediaType }, 1);
    assert.deepEqual(await unlistedHosted(inventory, 15), []);
    await placements.placed({ digest: named('manifest'), store: 'eu' }, 8, 1);
    assert.deepEqual(await unlistedHosted(inventory, 15), []);
  });
});
