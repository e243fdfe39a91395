import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createWhyUnclear } from '../../../src/gate/unclear-manifest.ts';
import { digestOf } from '../../support/byte-source.ts';

describe('whether a manifest means one thing', () => {
  it('is read once for a digest', () => {
    const whyUnclear = createWhyUnclear();
    for (const text of ['{"layers":[]}', '{"Layers":[]}']) {
      const bytes = Buffer.from(text);
      const digest = digestOf(bytes);
      let reads = 0;
      const image = {
        digest,
        get bytes() {
          reads += 1;
          return bytes;
        },
      };
      const said = whyUnclear(image);
      assert.equal(whyUnclear(image), said);
      assert.equal(reads, 1, said);
    }
  });
});
