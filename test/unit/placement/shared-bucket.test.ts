import assert from 'node:assert/strict';
import { it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import type { ContentUses } from '../../../src/cache/shared/content-uses.ts';
import type { Digest } from '../../../src/oci/digest.ts';
import { createSharedBucket } from '../../../src/placement/shared-bucket.ts';
import { createManualClock } from '../../support/clock.ts';
import { sha256 } from '../../support/pusher.ts';

const told: ContentUses = {
  tell: async () => {},
  of: async () => new Map(),
  here: async () => {},
  gone: async () => {},
  replicas: async () => [],
  forget: async () => {},
};
const quiet = {
  facts: { upToDate: async () => true, isTold: async () => true },
  goneAfter: 7 * 24 * 3_600_000,
  random: () => 0,
  log: { error: assert.fail },
};

it('stops although PostgreSQL does not answer any more', async () => {
  const clock = createManualClock();
  const { promise: asked, resolve: ask } = Promise.withResolvers<void>();
  const silence = () => {
    ask();
    return new Promise<never>(() => {});
  };
  const bucket = createSharedBucket({
    ...quiet,
    uses: { ...told, tell: silence, gone: silence },
    placements: { replica: async () => 'one', uses: async () => [] },
    clock,
  });
  bucket.start();
  await asked;
  const stopped = bucket.stop();
  await clock.advance(2000);
  await stopped;
  assert.deepEqual(clock.pending, []);
});

it('lets requests have their turn while it looks through contents of which nothing is to be told', async (t) => {
  let turns = 0;
  let next = setImmediate(function count() {
    turns += 1;
    next = setImmediate(count);
  });
  t.after(() => clearImmediate(next));
  const pages: number[] = [];
  const bucket = createSharedBucket({
    ...quiet,
    uses: told,
    placements: {
      replica: async () => 'one',
      uses: async () => {
        pages.push(turns);
        return pages.length < 5 ? [{ digest: sha256(`${pages.length}`) as Digest, used: 0 }] : [];
      },
    },
    clock: createManualClock(),
  });
  bucket.start();
  while (pages.length < 5) await turn();
  await bucket.stop();
  assert.equal(new Set(pages).size, 5, `pages were read in turns ${pages}`);
});
