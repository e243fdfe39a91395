import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { alone, createAgreement } from '../../../../src/cache/shared/agreement.ts';
import type { FactExchange } from '../../../../src/cache/shared/fact-exchange.ts';
import { createManualClock } from '../../../support/clock.ts';

/** `isSlow`: a server that never answers. */
function agreement({ isSlow }: { isSlow: boolean }) {
  const clock = createManualClock();
  const asked: string[] = [];
  const answer = <T>(what: string, value: T): Promise<T> => {
    asked.push(what);
    return isSlow ? new Promise(() => {}) : Promise.resolve(value);
  };
  const exchange = {
    told: () => answer('told', undefined),
    upToDate: () => answer('heard', true),
  } as Partial<FactExchange> as FactExchange;
  let isThere = true;
  const made = createAgreement(() => (isThere ? exchange : undefined), clock);
  return {
    ...made,
    clock,
    asked,
    leave() {
      isThere = false;
    },
  };
}

describe('what a request waits for so that replicas agree', () => {
  it('is what the exchange of facts says, and no timer is left', async () => {
    const { told, heard, asked, clock } = agreement({ isSlow: false });
    await told();
    assert.equal(await heard(), true);
    assert.deepEqual(asked, ['told', 'heard']);
    assert.deepEqual(clock.pending, []);
  });

  it('is nothing where facts are not shared, and where no server is connected', async () => {
    await alone.told();
    assert.equal(await alone.heard(), false);
    const { told, heard, asked, leave } = agreement({ isSlow: true });
    leave();
    await told();
    assert.equal(await heard(), false);
    assert.deepEqual(asked, []);
  });

  it('is a second at most of a slow server, which then is not waited for until two more have passed', async () => {
    const { told, heard, asked, clock } = agreement({ isSlow: true });
    const hearing = heard();
    await clock.armed(1000);
    await clock.advance(1000);
    assert.equal(await hearing, false);
    await told();
    assert.equal(await heard(), false);
    assert.deepEqual(asked, ['heard']);
    await clock.advance(2000);
    const telling = told();
    assert.deepEqual(asked, ['heard', 'told']);
    await clock.advance(1000);
    await telling;
  });
});
