import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { readTextFile } from '../../../../src/config/files/text-file.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

describe('readTextFile', () => {
  it('gives the text, without a byte order mark and with its line ends', (t) => {
    const file = join(tempFolder(t), 'a');
    writeFileSync(file, '\ufeffä\r\nb\n');
    assert.equal(readTextFile(file), 'ä\r\nb\n');
  });

  it('gives nothing for a file that does not exist and for a dangling link', (t) => {
    const folder = tempFolder(t);
    symlinkSync(join(folder, 'nowhere'), join(folder, 'link'));
    assert.equal(readTextFile(join(folder, 'none')), undefined);
    assert.equal(readTextFile(join(folder, 'link')), undefined);
  });

  it('refuses a directory, with the code that the caller wants', (t) => {
    const folder = tempFolder(t);
    assert.throws(() => readTextFile(folder), {
      name: 'EntrepotError',
      code: 'CONFIG_UNREADABLE',
      file: folder,
      message: /directory/,
    });
    assert.throws(() => readTextFile(folder, { code: 'TLS_UNUSABLE' }), { code: 'TLS_UNUSABLE' });
  });

  it('refuses a pipe instead of waiting for a writer', (t) => {
    const pipe = join(tempFolder(t), 'pipe');
    execFileSync('mkfifo', [pipe]);
    assert.throws(() => readTextFile(pipe), { code: 'CONFIG_UNREADABLE', message: /not a regular file/ });
  });

  it('refuses a file below a file, and links in a circle', (t) => {
    const folder = tempFolder(t);
    writeFileSync(join(folder, 'file'), '');
    symlinkSync(join(folder, 'b'), join(folder, 'a'));
    symlinkSync(join(folder, 'a'), join(folder, 'b'));
    assert.throws(() => readTextFile(join(folder, 'file/below')), { code: 'CONFIG_UNREADABLE' });
    assert.throws(() => readTextFile(join(folder, 'a')), { message: /circle/ });
  });

  it('refuses bytes that are not UTF-8, unless latin1 is asked for', (t) => {
    const file = join(tempFolder(t), 'a');
    writeFileSync(file, Buffer.from([0x61, 0xff]));
    assert.throws(() => readTextFile(file), { message: /UTF-8/, file });
    assert.equal(readTextFile(file, { encoding: 'latin1' }), 'aÿ');
  });

  it('refuses a file above the cap and takes one of exactly that size', (t) => {
    const file = join(tempFolder(t), 'a');
    writeFileSync(file, 'x'.repeat(11));
    assert.throws(() => readTextFile(file, { maxBytes: 10 }), { message: /11 bytes.*at most 10/ });
    assert.equal(readTextFile(file, { maxBytes: 11 }), 'x'.repeat(11));
  });

  it('reads through a link', (t) => {
    const folder = tempFolder(t);
    mkdirSync(join(folder, 'real'));
    writeFileSync(join(folder, 'real/a'), 'text');
    symlinkSync('real/a', join(folder, 'link'));
    assert.equal(readTextFile(join(folder, 'link')), 'text');
  });
});
