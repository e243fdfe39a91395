import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createWarmImage, type WarmReference } from '../../../src/pull/warm-image.ts';
import { buildImage, buildIndexOf, type Image } from '../../support/images.ts';

describe('warming an image', () => {
  it('takes each manifest once, however often indexes list it', async () => {
    const all = [buildImage({ seed: 'warm' })];
    for (let level = 0; level < 12; level += 1) all.push(buildIndexOf([all.at(-1)!, all.at(-1)!]));
    const stored = new Map<string, Image>(all.map((one) => [one.digest, one]));
    let asked = 0;
    const warm = createWarmImage({
      pull: {
        async manifest({ reference }: { reference: { digest?: string } }) {
          asked += 1;
          const { digest, mediaType, bytes } = stored.get(reference.digest ?? '') ?? assert.fail();
          return { found: true, cache: 'hit', value: { digest, mediaType, bytes } };
        },
        ensure: async () => ({ ok: true, how: 'here' }),
      } as never,
      cache: { isStored: async () => true, bound: () => ({ bytes: 1e9, what: 'the disk' }) },
    });
    const root = { registry: 'ex.test', repository: 'team/app', digest: all.at(-1)!.digest };
    const report = await warm(root as WarmReference, { platforms: [], onProgress() {} });
    assert.deepEqual(report.failures, []);
    assert.equal(report.manifests, all.length);
    assert.equal(asked, all.length);
  });
});
