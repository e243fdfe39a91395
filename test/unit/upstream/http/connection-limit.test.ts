import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createConnectionLimit, type WaitOptions } from '../../../../src/upstream/http/connection-limit.ts';
import { createManualClock } from '../../../support/clock.ts';

const clock = createManualClock();
const connectionLimit = () =>
  createConnectionLimit((name) => (name === 'free' ? undefined : 2), { clock, longestWait: 30_000 });

describe('connectionLimit', () => {
  it('lets so many in, and the others in their order when one leaves', async () => {
    const two = connectionLimit();
    const entered: number[] = [];
    const enter = async (number: number) => {
      const leave = await two.take('h');
      entered.push(number);
      return leave;
    };
    const [first, second, third, fourth] = [enter(1), enter(2), enter(3), enter(4)];
    const leave = await first;
    await second;
    assert.deepEqual(entered, [1, 2]);
    leave?.();
    leave?.();
    (await third)?.();
    await fourth;
    assert.deepEqual(entered, [1, 2, 3, 4]);
  });

  it('lets what is small go before blobs', async () => {
    const two = connectionLimit();
    const entered: string[] = [];
    const enter = async (name: string, options?: WaitOptions) => {
      const leave = await two.take('h', options);
      entered.push(name);
      leave?.();
    };
    const leave = await two.take('h');
    await two.take('h');
    const all = [
      enter('blob 1', { bulk: true }),
      enter('manifest 1'),
      enter('blob 2', { bulk: true }),
      enter('manifest 2'),
    ];
    leave?.();
    await Promise.all(all);
    assert.deepEqual(entered, ['manifest 1', 'manifest 2', 'blob 1', 'blob 2']);
  });

  it('lets no request wait for ever, and gives no permit to one that was given up', async () => {
    const two = connectionLimit();
    const leave = await two.take('h');
    await two.take('h');
    const late = two.take('h');
    await clock.advance(20_000);
    const inTime = two.take('h', { bulk: true });
    await clock.advance(10_000);
    assert.equal(await late, undefined);
    leave?.();
    assert.equal(typeof (await inTime), 'function');
    assert.deepEqual(clock.pending, []);
  });

  it('forgets a request that gives up waiting', async () => {
    const two = connectionLimit();
    const leave = await two.take('h');
    await two.take('h');
    const impatient = new AbortController();
    const gone = two.take('h', { signal: impatient.signal });
    const next = two.take('h');
    impatient.abort(new Error('enough'));
    await assert.rejects(gone, /enough/);
    await assert.rejects(two.take('h', { signal: impatient.signal }), /enough/);
    leave?.();
    assert.equal(typeof (await next), 'function');
  });

  it('knows no limit where none is set, and one for each host', async () => {
    const two = connectionLimit();
    for (let time = 0; time < 5; time += 1) await two.take('free');
    for (const host of ['a', 'a', 'b', 'b']) await two.take(host);
  });
});
