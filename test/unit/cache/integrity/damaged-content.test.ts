import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createDamagedContents } from '../../../../src/cache/integrity/damaged-content.ts';
import type { Digest } from '../../../../src/oci/digest.ts';

/** Of the folder `first`. */
const digest = (first: string, n = 0) => `sha256:${first}${String(n).padStart(62, '0')}` as Digest;
const loss = (of: Digest, reason = 'gone') => ({ digest: of, reason, isManifest: false });
const all = () => true;

test('a loss is given once, to who looks into its folder and wants it', () => {
  const losses = createDamagedContents();
  losses.add(loss(digest('0a')));
  losses.add(loss(digest('ff')));
  assert.equal(losses.take(0x0b, all), undefined);
  assert.equal(
    losses.take(0x0a, () => false),
    undefined,
  );
  assert.deepEqual(losses.take(0x0a, all), loss(digest('0a')));
  assert.equal(losses.take(0x0a, all), undefined);
  assert.deepEqual(losses.take(0xff, all), loss(digest('ff')));
});

test('what has come back is lost no more, and is forgotten', () => {
  const losses = createDamagedContents();
  losses.add(loss(digest('00')));
  losses.back(digest('00'));
  assert.equal(losses.take(0, all), undefined);
});

test('there are so many at most, and those that have come back make room', () => {
  const losses = createDamagedContents();
  for (let n = 0; n < 10_000; n += 1) assert.equal(losses.add(loss(digest('00', n))), true);
  assert.equal(losses.add(loss(digest('01'))), false);
  assert.equal(losses.add(loss(digest('00', 7), 'again')), true, 'known already');
  losses.back(digest('00', 3));
  assert.equal(losses.add(loss(digest('01'))), true);
  assert.deepEqual(losses.take(1, all), loss(digest('01')));
});
