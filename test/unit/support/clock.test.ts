import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createManualClock } from '../../support/clock.ts';

test('timers run in the order of their times, at their times', async () => {
  const clock = createManualClock(1000);
  const ran: string[] = [];
  clock.after(30, () => ran.push(`c ${clock.now()}`));
  clock.after(10, () => ran.push(`a ${clock.now()}`));
  clock.after(10, () => ran.push(`b ${clock.now()}`));
  await clock.advance(29);
  assert.deepEqual(ran, ['a 1010', 'b 1010']);
  await clock.advance(1);
  assert.deepEqual(ran, ['a 1010', 'b 1010', 'c 1030']);
  assert.equal(clock.monotonic(), 30);
});

test('what a timer sets off settles before the next one, and new timers that are due run too', async () => {
  const clock = createManualClock();
  const ran: string[] = [];
  clock.after(10, async () => {
    await Promise.resolve();
    ran.push('after a promise');
    clock.after(5, () => ran.push('set by a timer'));
  });
  clock.after(20, () => ran.push('last'));
  await clock.advance(20);
  assert.deepEqual(ran, ['after a promise', 'set by a timer', 'last']);
});

test('a cancelled timer does not run', async () => {
  const clock = createManualClock();
  clock.after(10, () => assert.fail('ran')).cancel();
  await clock.advance(100);
  assert.deepEqual(clock.pending, []);
});

test('armed waits for the timer that the code under test is going to set', async () => {
  const clock = createManualClock();
  const armed = clock.armed(50);
  clock.after(10, () => {});
  let resolved = false;
  void armed.then(() => {
    resolved = true;
  });
  await clock.advance(0);
  assert.equal(resolved, false);
  clock.after(50, () => {});
  await armed;
  assert.deepEqual(clock.pending, [10, 50]);
});
