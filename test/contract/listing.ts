/** What every `Listing` does (`src/cache/index/listing.ts`): tests that each implementation runs. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { mediaTypes } from '../../src/oci/media-types.ts';
import { addBlob, addManifest, named, type OpenIndex } from './index-fixture.ts';

const origin = 'mirror.test/x';
const now = 1_700_000_000_000;

/** Registers the tests. `open` gives an empty index, with the listing under test. */
export function testListing(open: OpenIndex<'catalogue' | 'inventory' | 'listing'>): void {
  describe('a listing', () => {
    it('gives images by name, with what is stored of them', async (t) => {
      const { catalogue, inventory, listing } = await open(t);
      const links = ['b.test/x', 'a.test/x'].map((image) => ({ image, origin }));
      await addBlob(inventory, 'a', 7, { links });
      await addManifest(inventory, 'm', ['a'], { links: links.slice(0, 1) });
      await catalogue.link(named('not here'), { image: 'b.test/x', origin }, 1);
      await catalogue.setTag('b.test/x', '1', { digest: named('m'), endpoint: origin, checkedAt: 1 }, now);
      assert.deepEqual(await listing.images('', 10), [
        { image: 'a.test/x', tags: 0, contents: 1, bytes: 7 },
        { image: 'b.test/x', tags: 1, contents: 2, bytes: 17 },
      ]);
      assert.deepEqual(
        (await listing.images('a.test/x', 1)).map(({ image }) => image),
        ['b.test/x'],
      );
      assert.deepEqual(await listing.images('b.test/x', 1), []);
    });

    it('gives the manifests that an image can be pulled by: tags first, then roots without one', async (t) => {
      const { catalogue, inventory, listing } = await open(t);
      const links = [{ image: 'a.test/x', origin }];
      await addManifest(inventory, 'index', ['one', 'layer'], { links, used: 5 });
      await addManifest(inventory, 'one', ['layer'], { links, used: 6 });
      await addBlob(inventory, 'layer', 4, { links, used: 9 });
      await addManifest(inventory, 'plain', [], { links, used: 7 });
      for (const tag of ['b', 'a'])
        await catalogue.setTag(
          'a.test/x',
          tag,
          { digest: named('index'), endpoint: 'e/x', checkedAt: 3 },
          now,
        );
      const index = {
        digest: named('index'),
        mediaType: mediaTypes.ociManifest,
        bytes: 24,
        used: 9,
        endpoint: 'e/x',
        checkedAt: 3,
      };
      const plain = { ...index, digest: named('plain'), bytes: 10, used: 7, endpoint: origin };
      assert.deepEqual(await listing.keptManifests('a.test/x'), [
        { ...index, tag: 'a' },
        { ...index, tag: 'b' },
        { ...plain, tag: undefined, checkedAt: undefined },
      ]);
      assert.deepEqual(await listing.keptManifests('b.test/x'), []);
      await inventory.lose(named('plain'));
      assert.equal((await listing.keptManifests('a.test/x')).length, 2, 'a lost manifest cannot be pulled');
    });
  });
}
