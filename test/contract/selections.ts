/** What every `Selections` does (`src/cache/index/selections/selections.ts`): tests that each implementation runs. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Selection } from '../../src/cache/index/selections/selections.ts';
import { mediaTypes } from '../../src/oci/media-types.ts';
import type { Tag } from '../../src/oci/reference.ts';
import { addBlob, addManifest, named, type OpenIndex } from './index-fixture.ts';

const image = 'quay.io/team/app';
const origin = 'quay.io/team/app';
const selected = (tag: string, content = tag): Selection => ({
  tag,
  digest: named(content),
  gone: undefined,
});

/** Registers the tests. `open` gives an empty index. */
export function testSelections(open: OpenIndex<'catalogue' | 'inventory' | 'order' | 'selections'>): void {
  describe('selections', () => {
    it('keep what each block selects of each image, by tag', async (t) => {
      const { selections } = await open(t);
      const gone = { ...selected('1'), gone: { since: 5, listings: 2 } };
      await selections.change('a', image, { put: [selected('2'), gone], drop: [] });
      await selections.change('b', image, { put: [selected('2', 'other')], drop: [] });
      await selections.change('a', 'quay.io/team/tool', { put: [selected('3')], drop: [] });
      assert.deepEqual(await selections.of('a', image), [gone, selected('2')]);
      assert.deepEqual(await selections.images('a'), [image, 'quay.io/team/tool']);
      assert.deepEqual(await selections.ofTag(image, '2'), [
        { ...selected('2'), block: 'a' },
        { ...selected('2', 'other'), block: 'b' },
      ]);
      assert.deepEqual([await selections.count('a'), await selections.count('c')], [3, 0]);
    });

    it('change, go, and go with their block', async (t) => {
      const { selections } = await open(t);
      await selections.change('a', image, { put: [selected('1'), selected('2')], drop: [] });
      await selections.change('b', image, { put: [selected('1')], drop: [] });
      const gone = { ...selected('2', 'moved'), gone: { since: 7, listings: 1 } };
      await selections.change('a', image, { put: [gone], drop: ['1', 'unknown'] });
      assert.deepEqual(await selections.of('a', image), [gone]);
      await selections.keepOnly(['b', 'other']);
      assert.deepEqual([await selections.count('a'), await selections.count('b')], [0, 1]);
    });

    it('are among the names of a content: by digest, by a tag that has moved, by what it is attached to', async (t) => {
      const { catalogue, inventory, selections } = await open(t);
      const links = [{ image, origin }];
      await addManifest(inventory, 'child', ['layer'], { links });
      await addManifest(inventory, 'root', ['child'], { links });
      await addManifest(inventory, 'moved', [], { links });
      await addBlob(inventory, 'other', 1, { links });
      const attached = { mediaType: mediaTypes.ociManifest, children: [] };
      for (const [name, subject] of [
        ['signature', 'root'],
        ['sbom', 'child'],
        ['signature of the sbom', 'sbom'],
        ['signature before its image', 'not here'],
      ] as const) {
        const manifest = { ...attached, subject: named(subject) };
        await inventory.add({ digest: named(name), size: 1, manifest }, links, 1);
      }
      await catalogue.setTag(
        image,
        '2' as Tag,
        { digest: named('moved'), endpoint: origin, checkedAt: 1 },
        1,
      );
      await selections.change('a', image, { put: [selected('1', 'root'), selected('2', 'old')], drop: [] });
      await selections.change('b', image, { put: [selected('1', 'root')], drop: [] });
      await selections.change('c', image, { put: [selected('3', 'not here')], drop: [] });
      const names = ['root', 'moved', 'signature', 'sbom', 'signature of the sbom', 'other'].concat(
        'signature before its image',
      );
      const found = await catalogue.namesOf(names.map(named));
      assert.deepEqual(
        found.map(({ selectedBy }) => selectedBy.toSorted()),
        [['a', 'b'], ['a'], ['a', 'b'], ['a', 'b'], ['a', 'b'], [], ['c']],
      );
    });

    it('that go or move bring what was pinned back into the order of eviction', async (t) => {
      const { inventory, order, selections } = await open(t);
      const roots = async () => (await order.oldest(undefined, 10)).roots.map(({ digest }) => digest);
      await addManifest(inventory, 'm', []);
      for (const change of [
        { put: [], drop: ['1'] },
        { put: [selected('1', 'other')], drop: [] },
      ]) {
        await selections.change('a', image, { put: [selected('1', 'm')], drop: [] });
        await order.pin([named('m')]);
        await selections.change('a', image, { put: [selected('2')], drop: [] });
        assert.deepEqual(await roots(), []);
        await selections.change('a', image, change);
        assert.deepEqual(await roots(), [named('m')]);
      }
      await order.pin([named('m')]);
      await selections.keepOnly([]);
      assert.deepEqual(await roots(), [named('m')]);
    });
  });
}
