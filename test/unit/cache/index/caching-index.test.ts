/** Held against the index that it stands before: after any sequence of writes both give the same answers. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createCachingIndex } from '../../../../src/cache/index/caching-index.ts';
import type { IndexRows } from '../../../../src/cache/index/index-rows.ts';
import { openIndex } from '../../../../src/cache/index/open-index.ts';
import type { Digest } from '../../../../src/oci/digest.ts';
import { mediaTypes } from '../../../../src/oci/media-types.ts';
import { digestOf, endpoint } from '../data-folder-fixture.ts';

const images = ['docker.io/a/a', 'docker.io/b/b'];
const tags = ['1', '2'];
const digests = ['x', 'y', 'z'].map((name) => digestOf(Buffer.from(name)));

const image = fc.constantFrom(...images);
const tag = fc.constantFrom(...tags);
const digest = fc.constantFrom(...digests);
const size = fc.integer({ min: 1, max: 9 });

type Write = (index: IndexRows) => void;

const write: fc.Arbitrary<Write> = fc.oneof(
  fc.tuple(image, tag, digest, size).map(
    ([i, t, d, at]): Write =>
      (index) => {
        index.setTag(i, t, { digest: d, endpoint, checkedAt: at });
      },
  ),
  fc.tuple(image, tag, size, size).map(
    ([i, t, at, now]): Write =>
      (index) =>
        index.confirmTag(i, t, at, now),
  ),
  fc.tuple(image, tag).map(
    ([i, t]): Write =>
      (index) =>
        index.dropTag(i, t),
  ),
  fc.tuple(image, digest).map(
    ([i, d]): Write =>
      (index) =>
        index.link(i, d, endpoint, 1),
  ),
  fc.tuple(image, digest).map(
    ([i, d]): Write =>
      (index) =>
        index.unlink(i, d),
  ),
  fc.tuple(digest, size).map(
    ([d, bytes]): Write =>
      (index) =>
        index.addBlob(d, bytes, 1),
  ),
  fc.tuple(digest, size, fc.subarray(digests)).map(
    ([d, bytes, listed]): Write =>
      (index) => {
        const children = listed.filter((child) => child !== d);
        const descriptors = children.map((child) => ({ digest: child, size: 1, mediaType: 'text/plain' }));
        index.addManifest(d, bytes, { mediaType: mediaTypes.ociManifest, children: descriptors }, 1);
      },
  ),
  digest.map(
    (d): Write =>
      (index) =>
        void index.dropContent(d),
  ),
  digest.map(
    (d): Write =>
      (index) =>
        index.loseContent(d),
  ),
  fc.subarray(digests).map(
    (chosen): Write =>
      (index) =>
        void index.evict(chosen.map((d) => [d, 9])),
  ),
);

/** Several writes of which nothing may remain. */
const failing: fc.Arbitrary<Write> = fc.array(write, { maxLength: 3 }).map(
  (writes): Write =>
    (index) => {
      assert.throws(() =>
        index.transaction(() => {
          for (const one of writes) one(index);
          answers(index);
          throw new Error('rolled back');
        }),
      );
    },
);

function answers(index: IndexRows): unknown {
  return images.map((i) => [
    tags.map((t) => index.tag(i, t)),
    digests.map((d) => {
      const content = index.linkedContent(i, d);
      return content && { size: content.size, mediaType: content.mediaType };
    }),
  ]);
}

test('whatever is written, it answers as the index behind it does', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof({ weight: 6, arbitrary: write }, failing), { maxLength: 40 }), (writes) => {
      const plain = openIndex(':memory:', 0).index;
      const behind = openIndex(':memory:', 0).index;
      const remembered = createCachingIndex(behind);
      for (const one of writes) {
        one(plain);
        one(remembered);
        assert.deepEqual(answers(remembered), answers(plain));
      }
      plain.close();
      remembered.close();
    }),
    { numRuns: 200 },
  );
});

test('a content that comes or goes leaves what is known of the others', (t) => {
  const { index } = openIndex(':memory:', 0);
  t.after(() => index.close());
  let asked = 0;
  const counted: IndexRows = {
    ...index,
    linkedContent(i, d) {
      asked += 1;
      return index.linkedContent(i, d);
    },
  };
  const remembered = createCachingIndex(counted);
  const [first = ''] = images;
  const [stays, comes, goes] = digests as [Digest, Digest, Digest];
  for (const one of [stays, goes]) {
    remembered.addBlob(one, 1, 1);
    remembered.link(first, one, endpoint, 1);
    assert.ok(remembered.linkedContent(first, one));
  }
  asked = 0;
  remembered.addBlob(comes, 1, 1);
  remembered.dropContent(goes);
  assert.ok(remembered.linkedContent(first, stays));
  assert.equal(asked, 0);
  assert.equal(remembered.linkedContent(first, goes), undefined);
});

test('asks the index behind it once for what does not change', (t) => {
  const { index } = openIndex(':memory:', 0);
  t.after(() => index.close());
  let asked = 0;
  const counted: IndexRows = {
    ...index,
    tag(i, name) {
      asked += 1;
      return index.tag(i, name);
    },
  };
  const remembered = createCachingIndex(counted);
  const [first = ''] = images;
  remembered.setTag(first, '1', { digest: digests[0]!, endpoint, checkedAt: 1 });
  for (let turn = 0; turn < 5; turn++) assert.equal(remembered.tag(first, '1')?.checkedAt, 1);
  assert.equal(asked, 1);
  remembered.forgetAll();
  remembered.tag(first, '1');
  assert.equal(asked, 2);
});
