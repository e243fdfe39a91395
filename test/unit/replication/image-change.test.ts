import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseDigest } from '../../../src/oci/digest.ts';
import { parseTag } from '../../../src/oci/reference.ts';
import { type ImageChange, readImageChange, replicateJob } from '../../../src/replication/image-change.ts';

const digest = parseDigest(`sha256:${'a'.repeat(64)}`)!;
const change: ImageChange = {
  image: 'registry.corp:5050/team/app',
  tag: parseTag('1.2')!,
  digest,
  change: 'updated',
  at: 1_700_000_000_000,
  sender: 'gitlab',
};

describe('the job of a change', () => {
  it('has a key for the tag, the digest or the repository, so that changes of one thing are one job', () => {
    const keys = [change, { ...change, tag: null }, { ...change, tag: null, digest: null }].map(
      (one) => replicateJob(one).key,
    );
    assert.deepEqual(keys, [`${change.image}:1.2`, `${change.image}@${digest}`, change.image]);
  });

  it('gives back its change', () => {
    for (const one of [change, { ...change, tag: null, digest: null, change: 'deleted' as const }]) {
      assert.deepEqual(readImageChange(JSON.parse(JSON.stringify(replicateJob(one).arguments))), one);
    }
  });

  it('gives no change for other arguments', () => {
    const wrong = [
      null,
      'x',
      [],
      { ...change, image: 'Team/App' },
      { ...change, image: 'alpine' },
      { ...change, image: `${change.image}:1` },
      { ...change, tag: 'no tag' },
      { ...change, tag: 5 },
      { ...change, digest: 'sha256:1' },
      { ...change, change: 'moved' },
      { ...change, at: '5' },
      { ...change, at: -1 },
      { ...change, at: 1e300 },
      { ...change, sender: null },
    ];
    for (const one of wrong) assert.equal(readImageChange(one), undefined, JSON.stringify(one));
  });
});
