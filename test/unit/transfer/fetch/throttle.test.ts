import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createPace } from '../../../../src/lib/flow/pace.ts';
import { Throttle } from '../../../../src/transfer/fetch/throttle.ts';
import { createManualClock } from '../../../support/clock.ts';

function slowJob() {
  const clock = createManualClock();
  const pace = createPace(clock, { perSecond: 1000, signal: new AbortController().signal });
  const throttle = new Throttle();
  const job = { isForJob: true, pace };
  throttle.enter(job);
  const resumed: string[] = [];
  return {
    clock,
    pace,
    throttle,
    job,
    resumed,
    take: (bytes: number) => throttle.take(bytes, () => resumed.push('x')),
  };
}

describe('a throttle', () => {
  it('asks for a pause after each piece, until the pace allows more', async () => {
    const { clock, take, resumed } = slowJob();
    assert.equal(take(2000), false);
    await clock.advance(0);
    assert.equal(resumed.length, 1, 'the first piece is free');
    assert.equal(take(2000), false);
    await clock.advance(1999);
    assert.equal(resumed.length, 1);
    await clock.advance(1);
    assert.equal(resumed.length, 2);
  });

  it('lets go at once when a client comes, and holds nothing up while one is there', async () => {
    const { clock, throttle, job, take, resumed } = slowJob();
    take(60_000);
    await clock.advance(0);
    take(1);
    await clock.advance(10);
    assert.equal(resumed.length, 1);
    throttle.enter({});
    assert.equal(resumed.length, 2);
    assert.deepEqual([take(1_000_000), throttle.hasClients], [true, true]);
    await clock.advance(3_600_000);
    assert.equal(resumed.length, 2, 'what was let go is not let go twice');
    throttle.leave({});
    assert.deepEqual([take(1), throttle.hasClients, throttle.hadClients], [false, false, true]);
    throttle.leave(job);
  });

  it('holds nothing up where the job has no pace', () => {
    const throttle = new Throttle();
    throttle.enter({ isForJob: true });
    assert.deepEqual([throttle.take(1_000_000, assert.fail), throttle.hadClients], [true, false]);
  });
});
