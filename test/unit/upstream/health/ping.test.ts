import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createPing } from '../../../../src/upstream/health/ping.ts';
import type { Exchanged } from '../../../../src/upstream/http/exchange.ts';
import type { SendOptions } from '../../../../src/upstream/http/kept-connections.ts';
import { createManualClock } from '../../../support/clock.ts';
import { endpointAt } from '../../../support/scripted-source.ts';

/** A ping of a host, whose answer comes when the test gives it. */
function setUp() {
  const clock = createManualClock();
  const { promise, resolve } = Promise.withResolvers<Exchanged>();
  const body = { consume() {}, resume() {}, cancel() {} };
  const ping = createPing({
    clock,
    sender: {
      send(_route, _request, options: SendOptions = {}) {
        options.sent?.();
        return promise;
      },
    },
    schemes: {
      of: async () => ({ kind: 'ok', value: { url: new URL('https://m.test'), verify: true } }),
      forget() {},
    },
    settings: { addressScope: () => 'any' } as never,
  });
  return {
    clock,
    isThere: ping(endpointAt('m.test'), 500),
    answer: () => resolve({ ok: true, response: { status: 200, headers: {}, body } as never }),
  };
}

describe('a ping', () => {
  it('finds a host that answers in time', async () => {
    const { clock, isThere, answer } = setUp();
    await clock.advance(499);
    answer();
    assert.equal(await isThere, true);
    assert.ok(!clock.pending.includes(1), 'its timer has ended');
  });

  it('reads what has come meanwhile before it gives a host up: this process may have been busy', async () => {
    const { clock, isThere, answer } = setUp();
    await clock.advance(500);
    answer();
    assert.equal(await isThere, true);
  });

  it('gives up a host that does not answer', async () => {
    const { clock, isThere } = setUp();
    await clock.advance(550);
    assert.equal(await isThere, false);
    assert.deepEqual(clock.pending, []);
  });
});
