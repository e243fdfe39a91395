import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { HostedContent } from '../../../src/cache/hosted-content.ts';
import { alone } from '../../../src/cache/shared/agreement.ts';
import { pushFailureAnswer } from '../../../src/http/push/push-failure.ts';
import { mediaTypes } from '../../../src/oci/media-types.ts';
import { createPushManifest } from '../../../src/push/push-manifest.ts';
import { createManualClock } from '../../support/clock.ts';
import { manifests } from './push-universe.ts';
import { imageName, onDiskAlone } from './push-world.ts';

const content = {
  manifest: async () => undefined,
  serves: async () => false,
  isPushed: async () => undefined,
} as unknown as HostedContent;
const { bytes, lists } = manifests[0]!;
const pushed = { bytes, mediaType: mediaTypes.ociManifest, digest: undefined, tags: [] };
const rule = { match: '**', mode: 'overlay', delete: false, immutable: [] } as const;

const notAsked = () => assert.fail('not asked');
const onThisReplica = { agreement: alone, pull: { holds: notAsked, manifest: notAsked } };

describe('a pushed manifest of which endpoints give the rest slowly', () => {
  it('is answered after ten minutes: a later push may find it', async () => {
    const clock = createManualClock();
    const putManifest = createPushManifest({
      ...onThisReplica,
      durable: onDiskAlone,
      content,
      clock,
      takeUpstream: (_image, _child, _kept, signal) =>
        new Promise((resolve) => signal.addEventListener('abort', () => resolve(false))),
    });
    const putting = putManifest(imageName('up.test/app'), pushed, rule);
    await clock.armed(600_000);
    await clock.advance(600_000);
    const failure = await putting;
    assert.deepEqual(failure, { kind: 'slow', digests: lists });
    const { status, headers } = pushFailureAnswer({ kind: 'slow', digests: lists });
    assert.deepEqual([status, headers['Retry-After']], [503, '60']);
  });

  it('is answered at once where they have none of it, and no timer is left', async () => {
    const clock = createManualClock();
    const putManifest = createPushManifest({
      ...onThisReplica,
      content,
      clock,
      durable: onDiskAlone,
      takeUpstream: async () => false,
    });
    assert.deepEqual(await putManifest(imageName('up.test/app'), pushed, rule), {
      kind: 'unknownContent',
      digests: lists,
    });
    assert.deepEqual(clock.pending, []);
  });
});
