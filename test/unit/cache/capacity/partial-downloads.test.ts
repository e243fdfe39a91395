import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLeftovers } from '../../../../src/cache/capacity/partial-downloads.ts';
import type { Digest } from '../../../../src/oci/digest.ts';
import { digestOf } from '../data-folder-fixture.ts';

const [a, b, c] = ['a', 'b', 'c'].map((name) => digestOf(Buffer.from(name))) as [Digest, Digest, Digest];

function three() {
  const removed: Digest[] = [];
  const failed: string[] = [];
  const leftovers = createLeftovers((path) => failed.push(path));
  const add = (digest: Digest, bytes: number, left: number) =>
    leftovers.add(digest, { bytes, left, remove: () => removed.push(digest) });
  add(a, 100, 1);
  add(b, 20, 2);
  add(c, 3, 3);
  return { leftovers, add, removed, failed };
}

test('the oldest goes first, and none that was left after the given time', () => {
  const { leftovers, removed } = three();
  assert.deepEqual(
    [leftovers.removeOldest(3), leftovers.removeOldest(3), leftovers.removeOldest(3)],
    [100, 20, 0],
  );
  assert.deepEqual(removed, [a, b]);
  assert.equal(leftovers.bytes, 3);
});

test('what a transfer goes on with counts and stays, and is the latest when it is left again', () => {
  const { leftovers, add, removed } = three();
  leftovers.hold(a);
  assert.equal(leftovers.bytes, 123);
  assert.equal(leftovers.removeOldest(9), 20);
  add(a, 200, 4);
  assert.equal(leftovers.bytes, 203);
  assert.deepEqual([leftovers.removeOldest(9), leftovers.removeOldest(9)], [3, 200]);
  assert.deepEqual(removed, [b, c, a]);
});

test('what has become content is forgotten, held or not', () => {
  const { leftovers } = three();
  leftovers.hold(a);
  for (const digest of [a, b, a]) leftovers.forget(digest);
  assert.equal(leftovers.bytes, 3);
});

test('one that cannot be removed is told, and does not stand in the way of the others', () => {
  const { leftovers, failed, removed } = three();
  leftovers.add(a, {
    bytes: 100,
    left: 4,
    remove() {
      throw new Error('EIO');
    },
  });
  assert.deepEqual(
    [leftovers.removeOldest(9), leftovers.removeOldest(9), leftovers.removeOldest(9)],
    [20, 3, 100],
  );
  assert.deepEqual([removed, failed], [[b, c], [a]]);
  assert.equal(leftovers.bytes, 0);
});
