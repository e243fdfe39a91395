import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { StoreSweep } from '../../../src/config/store-config.ts';
import type { Digest } from '../../../src/oci/digest.ts';
import { createBucket } from '../../../src/placement/bucket.ts';
import { createSweep } from '../../../src/placement/sweep.ts';
import { contentKey } from '../../../src/stores/content-key.ts';
import { createManualClock } from '../../support/clock.ts';
import { createMemoryObjects } from '../../support/memory-objects.ts';
import { sha256 } from '../../support/pusher.ts';

const hour = 3_600_000;
const log = { info() {}, warn() {} };

/** A sweep of two objects in a store that takes a minute for each removal. The facts are lost during the first one. */
async function sweepSlowly(settings: Pick<StoreSweep, 'after' | 'maxSize'>) {
  const clock = createManualClock(Date.now() + 24 * hour);
  const { store: memory, objects } = createMemoryObjects('eu');
  for (const text of ['one', 'two']) objects.set(contentKey(sha256(text) as Digest), Buffer.from(text));
  let lost: string | undefined;
  const store = {
    ...memory,
    async delete(key: string) {
      await memory.delete(key);
      lost = 'the facts cannot be read';
      await clock.advance(60_000);
    },
  };
  const sweep = { every: undefined, ...settings };
  const placed = { match: [], uploadRate: undefined, redirect: undefined, sweep };
  const standing = { isNeeded: false, isKept: false, isStored: false, used: 0 };
  const { all } = createSweep({
    buckets: [createBucket(store, placed, { clock, log })],
    placements: {
      standing: async () => standing,
      forget: async () => {},
      skip: async () => {},
      repair: async () => {},
    },
    clock,
    never: undefined,
    shared: { unsure: async () => lost, usesOf: async () => new Map() },
    stop: new AbortController().signal,
  });
  return { swept: await all(), left: objects.size };
}

for (const settings of [
  { after: hour, maxSize: undefined },
  { after: undefined, maxSize: 0 },
])
  it(`a sweep for ${settings.after ? 'sweep_after' : 'max_size'} ends where it is not known any more what others need`, async () => {
    const { swept, left } = await sweepSlowly(settings);
    assert.deepEqual(swept, [
      { store: 'eu', removed: 1, bytes: 3, foreign: 0, refused: 'the facts cannot be read' },
    ]);
    assert.equal(left, 1, 'what others may have been pushed meanwhile stays');
  });
