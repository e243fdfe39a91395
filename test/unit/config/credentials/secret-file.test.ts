import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { readSecretFile } from '../../../../src/config/credentials/secret-file.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

describe('readSecretFile', () => {
  for (const [written, secret] of [
    ['s3cret', 's3cret'],
    ['s3cret\n', 's3cret'],
    ['s3cret\r\n', 's3cret'],
    [' s3cret \n\n', ' s3cret '],
    ['\ufeffs3cret', 's3cret'],
  ] as const) {
    it(`reads ${JSON.stringify(written)} as ${JSON.stringify(secret)}`, (t) => {
      const file = join(tempFolder(t), 'password');
      writeFileSync(file, written);
      assert.equal(readSecretFile(file), secret);
    });
  }

  for (const [what, written] of [
    ['an empty file', ''],
    ['a line break alone', '\n'],
    ['two lines', 's3cret\nother'],
    ['a NUL', 's3cret\0'],
    ['a huge file', 's3cret'.repeat(20_000)],
  ] as const) {
    it(`refuses ${what} and shows nothing of it`, (t) => {
      const file = join(tempFolder(t), 'password');
      writeFileSync(file, written);
      assert.throws(
        () => readSecretFile(file),
        (error: Error & { code: string; file: string }) => {
          assert.equal(error.code, 'CREDENTIALS_UNUSABLE');
          assert.equal(error.file, file);
          assert.ok(!error.message.includes('s3cret'));
          return true;
        },
      );
    });
  }

  it('refuses a missing file and a directory', (t) => {
    const folder = tempFolder(t);
    mkdirSync(join(folder, 'password'));
    assert.throws(() => readSecretFile(join(folder, 'none')), {
      code: 'CREDENTIALS_UNUSABLE',
      message: /no such file/,
    });
    assert.throws(() => readSecretFile(join(folder, 'password')), { code: 'CREDENTIALS_UNUSABLE' });
  });
});
