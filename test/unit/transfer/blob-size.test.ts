import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BlobSize } from '../../../src/transfer/blob-size.ts';
import { digestOf } from '../../support/byte-source.ts';

const digest = digestOf(Buffer.from('anything'));
const empty = digestOf(Buffer.alloc(0));
const kept = { ok: true, changed: false };

describe('the size of a blob', () => {
  it('that a manifest told is held against every endpoint, and is assumed until one has told the same', () => {
    const size = new BlobSize(digest, 8, 9);
    assert.deepEqual(
      [size.value, size.announced, size.isAssumed, size.isConfirmed],
      [8, undefined, true, false],
    );
    assert.equal(size.judge(9).ok, false);
    assert.deepEqual(size.judge(8), kept);
    assert.deepEqual([size.value, size.announced, size.isAssumed, size.isConfirmed], [8, 8, false, true]);
    size.doubt();
    assert.equal(size.judge(9).ok, false);
    assert.deepEqual(
      [size.value, size.announced, size.isAssumed, size.isConfirmed],
      [8, undefined, true, false],
    );
  });

  it('that the first endpoint told holds until its bytes turn out wrong', () => {
    const size = new BlobSize(digest, undefined, undefined);
    assert.deepEqual(size.judge(undefined), kept);
    assert.equal(size.value, undefined);
    assert.deepEqual(size.judge(500), kept);
    assert.equal(size.judge(8).ok, false);
    size.doubt();
    assert.equal(size.value, undefined);
    assert.deepEqual(size.judge(undefined), kept);
    assert.deepEqual(size.judge(8), kept);
    assert.equal(size.judge(500).ok, false);
  });

  it('of an earlier run holds until an endpoint announces another one', () => {
    const size = new BlobSize(digest, undefined, 500);
    assert.deepEqual(size.judge(8), { ok: true, changed: true });
    assert.equal(size.judge(500).ok, false);
    const same = new BlobSize(digest, undefined, 500);
    assert.deepEqual(same.judge(500), kept);
    assert.equal(same.judge(8).ok, false);
  });

  it('that a body of unknown size came to is announced to no client, and no longer holds once an endpoint announces one', () => {
    const size = new BlobSize(digest, undefined, undefined);
    size.found(500);
    assert.deepEqual([size.value, size.announced], [500, undefined]);
    assert.deepEqual(size.judge(500), kept);
    assert.equal(size.announced, 500);
    const other = new BlobSize(digest, undefined, undefined);
    other.found(500);
    assert.deepEqual(other.judge(8), { ok: true, changed: true });
    other.found(9);
    assert.equal(other.value, 8);
  });

  it('is nothing only where the digest is that of nothing', () => {
    assert.equal(new BlobSize(digest, undefined, undefined).judge(0).ok, false);
    assert.deepEqual(new BlobSize(empty, undefined, undefined).judge(0), kept);
  });
});
