import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createBucket } from '../../../src/placement/bucket.ts';
import { createSweep } from '../../../src/placement/sweep.ts';
import { contentKey } from '../../../src/stores/content-key.ts';
import { testContentUses } from '../../contract/content-uses.ts';
import { named } from '../../contract/index-fixture.ts';
import { createManualClock } from '../../support/clock.ts';
import { createMemoryObjects } from '../../support/memory-objects.ts';
import { createMemoryPlacements } from '../../support/memory-placements.ts';
import { createMemoryUses } from '../../support/memory-uses.ts';

const hour = 3_600_000;

testContentUses(async () => createMemoryUses());

describe('the sweep of a bucket that replicas share', () => {
  const silent = { info() {}, warn() {} };

  it('leaves what another replica has used lately, though this one never heard of it', async () => {
    const clock = createManualClock();
    const eu = createMemoryObjects('eu', clock.now);
    const uses = createMemoryUses(clock.now);
    const [used, unused] = [named('used'), named('unused')];
    for (const digest of [used, unused]) eu.objects.set(contentKey(digest), Buffer.from('x'));
    const sweep = { after: 24 * hour, maxSize: undefined, every: undefined };
    const settings = { match: [], uploadRate: undefined, redirect: undefined, sweep };
    let refused: string | undefined;
    const { all } = createSweep({
      buckets: [createBucket(eu.store, settings, { clock, log: silent })],
      placements: createMemoryPlacements(),
      clock,
      never: undefined,
      shared: { unsure: async () => refused, usesOf: uses.of },
      stop: new AbortController().signal,
    });
    await uses.tell([{ digest: used, used: clock.now() - hour }]);
    refused = 'a replica is away';
    assert.deepEqual(await all(), [{ store: 'eu', removed: 0, bytes: 0, foreign: 0, refused }]);
    refused = undefined;
    assert.equal((await all())[0]?.removed, 1);
    assert.deepEqual([...eu.objects.keys()], [contentKey(used)]);
    await clock.advance(24 * hour);
    assert.equal((await all())[0]?.removed, 1);
  });
});
