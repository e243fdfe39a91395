import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { openIndex } from '../../../../src/cache/index/open-index.ts';
import type { Digest } from '../../../../src/oci/digest.ts';
import type { Manifest } from '../../../../src/oci/manifest.ts';
import { mediaTypes } from '../../../../src/oci/media-types.ts';
import { digestOf, endpoint, image } from '../data-folder-fixture.ts';

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

test('what a manifest lists is heard of with it, and stored when its file comes', (t) => {
  const index = open(t);
  index.addManifest(named('m'), 100, { ...manifest('a', 'bb', 'a'), subject: named('s') }, 5);
  assert.equal(index.content(named('a')), undefined);
  assert.deepEqual(
    index.children(named('m')).map(({ digest, size, stored }) => ({ digest, size, stored })),
    [
      { digest: named('a'), size: 1, stored: false },
      { digest: named('bb'), size: 2, stored: false },
    ],
  );
  index.addBlob(named('a'), 1, 6);
  assert.equal(index.content(named('a'))?.size, 1);
  assert.deepEqual(index.totals(), { bytes: 101, contents: 2, manifests: 1 });
});

test('dropping a manifest gives what it alone listed, forgets what is only heard of, and leaves the rest', (t) => {
  const index = open(t);
  index.addManifest(named('m'), 10, manifest('own', 'shared', 'unseen', 'linked'), 1);
  index.addManifest(named('n'), 10, manifest('shared'), 1);
  for (const name of ['own', 'shared']) index.addBlob(named(name), 5, 1);
  index.link(image, named('linked'), endpoint, 1);
  index.link(image, named('m'), endpoint, 1);
  index.setTag(image, '1', { digest: named('m'), endpoint, checkedAt: 1 });

  assert.deepEqual(
    index.dropContent(named('m')).map(({ digest }) => digest),
    [named('own')],
  );
  assert.equal(index.tag(image, '1'), undefined);
  assert.equal(index.isLinked(image, named('m')), false);
  assert.equal(index.isLinked(image, named('linked')), true);
  assert.deepEqual(index.totals(), { bytes: 20, contents: 3, manifests: 1 });
  assert.deepEqual(index.dropContent(named('never seen')), []);
});

test('a lost content is not stored, and is all that it was when it comes back', (t) => {
  const index = open(t);
  const listed = { ...manifest('own', 'unseen'), subject: named('s') };
  index.addManifest(named('m'), 10, listed, 1);
  index.addBlob(named('own'), 5, 1);
  index.link(image, named('m'), endpoint, 1);
  index.setTag(image, '1', { digest: named('m'), endpoint, checkedAt: 1 });
  const children = index.children(named('m'));

  index.loseContent(named('m'));
  assert.equal(index.content(named('m')), undefined);
  assert.equal(index.linkedContent(image, named('m')), undefined);
  assert.deepEqual(index.keptManifests(image), []);
  assert.deepEqual(index.totals(), { bytes: 5, contents: 1, manifests: 0 });
  assert.deepEqual(index.namesOf(named('m')).toSorted(), [image, `${image}:1`]);
  assert.deepEqual(index.children(named('m')), children);

  index.addManifest(named('m'), 10, listed, 2);
  assert.equal(index.content(named('m'))?.mediaType, mediaTypes.ociManifest);
  assert.deepEqual(index.children(named('m')), children);
  assert.equal(index.keptManifests(image)[0]?.bytes, 15);
  assert.deepEqual(index.totals(), { bytes: 15, contents: 2, manifests: 1 });
  index.loseContent(named('never seen'));
});

test('what a lost manifest listed becomes a root when that is dropped for good', (t) => {
  const index = open(t);
  index.addManifest(named('m'), 10, manifest('own'), 1);
  index.addBlob(named('own'), 5, 3);
  index.loseContent(named('m'));
  assert.deepEqual(index.oldest(undefined)?.digest, named('m'), 'not the layer, though it alone is stored');
  assert.deepEqual(
    index.dropContent(named('m')).map(({ digest }) => digest),
    [named('own')],
  );
});

test('a dropped content that a manifest still lists keeps its links', (t) => {
  const index = open(t);
  index.addManifest(named('m'), 10, manifest('a'), 1);
  index.addBlob(named('a'), 1, 1);
  index.link(image, named('a'), endpoint, 1);
  index.dropContent(named('a'));
  assert.equal(index.content(named('a')), undefined);
  assert.equal(index.isLinked(image, named('a')), true);
});

test('roots come least recently used first, and a use moves one, never back', (t) => {
  const index = open(t);
  index.addManifest(named('m'), 10, manifest('a'), 30);
  index.addBlob(named('a'), 1, 1);
  index.addBlob(named('b'), 1, 20);
  index.addBlob(named('c'), 1, 10);
  const order = () => {
    const seen = [];
    for (let root = index.oldest(undefined); root; root = index.oldest(root)) seen.push(root.digest);
    return seen;
  };
  assert.deepEqual(order(), ['c', 'b', 'm'].map(named));
  index.touch([
    [named('c'), 25],
    [named('b'), 5],
  ]);
  assert.deepEqual(order(), ['b', 'c', 'm'].map(named));
});

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

test('stored contents are walked by the first byte of their digest, a few at once', (t) => {
  const index = open(t);
  const all = Array.from({ length: 600 }, (_, n) => named(String(n)));
  index.transaction(() => {
    for (const digest of all) index.addBlob(digest, 1, 1);
  });
  const walked = [];
  for (let first = 0; first < 256; first += 1) {
    for (let after: Digest | undefined; ; ) {
      const some = index.storedIn('sha256', first, after, 2).map(({ digest }) => digest);
      walked.push(...some);
      after = some.at(-1);
      if (!after) break;
    }
  }
  assert.deepEqual(walked, all.toSorted());
  assert.deepEqual(index.storedIn('sha512', 0, undefined, 2), []);
});

test('images are listed by name with what they hold', (t) => {
  const index = open(t);
  index.addBlob(named('a'), 7, 1);
  index.addManifest(named('m'), 3, manifest('a'), 1);
  for (const name of ['b.test/x', 'a.test/x']) index.link(name, named('a'), endpoint, 1);
  index.link('b.test/x', named('m'), endpoint, 1);
  index.link('b.test/x', named('not here'), endpoint, 1);
  index.setTag('b.test/x', '1', { digest: named('m'), endpoint, checkedAt: 1 });
  assert.deepEqual(index.images('', 10), [
    { image: 'a.test/x', tags: 0, contents: 1, bytes: 7 },
    { image: 'b.test/x', tags: 1, contents: 2, bytes: 10 },
  ]);
  assert.deepEqual(
    index.images('a.test/x', 1).map((summary) => summary.image),
    ['b.test/x'],
  );
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

test('of two writes to a tag the later wins, unless it comes from a clock that was ahead', (t) => {
  const index = open(t);
  const set = (name: string, checkedAt: number, now?: number) =>
    index.setTag(image, '1', { digest: named(name), endpoint, checkedAt }, now);
  const known = () => index.tag(image, '1')?.digest;
  set('a', 20);
  set('b', 10);
  assert.equal(known(), named('a'));
  index.dropTag(image, '1', 10);
  assert.equal(known(), named('a'));
  set('b', 10, 15);
  assert.equal(known(), named('b'), '20 is later than now');
  set('c', 10);
  assert.equal(known(), named('c'), 'the same time is not older');
  index.dropTag(image, '1', 10);
  assert.equal(known(), undefined);
  set('a', 20);
  index.dropTag(image, '1', 10, 15);
  assert.equal(known(), undefined, '20 is later than now');
});
