import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Repository, Tag } from '../../../src/oci/reference.ts';
import { absent, createHostedLookup } from '../../../src/pull/hosted/hosted-lookup.ts';
import type { ManifestContent, Pulled } from '../../../src/pull/pull.ts';
import type { ManifestTarget } from '../../../src/routing/target.ts';

const parts = { registry: 'ex.test', repository: 'team/app' as Repository };
const image = { ...parts, name: 'ex.test/team/app' };

const unasked = () => assert.fail('nothing is hosted');

function lookup(mode: 'local' | 'overlay') {
  let hearings = 0;
  const { manifest } = createHostedLookup({
    cache: { manifest: async () => undefined, open: async () => undefined },
    content: { isPushed: async () => false },
    recall: { manifest: unasked, here: unasked, headBlob: unasked, blob: unasked, ensure: unasked },
    heard: async () => {
      hearings += 1;
      return true;
    },
    modeOf: () => mode,
    hostedTag: async () => undefined,
    hasTag: async (_, tag) => tag === 'cached',
  });
  const target = (tag: string): ManifestTarget => ({
    kind: 'manifest',
    image,
    reference: { ...parts, tag: tag as Tag },
  });
  const otherwise = async (): Promise<Pulled<ManifestContent>> => absent;
  return async (tag: string) => {
    hearings = 0;
    await manifest(target(tag), otherwise);
    return hearings;
  };
}

it('waits for what other replicas were pushed at a miss alone: not for a tag that an endpoint gave before', async () => {
  assert.equal(await lookup('overlay')('cached'), 0);
  assert.equal(await lookup('overlay')('unknown'), 1);
});

it('hears what others were pushed where endpoints are never asked, whatever a tag meant before', async () => {
  assert.equal(await lookup('local')('cached'), 1);
});
