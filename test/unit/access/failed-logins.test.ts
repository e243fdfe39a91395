import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createFailedLogins } from '../../../src/access/failed-logins.ts';
import { createManualClock } from '../../support/clock.ts';

function setUp() {
  const clock = createManualClock();
  const logins = createFailedLogins({ clock });
  /** Fails once; gives the wait in ms. */
  async function fail(address: string): Promise<number> {
    const before = clock.monotonic();
    let isOver = false;
    const answered = logins
      .begin(address)
      ?.failed()
      .then(() => {
        isOver = true;
      });
    assert.ok(answered);
    await clock.advance(0);
    while (!isOver) await clock.advance(Math.min(...clock.pending));
    return clock.monotonic() - before;
  }
  return { clock, logins, fail };
}

describe('failed logins', () => {
  it('wait from the fifth on, each twice as long, at most 4 s', async () => {
    const { fail } = setUp();
    const waits: number[] = [];
    for (let n = 0; n < 10; n++) waits.push(await fail('192.0.2.1'));
    assert.deepEqual(waits, [0, 0, 0, 0, 500, 1000, 2000, 4000, 4000, 4000]);
  });

  it('count by address: another one is not slowed, and no name is ever locked', async () => {
    const { logins, fail } = setUp();
    for (let n = 0; n < 20; n++) await fail('192.0.2.1');
    assert.equal(await fail('192.0.2.2'), 0);
    logins.begin('192.0.2.1')?.passed();
    assert.ok(logins.begin('192.0.2.1'), 'the right password still gets in, at once');
  });

  it('are forgotten after ten minutes without one', async () => {
    const { clock, fail } = setUp();
    for (let n = 0; n < 8; n++) await fail('192.0.2.1');
    await clock.advance(600_001);
    assert.equal(await fail('192.0.2.1'), 0);
  });

  it('beside each other gain nothing: beyond 16 none is checked', async () => {
    const { clock, logins, fail } = setUp();
    for (let n = 0; n < 5; n++) await fail('192.0.2.1');
    const checks = Array.from({ length: 16 }, () => logins.begin('192.0.2.1'));
    assert.ok(checks.every((check) => check !== undefined));
    assert.equal(logins.begin('192.0.2.1'), undefined);
    const answers = checks.map((check) => check?.failed());
    await clock.advance(0);
    assert.equal(logins.begin('192.0.2.1'), undefined, 'answers that wait count as well');
    await clock.advance(4000);
    await Promise.all(answers);
    assert.ok(logins.begin('192.0.2.1'));
  });

  it('that begin before the first has failed share its count', async () => {
    const { clock, logins, fail } = setUp();
    const checks = Array.from({ length: 5 }, () => logins.begin('192.0.2.1'));
    const answers = Promise.all(checks.map((check) => check?.failed()));
    await clock.advance(4000);
    await answers;
    assert.equal(await fail('192.0.2.1'), 1000);
  });

  it('of IPv6 count by network, since one machine has all addresses of it', async () => {
    const { fail } = setUp();
    for (let n = 0; n < 4; n++) await fail(`2001:db8:0:1::${n}`);
    assert.equal(await fail('2001:db8::1:0:0:0:9'), 500);
    assert.equal(await fail('2001:db8:0:2::1'), 0);
    assert.equal(await fail('::ffff:192.0.2.1'), 0);
    assert.equal(await fail('::ffff:192.0.2.2'), 0);
  });
});
