import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { digestAlgorithm, digestHex, parseDigest } from '../../../src/oci/digest.ts';

describe('parseDigest', () => {
  it('takes what the three algorithms give, and takes it apart', () => {
    fc.assert(
      fc.property(fc.uint8Array(), fc.constantFrom('sha256', 'sha384', 'sha512'), (bytes, algorithm) => {
        const hex = createHash(algorithm).update(bytes).digest('hex');
        const digest = parseDigest(`${algorithm}:${hex}`);
        assert.ok(digest);
        assert.equal(digestAlgorithm(digest), algorithm);
        assert.equal(digestHex(digest), hex);
      }),
    );
  });

  const hex = 'a'.repeat(64);
  const refused = [
    ...['', 'sha256', 'sha256:', hex, `:${hex}`, `sha256:${hex}a`, `sha256:${hex.slice(1)}`],
    ...[`SHA256:${hex}`, `sha256:${hex.toUpperCase()}`, `sha256:${'g'.repeat(64)}`, `sha512:${hex}`],
    ...[`sha384:${hex}`, `md5:${'a'.repeat(32)}`, `sha256+b64:${hex}`, `sha256:${hex}\n`, ` sha256:${hex}`],
    ...[`sha256:../${'a'.repeat(61)}`, `sha256-${hex}`],
  ];
  for (const text of refused) {
    it(`refuses ${JSON.stringify(text.slice(0, 30))}`, () => assert.equal(parseDigest(text), undefined));
  }
});
