import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { openIndex } from '../../../../src/cache/index/open-index.ts';
import { createSqliteInventory } from '../../../../src/cache/index/sqlite-inventory.ts';
import { mediaTypes } from '../../../../src/oci/media-types.ts';
import { digestOf, endpoint, image } from '../data-folder-fixture.ts';

const named = (name: string) => digestOf(Buffer.from(name));

function open(t: TestContext) {
  const { index } = openIndex(':memory:', 0);
  t.after(() => index.close());
  return index;
}

test('names that nothing refers to are removed, and each that a table refers to stays', async (t) => {
  const index = open(t);
  const child = { digest: named('child'), size: 1, mediaType: 'of/child' };
  index.addManifest(named('m'), 10, { mediaType: mediaTypes.ociManifest, children: [child] }, 1);
  index.link('linked.test/x', named('m'), 'of.link/x', 1, 'of/link');
  index.setTag('tagged.test/x', '1', { digest: named('m'), endpoint: 'of.tag/x', checkedAt: 1 });
  index.setList('listed.test/x', 'tags', '', { bytes: Buffer.from('[]'), checkedAt: 1 });
  index.link('gone.test/x', named('m'), 'of.gone/x', 1);
  index.unlink('gone.test/x', named('m'));

  const inventory = createSqliteInventory(index);
  assert.equal(await inventory.forgetUnused(() => false), 2, 'the image that is gone and its endpoint');
  assert.equal(await inventory.forgetUnused(() => false), 0);
  assert.equal(index.descriptor('linked.test/x', named('child'))?.mediaType, 'of/child');
  assert.equal(index.descriptor('linked.test/x', named('child'))?.endpoint, 'of.link/x');
  assert.equal(index.linkedContent('linked.test/x', named('m'))?.mediaType, 'of/link');
  assert.equal(index.tag('tagged.test/x', '1')?.endpoint, 'of.tag/x');
  assert.ok(index.list('listed.test/x', 'tags', ''));
  index.link('gone.test/x', named('m'), 'of.gone/x', 1);
  assert.deepEqual(index.imagesOf(named('m')).toSorted(), ['gone.test/x', 'linked.test/x']);
});

test('a large index is looked through in slices, and a name that comes back meanwhile stays', (t) => {
  const index = open(t);
  index.transaction(() => {
    for (let n = 0; n < 5000; n += 1) {
      index.link(`a.test/${n}`, named(String(n)), `mirror.test/${n}`, 1);
      if (n % 2 === 0) index.unlink(`a.test/${n}`, named(String(n)));
    }
  });
  let slices = 0;
  let removed = 0;
  const back: string[] = [];
  for (let isDone = false; !isDone; slices += 1) {
    // Between any two slices: while the tables are read, and afterwards.
    const n = 4998 - 2 * slices;
    index.link(`a.test/${n}`, named('other'), `mirror.test/${n}`, 1);
    back.push(`a.test/${n}`);
    const slice = index.forgetSome();
    removed += slice.removed;
    isDone = slice.isDone;
  }
  assert.ok(slices > 6, `${slices} slices`);
  // A name that comes back after its removal is a new one.
  assert.ok(removed >= 2 * (2500 - back.length) && removed < 2 * 2500, `${removed} removed`);
  assert.deepEqual(index.imagesOf(named('other')).toSorted(), back.toSorted());
  index.link(image, named('other'), endpoint, 1);
  assert.deepEqual(index.imagesOf(named('1')), ['a.test/1']);
});

test('referrers lists go with the last link of their image, tag lists stay', (t) => {
  const index = open(t);
  const value = { bytes: Buffer.from('[]'), checkedAt: 1 };
  for (let n = 0; n < 2500; n += 1) index.setList('gone.test/x', 'referrers', String(n), value);
  index.setList('gone.test/x', 'tags', '', value);
  index.link(image, named('m'), endpoint, 1);
  index.setList(image, 'referrers', 'a', value);
  while (!index.forgetSome().isDone);
  assert.equal(index.list('gone.test/x', 'referrers', '0'), undefined);
  assert.equal(index.list('gone.test/x', 'referrers', '2499'), undefined);
  assert.ok(index.list('gone.test/x', 'tags', ''));
  assert.ok(index.list(image, 'referrers', 'a'));
});
