import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createBell } from '../../../../src/lib/flow/bell.ts';
import { createManualClock } from '../../../support/clock.ts';

const never = new AbortController().signal;

describe('a bell', () => {
  it('ends the wait of a loop', async () => {
    const bell = createBell(createManualClock());
    const waiting = bell.wait(never);
    bell.ring();
    await waiting;
  });

  it('is heard by the next wait if it rings while the loop is busy, once', async () => {
    const clock = createManualClock();
    const bell = createBell(clock);
    bell.ring();
    bell.ring();
    await bell.wait(never);
    let isOver = false;
    const waiting = bell.wait(never, 1000).then(() => {
      isOver = true;
    });
    await clock.advance(999);
    assert.equal(isOver, false);
    await clock.advance(1);
    await waiting;
  });

  it('ends the wait when the loop is stopped', async () => {
    const bell = createBell(createManualClock());
    const stopping = new AbortController();
    const waiting = bell.wait(stopping.signal);
    stopping.abort();
    await waiting;
    await bell.wait(stopping.signal);
  });
});
