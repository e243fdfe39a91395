import assert from 'node:assert/strict';
import {
  chmodSync,
  chownSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { replaceFileSafely, writeFileSafely } from '../../../src/lib/safe-write.ts';
import { smallDisk } from '../../support/small-disk.ts';
import { tempFolder } from '../../support/temp-folder.ts';

describe('a file that is written whole or not at all', () => {
  it('makes its folder, and is for its owner alone', (t) => {
    const file = join(tempFolder(t), 'new/folder/file');
    writeFileSafely(file, 'text');
    assert.equal(readFileSync(file, 'utf8'), 'text');
    assert.equal(statSync(file).mode & 0o777, 0o600);
  });

  it('stays as it is where the disk takes only a part of the new text', (t) => {
    const disk = smallDisk(t, 1);
    if (!disk) return t.skip('needs root');
    const file = join(disk.path, 'file');
    writeFileSafely(file, 'old');
    const write = [writeFileSafely, replaceFileSafely];
    for (const one of write) assert.throws(() => one(file, 'n'.repeat(2 ** 21)), { code: 'ENOSPC' });
    assert.equal(readFileSync(file, 'utf8'), 'old');
    assert.deepEqual(readdirSync(disk.path), ['file']);
  });
});

describe('a file that gets a new text', () => {
  it('keeps its mode, and leaves no draft', (t) => {
    const folder = tempFolder(t);
    const file = join(folder, 'file');
    writeFileSync(file, 'old');
    chmodSync(file, 0o664);
    const { ino } = statSync(file);
    replaceFileSafely(file, 'new');
    assert.equal(readFileSync(file, 'utf8'), 'new');
    assert.equal(statSync(file).mode & 0o7777, 0o664);
    assert.notEqual(statSync(file).ino, ino, 'it was renamed into place');
    assert.deepEqual(readdirSync(folder), ['file']);
  });

  it('keeps its owner', (t) => {
    if (process.getuid?.() !== 0) return t.skip('another owner can be given by root alone');
    const file = join(tempFolder(t), 'file');
    writeFileSync(file, 'old');
    chownSync(file, 1234, 2345);
    replaceFileSafely(file, 'new');
    const { uid, gid } = statSync(file);
    assert.deepEqual([uid, gid], [1234, 2345]);
  });

  it('stays a link where it was one', (t) => {
    const folder = tempFolder(t);
    mkdirSync(join(folder, 'real'));
    writeFileSync(join(folder, 'real/file'), 'old');
    symlinkSync('real/file', join(folder, 'link'));
    replaceFileSafely(join(folder, 'link'), 'new');
    assert.ok(lstatSync(join(folder, 'link')).isSymbolicLink());
    assert.equal(readFileSync(join(folder, 'real/file'), 'utf8'), 'new');
  });

  it('stays as it is where it cannot be written', (t) => {
    const file = join(tempFolder(t), 'absent');
    assert.throws(() => replaceFileSafely(file, 'new'), { code: 'ENOENT' });
    assert.deepEqual(readdirSync(join(file, '..')), []);
  });
});
