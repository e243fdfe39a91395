import assert from 'node:assert/strict';
import { it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import type { Digest } from '../../../src/oci/digest.ts';
import { createSharedBucket } from '../../../src/placement/shared-bucket.ts';
import { createManualClock } from '../../support/clock.ts';
import { sha256 } from '../../support/pusher.ts';

it('lets requests have their turn while it looks through contents of which nothing is to be told', async (t) => {
  let turns = 0;
  let next = setImmediate(function count() {
    turns += 1;
    next = setImmediate(count);
  });
  t.after(() => clearImmediate(next));
  const pages: number[] = [];
  const bucket = createSharedBucket({
    uses: {
      tell: async () => {},
      of: async () => new Map(),
      here: async () => {},
      gone: async () => {},
      replicas: async () => [],
      forget: async () => {},
    },
    facts: { upToDate: async () => true, isTold: async () => true },
    goneAfter: 7 * 24 * 3_600_000,
    placements: {
      replica: async () => 'one',
      uses: async () => {
        pages.push(turns);
        return pages.length < 5 ? [{ digest: sha256(`${pages.length}`) as Digest, used: 0 }] : [];
      },
    },
    clock: createManualClock(),
    random: () => 0,
    log: { error: assert.fail },
  });
  bucket.start();
  while (pages.length < 5) await turn();
  await bucket.stop();
  assert.equal(new Set(pages).size, 5, `pages were read in turns ${pages}`);
});
