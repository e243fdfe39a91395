/** A cache that is too small keeps what will be asked for again about as well as an LRU list that knows each use at once. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type AccessPattern,
  blobPattern,
  imagePattern,
  replay,
  replayOnLru,
} from '../../../bench/access-pattern.ts';
import { createManualClock } from '../../support/clock.ts';
import { dataFolder, open } from './data-folder-fixture.ts';

const points = 0.02;
const patterns: Readonly<Record<string, (seed: number) => AccessPattern>> = {
  'blobs of mixed size': (seed) => blobPattern(seed, 600, 4000),
  'images that share layers': (seed) => imagePattern(seed, 150, 1000),
};

for (const [name, make] of Object.entries(patterns)) {
  test(`of ${name}, within two points of an LRU oracle`, async (t) => {
    for (const seed of [1, 2]) {
      const pattern = make(seed);
      const maxSize = Math.floor(pattern.bytes / 5);
      const clock = createManualClock();
      const cache = await open(t, dataFolder(t), { maxSize }, { clock });
      const got = await replay(cache, pattern, () => clock.advance(700));
      const best = replayOnLru(pattern, maxSize);
      t.diagnostic(`seed ${seed}: ${JSON.stringify({ got, best })}`);
      assert.ok(best.hits > 0.3 && best.hits < 0.9, 'the pattern says something');
      assert.ok(got.hits >= best.hits - points, `${got.hits} of requests hit, ${best.hits} could`);
      assert.ok(got.bytes >= best.bytes - points, `${got.bytes} of bytes hit, ${best.bytes} could`);
      assert.ok(cache.admin.usage().bytes <= maxSize);
      await cache.close();
    }
  });
}
