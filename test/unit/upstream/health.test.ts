import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createHealth } from '../../../src/upstream/health.ts';
import { createManualClock } from '../../support/clock.ts';

describe('the health of hosts', () => {
  it('backs off twice as long after each failed probe, up to a minute', async () => {
    const clock = createManualClock();
    const health = createHealth(clock);
    for (let time = 0; time < 3; time += 1) health.failed('h', 'dead');
    for (const backoff of [2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]) {
      await clock.advance(backoff - 1);
      assert.equal(health.state('h'), 'open');
      await clock.advance(1);
      assert.equal(health.state('h'), 'half-open');
      assert.equal(health.claimProbe('h'), true);
      health.failed('h', 'dead');
    }
    await clock.advance(60_000);
    health.answered('h', 5);
    health.silent('h', 'silent');
    await clock.advance(2000);
    assert.equal(health.state('h'), 'half-open', 'an answer makes the backoff start again');
  });

  it('does not push the probe away when a last resort fails meanwhile', async () => {
    const clock = createManualClock();
    const health = createHealth(clock);
    health.silent('h', 'silent');
    await clock.advance(1500);
    health.failed('h', 'dead');
    await clock.advance(500);
    assert.equal(health.state('h'), 'half-open');
  });

  it('gives one probe away, and it again when that came to nothing', async () => {
    const clock = createManualClock();
    const health = createHealth(clock);
    assert.equal(health.claimProbe('h'), false, 'a closed breaker needs none');
    health.silent('h', 'silent');
    await clock.advance(2000);
    assert.equal(health.claimProbe('h'), true);
    assert.equal(health.claimProbe('h'), false);
    assert.equal(health.state('h'), 'open', 'for everybody else');
    health.releaseProbe('h');
    assert.equal(health.claimProbe('h'), true);
  });

  it('opens after three late faults within a minute, good headers in between or not', async () => {
    const clock = createManualClock();
    const health = createHealth(clock);
    for (let time = 0; time < 2; time += 1) {
      health.faulted('h', 'wrong digest');
      health.answered('h', 5);
    }
    await clock.advance(61_000);
    health.faulted('h', 'wrong digest');
    assert.equal(health.state('h'), 'closed', 'old ones are forgotten');
    health.faulted('h', 'wrong digest');
    health.answered('h', 5);
    health.faulted('h', 'wrong digest');
    assert.equal(health.state('h'), 'open');
    assert.equal(health.list()[0]?.lastFailure, 'wrong digest');
  });

  it('is patient for a second with a host that it does not know', () => {
    assert.equal(createHealth(createManualClock()).patience('h'), 1000);
  });
});
