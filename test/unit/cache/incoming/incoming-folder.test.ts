import assert from 'node:assert/strict';
import { closeSync, existsSync, mkdirSync, readdirSync, utimesSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, it } from 'node:test';
import { IncomingFolder } from '../../../../src/cache/incoming/incoming-folder.ts';
import type { PartialFile } from '../../../../src/cache/incoming/partial-file.ts';
import { digestOf } from '../../../support/byte-source.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

const digest = digestOf(Buffer.from('some blob'));
const day = 24 * 60 * 60 * 1000;
const owner = '0123456789abcdef'.repeat(2);

function fileIn(folder: string, of = digest): PartialFile {
  return new IncomingFolder(folder).partial(of, owner);
}

describe('a partial download', () => {
  it('is found as it was saved', async (t) => {
    const folder = tempFolder(t);
    const file = fileIn(folder);
    assert.deepEqual([file.length, file.load()], [undefined, undefined]);
    writeFileSync(file.path, Buffer.alloc(100));
    const ranges = [
      [0, 10],
      [50, 90],
    ] as const;
    for (const size of [1000, undefined]) {
      await file.save({ size, ranges });
      assert.deepEqual(fileIn(folder).load(), { size, ranges });
    }
    assert.equal(fileIn(folder).length, 100);
    assert.equal(readdirSync(folder).length, 2, 'no temporary file stays');
  });

  it('is nothing where its ranges make no sense', (t) => {
    const file = fileIn(tempFolder(t));
    const nonsense = ['', '{"size":10,"ran', 'null', '[]', '{"size":10}', '{"size":10,"ranges":[[-5,10]]}'];
    nonsense.push(
      '{"size":"10","ranges":[[0,10]]}',
      '{"size":10,"ranges":[[0,"x"]]}',
      '{"size":10,"ranges":[[0.5,3]]}',
    );
    for (const text of nonsense) {
      writeFileSync(`${file.path}.ranges`, text);
      assert.equal(file.load(), undefined, text);
    }
  });

  it('is opened with or without what is in it, though the folder is gone', (t) => {
    const file = fileIn(join(tempFolder(t), 'gone'));
    closeSync(file.open(true));
    writeFileSync(file.path, 'bytes');
    closeSync(file.open(true));
    assert.equal(file.length, 5);
    closeSync(file.open(false));
    assert.equal(file.length, 0);
  });

  it('is removed with all that belongs to it, twice without an error', (t) => {
    for (const way of ['remove', 'drop'] as const) {
      const folder = tempFolder(t);
      const file = fileIn(folder);
      for (const end of ['', '.ranges', '.ranges.tmp']) writeFileSync(`${file.path}${end}`, '');
      file[way]();
      file[way]();
      assert.deepEqual(readdirSync(folder), []);
    }
  });

  it('that cannot be removed is an error only where its bytes are to make room', (t) => {
    const file = fileIn(tempFolder(t));
    mkdirSync(file.path);
    file.remove();
    assert.throws(() => file.drop(), /directory/);
    assert.ok(existsSync(file.path));
  });
});

describe('the incoming folder', () => {
  it('loses what a kill left half-written, and keeps partial downloads', (t) => {
    const folder = new IncomingFolder(tempFolder(t));
    const [one, other] = [folder.pathForWrite(digest), folder.pathForWrite(digest)];
    assert.notEqual(one, other);
    const { path } = folder.partial(digest, owner);
    for (const file of [one, other, path]) writeFileSync(file, 'half');
    folder.removeUnfinishedWrites();
    assert.deepEqual(readdirSync(folder.path), [basename(path)]);
  });

  it('is emptied after a power cut, but for folders', async (t) => {
    const folder = new IncomingFolder(tempFolder(t));
    mkdirSync(join(folder.path, 'lost+found'));
    for (const name of ['a', 'b.ranges']) writeFileSync(join(folder.path, name), '');
    await folder.flush();
    assert.equal(folder.clear(), 2);
    assert.deepEqual(readdirSync(folder.path), ['lost+found']);
  });
});

describe('the sweep at start', () => {
  it('keeps what can be resumed and removes the rest', async (t) => {
    const folder = tempFolder(t);
    const digests = ['good', 'stored', 'old', 'bare', 'ranges only'].map((text) =>
      digestOf(Buffer.from(text)),
    );
    const [good, stored, old, bare, orphan] = digests;
    assert.ok(good && stored && old && bare && orphan);
    for (const one of [good, stored, old]) {
      writeFileSync(fileIn(folder, one).path, Buffer.alloc(50));
      await fileIn(folder, one).save({ size: 100, ranges: [[10, 40]] });
    }
    const now = Date.now();
    utimesSync(fileIn(folder, old).path, new Date(now - 8 * day), new Date(now - 8 * day));
    writeFileSync(fileIn(folder, bare).path, 'no ranges');
    await fileIn(folder, orphan).save({ size: 100, ranges: [[10, 40]] });
    writeFileSync(`${fileIn(folder, good).path}.ranges.tmp`, '{"siz');
    writeFileSync(join(folder, 'what is this'), '');
    // As an older version named them: no image is known that they belong to.
    writeFileSync(join(folder, good.replace(':', '-')), '');
    const swept = await new IncomingFolder(folder).sweep((one) => one === stored, now, 7 * day);
    const [left, ...others] = swept.resumable;
    assert.deepEqual([left?.digest, left?.bytes, others, swept.removed], [good, 30, [], 6]);
    assert.ok(existsSync(fileIn(folder, good).path));
    assert.deepEqual(fileIn(folder, good).load()?.ranges, [[10, 40]]);
    for (const name of readdirSync(folder))
      assert.ok(join(folder, name).startsWith(fileIn(folder, good).path), name);
  });

  it('leaves folders alone', async (t) => {
    const folder = tempFolder(t);
    mkdirSync(join(folder, 'lost+found'));
    assert.deepEqual(await new IncomingFolder(folder).sweep(() => false, Date.now(), day), {
      resumable: [],
      removed: 0,
    });
    assert.ok(existsSync(join(folder, 'lost+found')));
  });
});
