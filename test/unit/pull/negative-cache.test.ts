import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createNegativeCache } from '../../../src/pull/negative-cache.ts';
import { createManualClock } from '../../support/clock.ts';

test('answers about names that clients make up take some megabytes at most', () => {
  const trails = createNegativeCache(createManualClock(), 10_000);
  const reason = 'HTTP 404 (NAME_UNKNOWN)'.padEnd(2000);
  const trail = [{ endpoint: 'quay.io/team', role: 'source', outcome: 'notFound', reason, ms: 1 }] as const;
  for (let n = 0; n < 20_000; n += 1) trails.add(`quay.io/${'x'.repeat(200)}/${n}`, 'latest', trail);
  const kept = Array.from({ length: 20_000 }, (_, n) =>
    trails.get(`quay.io/${'x'.repeat(200)}/${n}`, 'latest'),
  );
  const count = kept.filter((one) => one !== undefined).length;
  assert.ok(count * (2000 + 200) < 9_000_000, `${count} are kept`);
  assert.equal(kept.at(-1), trail);
});
