import assert from 'node:assert/strict';
import { it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { mapAtOnce } from '../../../../src/lib/flow/at-once.ts';

it('results come in the order of the items, and no more than so many are under way', async () => {
  let running = 0;
  let most = 0;
  const results = await mapAtOnce([5, 1, 4, 2, 3], 2, async (turns) => {
    running += 1;
    most = Math.max(most, running);
    for (let left = turns; left > 0; left -= 1) await turn();
    running -= 1;
    return turns * 10;
  });
  assert.deepEqual([results, most], [[50, 10, 40, 20, 30], 2]);
  assert.deepEqual(await mapAtOnce([], 2, async () => 1), []);
  await assert.rejects(
    mapAtOnce([1], 2, () => Promise.reject(new Error('no'))),
    /no/,
  );
});

it('after an error nothing begins any more, and nothing is left under way', async () => {
  const begun: number[] = [];
  const ended: number[] = [];
  const work = mapAtOnce([1, 2, 3, 4], 2, async (item) => {
    begun.push(item);
    if (item === 1) throw new Error('no');
    for (let left = 3; left > 0; left -= 1) await turn();
    ended.push(item);
  });
  await assert.rejects(work, /no/);
  assert.deepEqual([begun, ended], [[1, 2], [2]]);
});
