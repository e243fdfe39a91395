import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { createAccessTimes } from '../../../../src/cache/capacity/access-times.ts';
import type { Digest } from '../../../../src/oci/digest.ts';
import { createManualClock } from '../../../support/clock.ts';
import { digestOf } from '../data-folder-fixture.ts';

function setUp() {
  const clock = createManualClock();
  const written: (readonly (readonly [Digest, number])[])[] = [];
  const times = createAccessTimes({ clock, write: async (uses) => void written.push(uses) });
  return { clock, times, written };
}

const digest = digestOf(Buffer.from('a'));

test('uses of one content are one write, some seconds later, with the last time', async () => {
  const { clock, times, written } = setUp();
  times.touch(digest);
  await clock.advance(1000);
  times.touch(digest);
  const used = clock.now();
  assert.equal(times.unwritten(digest), used);
  assert.deepEqual(written, []);
  await clock.advance(5000);
  assert.deepEqual(written, [[[digest, used]]]);
  assert.equal(times.unwritten(digest), undefined);
  await clock.advance(60_000);
  assert.equal(written.length, 1);
});

test('many uses are written a few at once, with turns for others in between, and none is lost', async () => {
  const { clock, times, written } = setUp();
  const digests = Array.from({ length: 950 }, (_, n) => digestOf(Buffer.from(String(n))));
  digests.forEach(times.touch);
  await clock.advance(5000);
  while (written.flat().length < digests.length) await turn();
  assert.ok(written.every((some) => some.length <= 100));
  assert.deepEqual(
    written.flat().map(([one]) => one),
    digests,
  );
});

test('closing writes what is left, and nothing comes after it', async () => {
  const { clock, times, written } = setUp();
  times.touch(digest);
  times.close();
  assert.equal(written.length, 1);
  await clock.advance(60_000);
  assert.equal(written.length, 1);
});
