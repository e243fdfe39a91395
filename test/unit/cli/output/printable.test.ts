import assert from 'node:assert/strict';
import { test } from 'node:test';
import { printable } from '../../../../src/cli/output/printable.ts';

test('a text reaches a terminal without what moves its cursor or turns its direction', () => {
  assert.equal(printable('a\tb\nč 镜像 – ok\n'), 'a\tb\nč 镜像 – ok\n');
  assert.equal(
    printable('\x1b[2Jgone\r\x07\x9b1m\u202eabc'),
    '\\u001b[2Jgone\\u000d\\u0007\\u009b1m\\u202eabc',
  );
});
