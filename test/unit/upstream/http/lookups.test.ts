import assert from 'node:assert/strict';
import type { LookupAddress } from 'node:dns';
import { describe, it } from 'node:test';
import { createLookups, lookupThreads, type ResolveAll } from '../../../../src/upstream/http/lookups.ts';
import { createManualClock } from '../../../support/clock.ts';

const ours: LookupAddress[] = [{ address: '192.0.2.7', family: 4 }];
const other: LookupAddress[] = [{ address: '192.0.2.8', family: 4 }];
const timeout = 10_000;

/** Lookups over a resolver that a test answers for. */
function scripted(threads = 4) {
  const clock = createManualClock();
  /** Under way, by name. */
  const asked = new Map<string, (result: LookupAddress[] | string) => void>();
  const all: string[] = [];
  const resolve: ResolveAll = (hostname, _, callback) => {
    all.push(hostname);
    asked.set(hostname, (result) => {
      asked.delete(hostname);
      if (typeof result === 'string') callback(Object.assign(new Error(result), { code: result }), []);
      else callback(null, result);
    });
  };
  const lookups = createLookups({ clock, resolve, threads });
  return {
    clock,
    all,
    asked,
    of: (name: string, limit = timeout) => lookups.addressesOf(name, limit),
    doubt: lookups.doubt,
    answer(name: string, result: LookupAddress[] | string) {
      const answer = asked.get(name);
      assert.ok(answer, `${name} is not being looked up`);
      answer(result);
    },
  };
}

describe('looking names up', () => {
  it('looks up once for all callers, and remembers the answer for half a minute', async () => {
    const dns = scripted();
    const both = [dns.of('a.test'), dns.of('a.test')];
    dns.answer('a.test', ours);
    assert.deepEqual(await Promise.all(both), [ours, ours]);
    await dns.clock.advance(29_999);
    assert.deepEqual(await dns.of('a.test'), ours);
    assert.deepEqual(dns.all, ['a.test']);
    await dns.clock.advance(1);
    const anew = dns.of('a.test');
    dns.answer('a.test', other);
    assert.deepEqual(await anew, other);
  });

  it('goes on when its caller gives up, for the next one', async () => {
    const dns = scripted();
    const first = dns.of('slow.test');
    const isRefused = assert.rejects(first, {
      code: 'LOOKUP_TIMEOUT',
      message: 'DNS did not answer within 10 s',
    });
    await dns.clock.advance(timeout);
    await isRefused;
    const second = dns.of('slow.test');
    dns.answer('slow.test', ours);
    assert.deepEqual(await second, ours);
    assert.deepEqual(await dns.of('slow.test'), ours);
    assert.deepEqual(dns.all, ['slow.test']);
  });

  it('uses an old answer when DNS fails or is silent, but not when the name has ended', async () => {
    const dns = scripted();
    const first = dns.of('a.test');
    dns.answer('a.test', ours);
    await first;
    await dns.clock.advance(60_000);

    const failing = dns.of('a.test');
    dns.answer('a.test', 'EAI_AGAIN');
    assert.deepEqual(await failing, ours);

    dns.doubt('a.test');
    const silent = dns.of('a.test');
    await dns.clock.advance(1000);
    assert.deepEqual(await silent, ours);
    dns.answer('a.test', 'ENOTFOUND');
    await assert.rejects(dns.of('a.test'), { code: 'ENOTFOUND' });
    assert.equal(dns.all.length, 3);
  });

  it('waits once for a silent DNS, not for each connection, and takes its answer when that comes', async () => {
    const dns = scripted();
    const first = dns.of('a.test');
    dns.answer('a.test', ours);
    await first;
    await dns.clock.advance(60_000);
    const waiting = dns.of('a.test');
    await dns.clock.advance(1000);
    assert.deepEqual(await waiting, ours);
    assert.deepEqual(await dns.of('a.test'), ours, 'at once');
    dns.answer('a.test', 'EAI_AGAIN');
    await dns.clock.advance(0);
    assert.deepEqual(await dns.of('a.test'), ours, 'at once, and DNS is asked again');
    dns.answer('a.test', other);
    await dns.clock.advance(0);
    assert.deepEqual(await dns.of('a.test'), other);
    assert.equal(dns.all.length, 3);
  });

  it('waits for a new answer no longer than its caller does', async () => {
    const dns = scripted();
    const first = dns.of('a.test');
    dns.answer('a.test', ours);
    await first;
    await dns.clock.advance(60_000);
    let given: readonly LookupAddress[] | undefined;
    dns.of('a.test', 300).then((addresses) => {
      given = addresses;
    });
    await dns.clock.advance(299);
    assert.equal(given, undefined);
    await dns.clock.advance(1);
    assert.deepEqual(given, ours);
  });

  it('forgets an old answer after an hour', async () => {
    const dns = scripted();
    const first = dns.of('a.test');
    dns.answer('a.test', ours);
    await first;
    await dns.clock.advance(3_600_000);
    const failing = dns.of('a.test');
    dns.answer('a.test', 'EAI_AGAIN');
    await assert.rejects(failing, { code: 'EAI_AGAIN' });
  });

  it('asks again for a name whose addresses do not connect', async () => {
    const dns = scripted();
    const first = dns.of('moved.test');
    dns.answer('moved.test', ours);
    await first;
    dns.doubt('moved.test');
    const second = dns.of('moved.test');
    dns.answer('moved.test', other);
    assert.deepEqual(await second, other);
    dns.doubt('never-asked.test');
  });

  it('asks for no more names at once than threads wait for DNS', async () => {
    const dns = scripted(2);
    const three = ['a.test', 'b.test', 'c.test'].map(dns.of);
    assert.deepEqual(dns.all, ['a.test', 'b.test']);
    dns.answer('b.test', ours);
    await three[1];
    assert.deepEqual(dns.all, ['a.test', 'b.test', 'c.test']);
    dns.answer('a.test', ours);
    dns.answer('c.test', ours);
    await Promise.all(three);
  });

  it('gives names that DNS was silent about half of the threads, behind the others', async () => {
    const dns = scripted(4);
    const silent = ['s1.test', 's2.test', 's3.test', 's4.test'];
    const failed = silent.map((name) => assert.rejects(dns.of(name), { code: 'EAI_AGAIN' }));
    for (const name of silent) dns.answer(name, 'EAI_AGAIN');
    await Promise.all(failed);

    const again = silent.map((name) => dns.of(name));
    assert.deepEqual([...dns.asked.keys()], ['s1.test', 's2.test']);
    for (const name of ['h1.test', 'h2.test', 'h3.test']) {
      const healthy = dns.of(name);
      dns.answer(name, ours);
      assert.deepEqual(await healthy, ours);
    }
    for (const name of silent) {
      dns.answer(name, ours);
      await again[silent.indexOf(name)];
    }
    const well = silent.map((name) => dns.of(name));
    assert.deepEqual(await Promise.all(well), [ours, ours, ours, ours]);
  });

  it('counts a name as silent while its look-up still runs', async () => {
    const dns = scripted(2);
    const stuck = dns.of('stuck.test');
    await dns.clock.advance(1000);
    const rejected = assert.rejects(dns.of('also.test'), { code: 'EAI_AGAIN' });
    dns.answer('also.test', 'EAI_AGAIN');
    await rejected;
    const waits = dns.of('also.test');
    const healthy = dns.of('healthy.test');
    dns.answer('healthy.test', ours);
    assert.deepEqual(await healthy, ours);
    dns.answer('stuck.test', ours);
    await stuck;
    dns.answer('also.test', ours);
    await waits;
  });

  it('knows how many threads libuv gives to look-ups', () => {
    assert.deepEqual(['4', '16', '1', undefined, 'many', '0'].map(lookupThreads), [2, 8, 1, 2, 2, 2]);
  });
});
