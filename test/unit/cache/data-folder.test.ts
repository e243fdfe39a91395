import assert from 'node:assert/strict';
import { test } from 'node:test';
import { unusable } from '../../../src/cache/data-folder.ts';

test('a database that may not be written is told as a matter of rights, not of the file system alone', () => {
  const told = unusable('/data', Object.assign(new Error('attempt to write'), { code: 'SQLITE_READONLY' }));
  assert.match(String(told), /a file in it may not be written: give this process's user the rights/);
});
