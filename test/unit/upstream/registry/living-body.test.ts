import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { BodySink } from '../../../../src/lib/bytes/pushed-body.ts';
import { livingBody } from '../../../../src/upstream/registry/living-body.ts';
import { createManualClock } from '../../../support/clock.ts';

/** A body of a peer that answers a ping when the test says so. */
function setUp({ answers = true, takes = true } = {}) {
  const clock = createManualClock();
  const steps: string[] = [];
  let pings = 0;
  let inner: BodySink | undefined;
  const body = livingBody(
    {
      consume(sink) {
        inner = sink;
      },
      resume: () => steps.push('resumed'),
      cancel: () => steps.push('cancelled'),
    },
    {
      clock,
      isThere: async () => {
        pings += 1;
        return answers;
      },
    },
  );
  body.consume({
    data: () => takes,
    end: () => steps.push('ended'),
    fail: (reason) => steps.push(`failed: ${reason}`),
  });
  return {
    body,
    clock,
    steps,
    give: () => inner?.data(Buffer.alloc(1)),
    sink: () => inner,
    pings: () => pings,
  };
}

describe('the body of a peer', () => {
  it('fails after half a second without a byte, if the peer does not answer', async () => {
    const { clock, steps, give } = setUp({ answers: false });
    give();
    await clock.advance(499);
    assert.deepEqual(steps, []);
    await clock.advance(1);
    assert.deepEqual(steps, ['cancelled', 'failed: the peer no longer answers']);
    assert.deepEqual(clock.pending, []);
  });

  it('goes on for as long as the peer answers', async () => {
    const { clock, steps, pings, sink } = setUp();
    await clock.advance(60_000);
    assert.ok(pings() > 50);
    sink()?.end();
    assert.deepEqual(steps, ['ended']);
    assert.deepEqual(clock.pending, []);
  });

  it('leads to no ping while bytes come, or while they are not wanted', async () => {
    const moving = setUp({ answers: false });
    for (let time = 0; time < 80; time += 1) {
      moving.give();
      await moving.clock.advance(240);
    }
    assert.equal(moving.pings(), 0);
    const paused = setUp({ answers: false, takes: false });
    paused.give();
    await paused.clock.advance(60_000);
    assert.equal(paused.pings(), 0);
    paused.body.resume();
    await paused.clock.advance(500);
    assert.equal(paused.pings(), 1);
  });

  it('is left alone once it was cancelled', async () => {
    const { body, clock, steps, pings } = setUp({ answers: false });
    body.cancel();
    await clock.advance(60_000);
    assert.deepEqual([steps, pings()], [['cancelled'], 0]);
  });
});
