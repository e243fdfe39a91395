import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createPace } from '../../../../src/lib/flow/pace.ts';
import { createManualClock } from '../../../support/clock.ts';

function paced(perSecond: number | undefined) {
  const clock = createManualClock();
  const controller = new AbortController();
  const pace = createPace(clock, { perSecond, signal: controller.signal });
  const taken: number[] = [];
  /** Takes one piece after the other, and notes when each was had. */
  async function take(pieces: readonly number[]): Promise<void> {
    for (const piece of pieces) {
      await pace.take(piece);
      taken.push(clock.monotonic());
    }
  }
  return { clock, controller, pace, taken, take };
}

describe('a pace', () => {
  it('lets the first piece through at once, and each next one when those before it are paid for', async () => {
    const { clock, taken, take } = paced(100);
    const done = take([50, 100, 10, 1]);
    await clock.advance(10_000);
    await done;
    assert.deepEqual(taken, [0, 500, 1500, 1600]);
  });

  it('saves nothing up while nobody takes', async () => {
    const { clock, taken, take } = paced(100);
    await clock.advance(60_000);
    const done = take([100, 100]);
    await clock.advance(10_000);
    await done;
    assert.deepEqual(taken, [60_000, 61_000]);
  });

  it('adds small pieces up before it waits', async () => {
    const { clock, taken, take } = paced(1000);
    const done = take(Array<number>(20).fill(1));
    await clock.advance(1000);
    await done;
    assert.deepEqual(
      [0, 5, 10, 15].map((ms) => taken.filter((at) => at === ms).length),
      [5, 5, 5, 5],
    );
  });

  it('without a rate waits for nothing', async () => {
    const { clock, taken, take } = paced(undefined);
    await take([1e12, 1e12, 1e12]);
    assert.deepEqual(taken, [0, 0, 0]);
    assert.deepEqual(clock.pending, []);
  });

  it('waits no longer once it is told to stop, and leaves no timer behind', async () => {
    const { clock, controller, taken, take } = paced(1);
    const done = take([1000, 1000, 1000]);
    await clock.armed();
    controller.abort();
    await done;
    assert.deepEqual(taken, [0, 0, 0]);
    assert.deepEqual(clock.pending, []);
  });
});
