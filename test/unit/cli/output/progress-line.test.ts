import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createProgressLine } from '../../../../src/cli/output/progress-line.ts';

function shown(terminal: { isTTY?: boolean; columns?: number }, isShown = true): readonly string[] {
  const written: string[] = [];
  let now = 0;
  const to = { ...terminal, write: (text: string) => void written.push(text) };
  const line = createProgressLine(to, { isShown, now: () => now });
  for (const text of ['one', 'two', 'three']) {
    line.show(text);
    now += 1500;
  }
  line.clear();
  return written;
}

test('a line comes every two seconds, below the last one where there is no terminal', () => {
  assert.deepEqual(shown({}), ['one\n', 'three\n']);
});

test('on a terminal it takes the place of the last one, no wider than the window, and goes in the end', () => {
  assert.deepEqual(shown({ isTTY: true, columns: 4 }), ['\r\x1b[Kone', '\r\x1b[Kthr', '\r\x1b[K']);
});

test('nothing is written where nothing is to be shown', () => {
  assert.deepEqual(shown({ isTTY: true }, false), []);
});
