import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createSlots } from '../../../src/upstream/slots.ts';

describe('slots', () => {
  const slots = () => createSlots((name) => (name === 'free' ? undefined : 2));

  it('lets so many in, and the others in their order when one leaves', async () => {
    const two = slots();
    const entered: number[] = [];
    const enter = async (number: number) => {
      const leave = await two.take('h', undefined);
      entered.push(number);
      return leave;
    };
    const [first, second, third, fourth] = [enter(1), enter(2), enter(3), enter(4)];
    const leave = await first;
    await second;
    assert.deepEqual(entered, [1, 2]);
    leave();
    leave();
    (await third)();
    await fourth;
    assert.deepEqual(entered, [1, 2, 3, 4]);
  });

  it('forgets one who gives up waiting', async () => {
    const two = slots();
    const leave = await two.take('h', undefined);
    await two.take('h', undefined);
    const impatient = new AbortController();
    const gone = two.take('h', impatient.signal);
    const next = two.take('h', undefined);
    impatient.abort(new Error('enough'));
    await assert.rejects(gone, /enough/);
    await assert.rejects(two.take('h', impatient.signal), /enough/);
    leave();
    await next;
  });

  it('knows no limit where none is set, and one for each host', async () => {
    const two = slots();
    for (let time = 0; time < 5; time += 1) await two.take('free', undefined);
    for (const host of ['a', 'a', 'b', 'b']) await two.take(host, undefined);
  });
});
