import assert from 'node:assert/strict';
import { it } from 'node:test';
import { createLineSplitter } from '../../../src/kubernetes/line-splitter.ts';

function split(chunks: readonly string[], cap = 10) {
  const lines: string[] = [];
  const splitter = createLineSplitter(cap, (line) => lines.push(line.toString()));
  const taken = chunks.map((chunk) => splitter.push(Buffer.from(chunk)));
  return { lines, taken };
}

it('lines come out whole, however they are cut', () => {
  const text = 'one\ntwo\n\nthree\n';
  const whole = ['one', 'two', 'three'];
  assert.deepEqual(split([text]).lines, whole);
  assert.deepEqual(split([...text]).lines, whole);
  assert.deepEqual(split(['on', 'e\nt', 'wo\n\nthree', '\n']).lines, whole);
  assert.deepEqual(split(['one\ntw']).lines, ['one']);
});

it('a line that is too long is noticed before its end', () => {
  assert.deepEqual(split(['0123456789\n', '01234', '56789', '0'], 10).taken, [true, true, true, false]);
  assert.deepEqual(split(['ok\n01234567890\n'], 10), { lines: ['ok'], taken: [false] });
});
