import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  blobOf,
  collect,
  corrupted,
  digestOf,
  generateBlob,
  joined,
  slice,
} from '../../support/byte-source.ts';

const MiB = 1024 * 1024;

test('a generated blob gives the same bytes at any offset, however it is read', () => {
  const blob = generateBlob(3 * MiB + 12_345, 'a seed');
  const whole = blob.bytes();
  assert.equal(whole.length, blob.size);
  assert.equal(blob.digest, digestOf(whole));
  fc.assert(
    fc.property(fc.nat(blob.size - 1), fc.integer({ min: 1, max: 2 * MiB }), (at, max) => {
      const part = blob.read(at, max);
      return part.length > 0 && part.length <= max && part.equals(whole.subarray(at, at + part.length));
    }),
  );
});

test('the blocks of a generated blob differ, and so do two seeds', () => {
  const blob = generateBlob(64 * MiB, 1);
  const blocks = new Set<string>();
  for (let at = 0; at < blob.size; at += MiB) {
    blocks.add(
      createHash('sha256')
        .update(blob.bytes(at, at + MiB))
        .digest('hex'),
    );
  }
  assert.equal(blocks.size, 64);
  assert.notEqual(generateBlob(MiB, 1).digest, generateBlob(MiB, 2).digest);
  assert.equal(generateBlob(MiB, 1).digest, generateBlob(MiB, 1).digest);
});

test('a slice, a corrupted and a joined source read like the buffers they stand for', () => {
  const content = Buffer.from('0123456789');
  assert.equal(collect(slice(blobOf(content), 2, 6)).toString(), '2345');
  assert.equal(collect(joined(blobOf('abc'), blobOf('def'))).toString(), 'abcdef');
  const changed = collect(corrupted(blobOf(content), 4));
  assert.equal(changed[4], 0x34 ^ 0xff);
  assert.equal(changed.subarray(0, 4).toString() + changed.subarray(5).toString(), '012356789');
  assert.equal(content.toString(), '0123456789');
});

test('a digest may be of another algorithm', () => {
  assert.match(blobOf('x', 'sha512').digest, /^sha512:[0-9a-f]{128}$/);
});
