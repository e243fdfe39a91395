/** What the contract suites do not say of the rows in SQLite. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { openIndex } from '../../../../src/cache/index/open-index.ts';
import type { Manifest } from '../../../../src/oci/manifest.ts';
import { mediaTypes } from '../../../../src/oci/media-types.ts';
import { digestOf, image } from '../data-folder-fixture.ts';

const layerType = 'application/vnd.oci.image.layer.v1.tar';
const named = (name: string) => digestOf(Buffer.from(name));

function open(t: TestContext) {
  const { index } = openIndex(':memory:', 0);
  t.after(() => index.close());
  return index;
}

function manifest(...children: string[]): Manifest {
  return {
    mediaType: mediaTypes.ociManifest,
    children: children.map((name) => ({ digest: named(name), size: name.length, mediaType: layerType })),
  };
}

test('a transaction that fails leaves nothing behind, names and sums included', (t) => {
  const index = open(t);
  const failed = new Error('failed');
  const attempt = () =>
    index.transaction(() => {
      index.addManifest(named('m'), 10, manifest('a'), 1);
      index.link('new.test/image', named('m'), 'new.test/endpoint', 1);
      throw failed;
    });
  assert.throws(attempt, failed);
  assert.equal(index.content(named('m')), undefined);
  assert.equal(index.totals().bytes, 0);
  index.link('other.test/image', named('x'), 'other.test/endpoint', 1);
  index.link('new.test/image', named('y'), 'new.test/endpoint', 1);
  assert.equal(index.isLinked('other.test/image', named('y')), false);
  assert.equal(index.isLinked('new.test/image', named('y')), true);
});

test('of a manifest that lists absurdly much only the beginning is noted', (t) => {
  const index = open(t);
  index.addManifest(named('m'), 10, manifest(...Array.from({ length: 5000 }, (_, n) => String(n))), 1);
  assert.equal(index.children(named('m')).length, 2000);
});

test('lists together are bounded: the oldest go', (t) => {
  const index = open(t);
  const bytes = Buffer.alloc(50 * 1024 * 1024);
  for (const [n, key] of ['a', 'b', 'c'].entries())
    index.setList(image, 'tags', key, { bytes, checkedAt: n });
  assert.equal(index.list(image, 'tags', 'a'), undefined);
  assert.equal(index.list(image, 'tags', 'c')?.bytes.length, bytes.length);
  index.setList(image, 'tags', 'c', { bytes: Buffer.from('x'), checkedAt: 9 });
  index.setList(image, 'tags', 'd', { bytes, checkedAt: 10 });
  assert.ok(index.list(image, 'tags', 'b'), 'what was replaced no longer counts');
});
