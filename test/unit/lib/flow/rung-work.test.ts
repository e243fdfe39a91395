import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { createBell } from '../../../../src/lib/flow/bell.ts';
import { workWhenRung } from '../../../../src/lib/flow/rung-work.ts';
import { createManualClock } from '../../../support/clock.ts';

test('work is done again at once, after a time, at a ring, and some seconds after a failure, until the stop', async () => {
  const clock = createManualClock();
  const bell = createBell(clock);
  const stopping = new AbortController();
  const failures: unknown[] = [];
  const gives: (number | undefined | Error)[] = [0, 300, undefined, new Error('no'), undefined];
  let done = 0;
  const running = workWhenRung({
    bell,
    async work() {
      const next = gives[done];
      done += 1;
      if (next instanceof Error) throw next;
      return next;
    },
    failed: (error) => void failures.push(error),
    signal: stopping.signal,
  });
  await turn();
  assert.equal(done, 2, 'at once');
  await clock.advance(299);
  assert.equal(done, 2);
  await clock.advance(1);
  assert.equal(done, 3, 'after the time that it gave');
  await clock.advance(3_600_000);
  assert.equal(done, 3);
  bell.ring();
  await turn();
  assert.equal(done, 4, 'at a ring');
  assert.deepEqual(failures, [gives[3]]);
  await clock.advance(4999);
  assert.equal(done, 4);
  await clock.advance(1);
  assert.equal(done, 5, 'after a failure');
  stopping.abort();
  await running;
});
