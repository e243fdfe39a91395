import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createProgressBars } from '../../../../src/cli/output/progress-bars.ts';

test('bars are drawn for what is under way, and erased line by line', () => {
  const written: string[] = [];
  const bars = createProgressBars({ write: (text) => void written.push(text) }, { isShown: true });
  bars.show({ name: 'a', size: 2048, done: 1024 });
  assert.match(written.join(''), /^a \[#{15}\.{15}\] 1\.0 KiB of 2\.0 KiB\n$/);
  bars.clear();
  assert.equal(written.at(-1), '\x1b[1A\x1b[J');
  bars.clear();
  assert.equal(written.length, 2);
});

test('no bar is drawn for output that is no terminal', () => {
  const bars = createProgressBars({ write: () => assert.fail('drawn') }, { isShown: false });
  bars.show({ name: 'a', size: 2, done: 1 });
  bars.clear();
});

/** The lines that stand on a terminal of this size when six downloads are half done. */
function linesOn(columns: number, rows: number): string[] {
  let last = '';
  let now = 0;
  const write = (text: string) => {
    last = text;
  };
  const bars = createProgressBars({ write, columns, rows }, { isShown: true, now: () => now });
  for (const done of [0, 500]) {
    for (let n = 0; n < 6; n += 1) {
      now += 100;
      bars.show({ name: `sha256:${n}23456789abc`, size: 1000 * 1024 ** 2, done: done * 1024 ** 2 });
    }
  }
  return last
    .slice(last.indexOf('J') + 1)
    .split('\n')
    .slice(0, -1);
}

test('no line is wider than the terminal: a bar gets the columns that its text leaves', () => {
  for (const columns of [20, 40, 60, 70, 80, 100]) {
    const lines = linesOn(columns, 24);
    assert.equal(lines.length, 6);
    for (const line of lines) assert.ok(line.length <= columns, `${columns} columns: ${line}`);
  }
  assert.match(linesOn(80, 24)[0]!, /^sha256:023456789abc \[#+\.+\] 500 MiB of 1000 MiB, \d+ MiB\/s$/);
  assert.match(linesOn(40, 24)[0]!, /^sha256:023456789abc 500 MiB of 1000 MiB,$/);
});

test('no more lines are drawn than the cursor can go up', () => {
  assert.equal(linesOn(80, 4).length, 3);
});
