import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createPartialDownloads } from '../../../../src/cache/capacity/partial-downloads.ts';
import type { Digest } from '../../../../src/oci/digest.ts';
import { digestOf } from '../data-folder-fixture.ts';

const [a, b, c] = ['a', 'b', 'c'].map((name) => digestOf(Buffer.from(name))) as [Digest, Digest, Digest];

function three() {
  const removed: Digest[] = [];
  const failed: string[] = [];
  const partialDownloads = createPartialDownloads((path) => failed.push(path));
  const add = (digest: Digest, bytes: number, left: number) =>
    partialDownloads.add(digest, { bytes, left, remove: () => removed.push(digest) });
  add(a, 100, 1);
  add(b, 20, 2);
  add(c, 3, 3);
  return { partialDownloads, add, removed, failed };
}

test('the oldest goes first, and none that was left after the given time', () => {
  const { partialDownloads, removed } = three();
  assert.deepEqual(
    [partialDownloads.removeOldest(3), partialDownloads.removeOldest(3), partialDownloads.removeOldest(3)],
    [100, 20, 0],
  );
  assert.deepEqual(removed, [a, b]);
  assert.equal(partialDownloads.bytes, 3);
});

test('what a transfer goes on with counts and stays, and is the latest when it is left again', () => {
  const { partialDownloads, add, removed } = three();
  partialDownloads.hold(a);
  assert.equal(partialDownloads.bytes, 123);
  assert.equal(partialDownloads.removeOldest(9), 20);
  add(a, 200, 4);
  assert.equal(partialDownloads.bytes, 203);
  assert.deepEqual([partialDownloads.removeOldest(9), partialDownloads.removeOldest(9)], [3, 200]);
  assert.deepEqual(removed, [b, c, a]);
});

test('what has become content is forgotten, held or not', () => {
  const { partialDownloads } = three();
  partialDownloads.hold(a);
  for (const digest of [a, b, a]) partialDownloads.forget(digest);
  assert.equal(partialDownloads.bytes, 3);
});

test('one that cannot be removed is told, and does not stand in the way of the others', () => {
  const { partialDownloads, failed, removed } = three();
  partialDownloads.add(a, {
    bytes: 100,
    left: 4,
    remove() {
      throw new Error('EIO');
    },
  });
  assert.deepEqual(
    [partialDownloads.removeOldest(9), partialDownloads.removeOldest(9), partialDownloads.removeOldest(9)],
    [20, 3, 100],
  );
  assert.deepEqual([removed, failed], [[b, c], [a]]);
  assert.equal(partialDownloads.bytes, 0);
});
