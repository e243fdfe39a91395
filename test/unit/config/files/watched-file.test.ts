import assert from 'node:assert/strict';
import { readFileSync, renameSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { createWatchedFiles } from '../../../../src/config/files/watched-file.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

function watched(t: TestContext) {
  const file = join(tempFolder(t), 'secret');
  writeFileSync(file, 'one');
  let reads = 0;
  const files = createWatchedFiles((path) => {
    reads += 1;
    return readFileSync(path, 'utf8');
  });
  return { file, get: () => files.get(file), reads: () => reads };
}

describe('a watched file', () => {
  it('is read once while it stays as it is', (t) => {
    const { get, reads } = watched(t);
    assert.deepEqual([get(), get(), get(), reads()], ['one', 'one', 'one', 1]);
  });

  it('is read again when it is written', (t) => {
    const { file, get } = watched(t);
    get();
    writeFileSync(file, 'longer');
    assert.equal(get(), 'longer');
  });

  it('is read again when it is replaced by one of the same size and age', (t) => {
    const { file, get } = watched(t);
    const then = new Date(2020, 1, 1);
    utimesSync(file, then, then);
    get();
    writeFileSync(`${file}.new`, 'two');
    utimesSync(`${file}.new`, then, then);
    renameSync(`${file}.new`, file);
    assert.equal(get(), 'two');
  });

  it('fails when it is gone and is back when it is there again', (t) => {
    const { file, get } = watched(t);
    get();
    rmSync(file);
    assert.throws(get, { code: 'ENOENT' });
    assert.throws(get, { code: 'ENOENT' });
    writeFileSync(file, 'one');
    assert.equal(get(), 'one');
  });

  it('that cannot be used gives its last good value for a moment', (t) => {
    const file = join(tempFolder(t), 'auth.json');
    let now = 0;
    const clock = { now: () => now, monotonic: () => now, after: () => ({ cancel() {} }) };
    const files = createWatchedFiles((path) => JSON.parse(readFileSync(path, 'utf8')) as unknown, {
      rewriteTime: 10_000,
      clock,
    });
    writeFileSync(file, '1');
    assert.equal(files.get(file), 1);
    for (const text of ['', '{"au']) {
      writeFileSync(file, text);
      assert.equal(files.get(file), 1, text);
      now += 4000;
    }
    writeFileSync(file, '2');
    assert.equal(files.get(file), 2);
    writeFileSync(file, '');
    assert.equal(files.get(file), 2);
    now += 10_000;
    assert.throws(() => files.get(file));
  });
});
