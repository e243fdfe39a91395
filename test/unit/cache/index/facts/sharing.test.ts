import assert from 'node:assert/strict';
import { test } from 'node:test';
import { replaceOrigin } from '../../../../../src/cache/index/facts/sharing.ts';

test('a start that is cut off leaves the origin before it to the next one', () => {
  const values = new Map([['facts-origin', 'first']]);
  const rows = {
    meta: (key: string) => values.get(key),
    setMeta: (key: string, value: string) => void values.set(key, value),
  };
  const cut = new Error('cut off');
  assert.throws(
    () =>
      replaceOrigin(rows, 'second', () => {
        throw cut;
      }),
    cut,
  );
  const seen: (string | undefined)[] = [];
  replaceOrigin(rows, 'third', (before) => seen.push(before));
  replaceOrigin(rows, 'fourth', (before) => seen.push(before));
  assert.deepEqual(seen, ['first', 'third']);
});
