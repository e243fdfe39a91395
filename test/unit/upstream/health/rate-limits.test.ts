import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { coolingEnd, createRateLimits, retryAfter } from '../../../../src/upstream/health/rate-limits.ts';
import { createManualClock } from '../../../support/clock.ts';

describe('rate limits', () => {
  const now = Date.UTC(2026, 0, 1);

  it('reads Retry-After as seconds or as a date', () => {
    assert.equal(retryAfter('120', now), 120_000);
    assert.equal(retryAfter(' 0 ', now), 0);
    assert.equal(retryAfter('Thu, 01 Jan 2026 00:01:00 GMT', now), 60_000);
    assert.equal(retryAfter('Wed, 31 Dec 2025 00:00:00 GMT', now), 0);
    assert.equal(retryAfter('soon', now), undefined);
    assert.equal(retryAfter(undefined, now), undefined);
  });

  it('waits half a minute without it, a second at least and a quarter of an hour at most', () => {
    assert.equal(coolingEnd({}, now), now + 30_000);
    assert.equal(coolingEnd({ 'retry-after': 'x' }, now), now + 30_000);
    for (const nonsense of ['-5', '3.5', '300-1']) {
      assert.equal(coolingEnd({ 'retry-after': nonsense }, now), now + 30_000, nonsense);
    }
    assert.equal(coolingEnd({ 'retry-after': '9'.repeat(400) }, now), now + 15 * 60_000);
    assert.equal(coolingEnd({ 'retry-after': '0' }, now), now + 1000);
    assert.equal(coolingEnd({ 'retry-after': '86400' }, now), now + 15 * 60_000);
    assert.equal(coolingEnd({ 'retry-after': ['7', '9'] }, now), now + 7000);
  });

  it('cools down one account of a host, and tells the longest of all', async () => {
    const clock = createManualClock(now);
    const limits = createRateLimits(clock);
    limits.cool('h', '', now + 1000);
    limits.cool('h', 'joe', now + 5000);
    assert.equal(limits.coolingUntil('h', ''), now + 1000);
    assert.equal(limits.coolingUntil('h', 'ann'), undefined);
    assert.equal(limits.hostCoolingUntil('h'), now + 5000);
    assert.equal(limits.hostCoolingUntil('other'), undefined);
    await clock.advance(1000);
    assert.equal(limits.coolingUntil('h', ''), undefined);
    assert.equal(limits.coolingUntil('h', 'joe'), now + 5000);
    await clock.advance(4000);
    assert.equal(limits.hostCoolingUntil('h'), undefined);
  });

  it('ends a pause in time where the machine sets its clock', async () => {
    const clock = createManualClock(now);
    const limits = createRateLimits(clock);
    const hours = 6 * 3_600_000;
    limits.cool('h', '', now + 30_000);
    clock.set(now - hours);
    assert.equal(limits.coolingUntil('h', ''), now - hours + 30_000);
    await clock.advance(30_000);
    assert.deepEqual([limits.coolingUntil('h', ''), limits.hosts()], [undefined, []]);
    limits.cool('h', '', clock.now() + 30_000);
    clock.set(now + hours);
    assert.equal(limits.hostCoolingUntil('h'), now + hours + 30_000, 'nor is it shorter');
  });

  it('keeps what the headers tell', () => {
    const limits = createRateLimits(createManualClock(now));
    limits.observe('h', 'joe', {});
    assert.equal(limits.allowance('h'), undefined);
    limits.observe('h', 'joe', { 'ratelimit-limit': '100;w=21600', 'ratelimit-remaining': '76;w=21600' });
    assert.deepEqual(limits.allowance('h'), { limit: 100, remaining: 76 });
  });

  it('shows what the account with the least has left', () => {
    const limits = createRateLimits(createManualClock(now));
    limits.observe('h', 'joe', { 'ratelimit-remaining': '76' });
    limits.observe('h', '', { 'ratelimit-limit': '10', 'ratelimit-remaining': '3' });
    limits.observe('h', 'ann', {});
    assert.deepEqual(limits.allowance('h'), { limit: 10, remaining: 3 });
    limits.observe('h', '', { 'ratelimit-remaining': '80' });
    assert.deepEqual(limits.allowance('h'), { limit: undefined, remaining: 76 });
  });
});
