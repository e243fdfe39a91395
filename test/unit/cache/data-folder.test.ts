import assert from 'node:assert/strict';
import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { prepareDataFolder, unusable } from '../../../src/cache/data-folder.ts';
import { refuseForeignFolder } from '../../../src/cli/folder-owner.ts';
import { tempFolder } from '../../support/temp-folder.ts';

test('a database that may not be written is told as a matter of rights, not of the file system alone', () => {
  const told = unusable('/data', Object.assign(new Error('attempt to write'), { code: 'SQLITE_READONLY' }));
  assert.match(String(told), /a file in it may not be written: give this process's user the rights/);
});

test('a path that leads nowhere is told in words, by a server and by a command', (t) => {
  const folder = tempFolder(t);
  const loop = join(folder, 'loop');
  symlinkSync(loop, loop);
  for (const [data, message] of [
    [loop, /^a symbolic link in this path leads back to itself/],
    [join(folder, 'a'.repeat(256)), /^has a name that is too long/],
  ] as const) {
    const expected = { code: 'DATA_UNUSABLE', file: data, message };
    assert.throws(() => prepareDataFolder(data), expected);
    assert.throws(() => refuseForeignFolder(data, 0), expected);
  }
});
