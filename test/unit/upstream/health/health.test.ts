import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createHealth } from '../../../../src/upstream/health/health.ts';
import { createHostRecords } from '../../../../src/upstream/health/host-record.ts';
import { createManualClock } from '../../../support/clock.ts';
import { endpointOf } from '../asking.ts';

/** Hosts that answer `/v2/` or not, and a clock that the test moves. */
function setUp(answers = false) {
  const clock = createManualClock();
  const site = { answers, pings: 0 };
  const ping = async () => {
    site.pings += 1;
    return site.answers;
  };
  return { clock, site, health: createHealth({ clock, ping }), settle: () => clock.advance(0) };
}

const h = endpointOf('h');
const other = endpointOf('h', 'team/other');

describe('the health of hosts', () => {
  it('backs off twice as long after each failed probe, up to five seconds', async () => {
    const { clock, health, settle } = setUp();
    for (let time = 0; time < 3; time += 1) health.failed(h, 'dead');
    await settle();
    for (const backoff of [2000, 4000, 5000, 5000, 5000]) {
      await clock.advance(backoff - 1);
      assert.equal(health.state(h), 'open');
      await clock.advance(1);
      assert.equal(health.state(h), 'half-open');
      assert.equal(health.claimProbe(h), true);
      health.failed(h, 'dead');
      await settle();
    }
    await clock.advance(5000);
    health.answered(h, 5);
    health.timedOut(h, 'silent', clock.monotonic());
    await clock.advance(2000);
    assert.equal(health.state(h), 'half-open', 'an answer makes the backoff start again');
  });

  it('does not push the probe away when a last resort fails meanwhile', async () => {
    const { clock, health } = setUp();
    health.timedOut(h, 'silent', 0);
    await clock.advance(1500);
    health.failed(h, 'dead');
    await clock.advance(500);
    assert.equal(health.state(h), 'half-open');
  });

  it('is known to the next configuration, which lists only the hosts that it asks for', () => {
    const clock = createManualClock();
    const records = createHostRecords();
    const ping = async () => false;
    const before = createHealth({ clock, ping, records });
    before.answered(h, 200);
    before.timedOut(h, 'silent', 0);
    before.timedOut(endpointOf('gone'), 'silent', 0);
    const after = createHealth({ clock, ping, records });
    assert.deepEqual(after.list(), []);
    assert.equal(after.state(h), 'open');
    assert.deepEqual(after.list(), [{ host: 'h', breaker: 'open', usualMs: 200, lastFailure: 'silent' }]);
  });

  it('gives one probe away, and it again when that came to nothing', async () => {
    const { clock, health } = setUp();
    assert.equal(health.claimProbe(h), false, 'a closed breaker needs none');
    health.timedOut(h, 'silent', 0);
    await clock.advance(2000);
    assert.equal(health.claimProbe(h), true);
    assert.equal(health.claimProbe(h), false);
    assert.equal(health.state(h), 'open', 'for everybody else');
    health.releaseProbe(h);
    assert.equal(health.claimProbe(h), true);
  });

  it('gives another probe away when one has been silent for five seconds', async () => {
    const { clock, health } = setUp();
    health.timedOut(h, 'silent', 0);
    await clock.advance(2000);
    assert.equal(health.claimProbe(h), true);
    await clock.advance(4999);
    assert.equal(health.claimProbe(h), false);
    await clock.advance(1);
    assert.equal(health.claimProbe(h), true);
  });

  it('tells once that a host is skipped, not again after each probe', async () => {
    const told: string[] = [];
    const clock = createManualClock();
    const health = createHealth({
      clock,
      ping: async () => false,
      onChange: ({ breaker }) => told.push(breaker),
    });
    health.timedOut(h, 'silent', 0);
    for (let time = 0; time < 3; time += 1) {
      await clock.advance(5000);
      health.claimProbe(h);
      health.timedOut(h, 'silent', clock.monotonic());
    }
    health.answered(h, 5);
    assert.deepEqual(told, ['open', 'closed']);
  });

  it('keeps failures to their repository where the host answers for itself', async () => {
    const { health, site, settle } = setUp(true);
    for (let time = 0; time < 6; time += 1) {
      health.failed(h, 'HTTP 500');
      await settle();
      assert.equal(health.state(h), time < 2 ? 'closed' : 'open');
      assert.equal(health.state(other), 'closed');
    }
    assert.equal(site.pings, 2, 'one question for three failures');
    site.answers = false;
    for (let time = 0; time < 3; time += 1) health.failed(h, 'HTTP 500');
    await settle();
    assert.equal(health.state(other), 'open');
  });

  it('asks the host itself when a probe of its content fails', async () => {
    const { clock, health, site, settle } = setUp();
    for (let time = 0; time < 3; time += 1) health.failed(h, 'dead');
    await clock.advance(2000);
    site.answers = true;
    assert.equal(health.claimProbe(h), true);
    health.failed(h, 'HTTP 500');
    await settle();
    assert.equal(health.state(h), 'open');
    assert.equal(health.state(other), 'closed');
  });

  it('forgets the failures of all repositories when the host is back', async () => {
    const { clock, health, settle } = setUp();
    for (let time = 0; time < 3; time += 1) health.failed(h, 'dead');
    for (let time = 0; time < 3; time += 1) health.failed(other, 'dead');
    await settle();
    await clock.advance(2000);
    health.answered(h, 5);
    assert.equal(health.state(other), 'closed');
  });

  it('opens for a request without an answer, for all unless the host has answered for itself meanwhile', async () => {
    const { clock, health, site, settle } = setUp(true);
    const since = clock.monotonic();
    await clock.advance(1000);
    health.hedged(h);
    await settle();
    health.timedOut(h, 'silent', since);
    assert.equal(health.state(h), 'open');
    assert.equal(health.state(other), 'closed');
    site.answers = false;
    await clock.advance(1000);
    const later = clock.monotonic();
    health.hedged(h);
    health.timedOut(h, 'silent', later);
    await settle();
    assert.equal(health.state(other), 'open');
  });

  it('closes for all but that repository as soon as the answer of the host comes', async () => {
    const { clock, health, settle } = setUp(true);
    health.hedged(h);
    health.timedOut(h, 'silent', clock.monotonic());
    assert.equal(health.state(other), 'open');
    await settle();
    assert.equal(health.state(h), 'open');
    assert.equal(health.state(other), 'closed');
  });

  it('opens after three late faults within a minute, good headers in between or not', async () => {
    const { clock, health } = setUp();
    for (let time = 0; time < 2; time += 1) {
      health.faulted(h, 'broke off');
      health.answered(h, 5);
    }
    await clock.advance(61_000);
    health.faulted(h, 'broke off');
    assert.equal(health.state(h), 'closed', 'old ones are forgotten');
    health.faulted(h, 'broke off');
    health.answered(h, 5);
    health.faulted(h, 'broke off');
    assert.equal(health.state(h), 'open');
    assert.equal(health.state(other), 'closed', 'those of one repository say nothing of the others');
    assert.equal(health.list()[0]?.lastFailure, 'broke off');
  });

  it('opens a host where the bodies of different repositories break off', () => {
    const { health } = setUp();
    for (const endpoint of [h, other, h, other]) {
      health.answered(endpoint, 5);
      health.faulted(endpoint, 'broke off');
    }
    assert.equal(health.state(endpointOf('h', 'team/third')), 'open');
  });

  it('is patient for a second with a host that it does not know', () => {
    assert.equal(setUp().health.hedgeDelay('h'), 1000);
  });
});
