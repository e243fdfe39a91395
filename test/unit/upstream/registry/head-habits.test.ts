import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Outcome } from '../../../../src/upstream/outcome.ts';
import { createHeadHabits } from '../../../../src/upstream/registry/head-habits.ts';
import { createManualClock } from '../../../support/clock.ts';
import { endpointOf } from '../asking.ts';

const ok: Outcome<string> = { kind: 'ok', value: '' };

function setUp() {
  const clock = createManualClock();
  const habits = createHeadHabits(clock);
  /** The methods that one question takes when HEAD has this outcome and GET that one. */
  async function methods(repository: string, headed: Outcome<string>, got = ok): Promise<string> {
    const used: string[] = [];
    const answer = async (method: string, outcome: Outcome<string>) => {
      used.push(method);
      return outcome;
    };
    const endpoint = endpointOf('h.test', repository);
    await habits.ask(
      endpoint,
      () => answer('HEAD', headed),
      () => answer('GET', got),
    );
    return used.join(' ');
  }
  return { clock, methods };
}

describe('a HEAD that said no where GET said yes', () => {
  for (const [kind, minutes] of [
    ['notFound', 10],
    ['denied', 10],
    ['unreachable', 1],
  ] as const) {
    it(`(${kind}) is not sent to the host for ${minutes} minutes`, async () => {
      const { clock, methods } = setUp();
      assert.equal(await methods('a', { kind, reason: '' }), 'HEAD GET');
      assert.equal(await methods('b', ok), 'GET');
      await clock.advance(minutes * 60_000);
      assert.equal(await methods('b', ok), 'HEAD');
    });
  }

  it('(invalid) is not sent for that repository, and is for all others: its owner chooses the content', async () => {
    const { clock, methods } = setUp();
    assert.equal(await methods('a', { kind: 'invalid', reason: '' }), 'HEAD GET');
    assert.equal(await methods('a', ok), 'GET');
    assert.equal(await methods('b', ok), 'HEAD');
    await clock.advance(10 * 60_000);
    assert.equal(await methods('a', ok), 'HEAD');
  });

  it('goes on being sent where GET says no as well', async () => {
    const { methods } = setUp();
    const missing: Outcome<string> = { kind: 'notFound', reason: '' };
    assert.equal(await methods('a', missing, missing), 'HEAD GET');
    assert.equal(await methods('a', ok), 'HEAD');
  });

  it('decides by itself where a GET would meet the same', async () => {
    const { methods } = setUp();
    assert.equal(await methods('a', { kind: 'rateLimited', reason: '', until: 1 }), 'HEAD');
    for (const fault of ['refused', 'timeout', 'dns', 'tls'] as const) {
      assert.equal(await methods('a', { kind: 'unreachable', reason: '', fault }), 'HEAD', fault);
    }
  });
});
