import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createHybridClock, stampOf, timeOf } from '../../../../src/cache/shared/hybrid-clock.ts';

describe('a hybrid clock', () => {
  it('follows the time, and counts within a millisecond', () => {
    let now = 1_700_000_000_000;
    const clock = createHybridClock({ now: () => now });
    const [first, second] = [clock.next(), clock.next()];
    assert.equal(timeOf(first), now);
    assert.equal(second, first + 1);
    now += 1;
    assert.equal(clock.next(), stampOf(now));
  });

  it('never runs backwards: not when the time is set back, nor after a restart', () => {
    let now = 1_700_000_000_000;
    const clock = createHybridClock({ now: () => now });
    const before = clock.next();
    now -= 1_000_000;
    const after = clock.next();
    assert.ok(after > before);
    assert.ok(createHybridClock({ now: () => now }, after).next() > after);
  });

  it('is later than each stamp that it saw', () => {
    const clock = createHybridClock({ now: () => 1000 });
    clock.saw(stampOf(5000));
    clock.saw(stampOf(10));
    assert.ok(clock.next() > stampOf(5000));
  });

  it('stays within what a number holds exactly for two centuries', () => {
    assert.ok(Number.isSafeInteger(stampOf(Date.UTC(2200, 0, 1)) + 1));
  });
});
