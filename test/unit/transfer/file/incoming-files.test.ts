import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import {
  findLeftover,
  incomingPath,
  removeIncoming,
  saveRanges,
  sweepIncoming,
} from '../../../../src/transfer/file/incoming-files.ts';
import { RangeSet } from '../../../../src/transfer/file/range-set.ts';
import { digestOf } from '../../../support/byte-source.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

const digest = digestOf(Buffer.from('some blob'));
const day = 24 * 60 * 60 * 1000;

const image = { image: 'a.test/app', endpointSet: 'a.test' };

function fileOf(folder: string, of = digest): string {
  return incomingPath(folder, of, image);
}

describe('what an earlier run left', () => {
  it('is found as it was saved', async (t) => {
    const folder = tempFolder(t);
    const path = fileOf(folder);
    writeFileSync(path, Buffer.alloc(100));
    const ranges = new RangeSet([
      { start: 0, end: 10 },
      { start: 50, end: 90 },
    ]);
    await saveRanges(path, 1000, ranges);
    const found = findLeftover(fileOf(folder));
    assert.equal(found.path, path);
    assert.equal(found.size, 1000);
    assert.deepEqual(found.ranges.toJSON(), ranges.toJSON());
    await saveRanges(path, undefined, ranges);
    assert.equal(findLeftover(fileOf(folder)).size, undefined);
    assert.deepEqual(readdirSync(folder).length, 2, 'no temporary file stays');
  });

  it('promises no byte that the file does not have', async (t) => {
    const folder = tempFolder(t);
    const path = fileOf(folder);
    writeFileSync(path, Buffer.alloc(60));
    await saveRanges(
      path,
      1000,
      new RangeSet([
        { start: 0, end: 10 },
        { start: 50, end: 90 },
        { start: 95, end: 99 },
      ]),
    );
    assert.deepEqual(findLeftover(fileOf(folder)).ranges.toJSON(), [
      [0, 10],
      [50, 60],
    ]);
  });

  it('is nothing where it makes no sense', (t) => {
    const folder = tempFolder(t);
    const path = fileOf(folder);
    writeFileSync(path, Buffer.alloc(60));
    const nonsense = ['', '{"size":10,"ran', 'null', '[]', '{"size":10}', '{"size":10,"ranges":[[-5,10]]}'];
    nonsense.push(
      '{"size":"10","ranges":[[0,10]]}',
      '{"size":10,"ranges":[[0,"x"]]}',
      '{"size":10,"ranges":[[0.5,3]]}',
    );
    for (const text of nonsense) {
      writeFileSync(`${path}.ranges`, text);
      const found = findLeftover(fileOf(folder));
      assert.equal(found.ranges.bytes, 0, text);
      assert.equal(found.size, undefined, text);
    }
  });

  it('is nothing where the file is gone', async (t) => {
    const folder = tempFolder(t);
    await saveRanges(fileOf(folder), 10, new RangeSet([{ start: 0, end: 10 }]));
    assert.equal(findLeftover(fileOf(folder)).ranges.bytes, 0);
  });

  it('is removed with all that belongs to it, twice without a word', async (t) => {
    const folder = tempFolder(t);
    const path = fileOf(folder);
    for (const end of ['', '.ranges', '.ranges.tmp']) writeFileSync(`${path}${end}`, '');
    removeIncoming(path);
    removeIncoming(path);
    assert.deepEqual(readdirSync(folder), []);
  });
});

describe('the file of a blob', () => {
  it('is another one for each image, and for each set of endpoints', () => {
    const others = [image, { ...image, image: 'a.test/other' }, { ...image, endpointSet: 'm.test a.test' }];
    const paths = others.map((other) => incomingPath('incoming', digest, other));
    assert.equal(new Set(paths).size, 3);
  });

  it('is not used where the manifest tells another size than the one that it was left with', async (t) => {
    const path = fileOf(tempFolder(t));
    writeFileSync(path, Buffer.alloc(50));
    await saveRanges(path, 100, new RangeSet([{ start: 0, end: 50 }]));
    assert.deepEqual(
      [undefined, 100, 99].map((declared) => findLeftover(path, declared).ranges.bytes),
      [50, 50, 0],
    );
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
      writeFileSync(fileOf(folder, one), Buffer.alloc(50));
      await saveRanges(fileOf(folder, one), 100, new RangeSet([{ start: 10, end: 40 }]));
    }
    const now = Date.now();
    utimesSync(fileOf(folder, old), new Date(now - 8 * day), new Date(now - 8 * day));
    writeFileSync(fileOf(folder, bare), 'no ranges');
    await saveRanges(fileOf(folder, orphan), 100, new RangeSet([{ start: 10, end: 40 }]));
    writeFileSync(`${fileOf(folder, good)}.ranges.tmp`, '{"siz');
    writeFileSync(join(folder, 'what is this'), '');
    // As an older version named them: no image is known that they belong to.
    writeFileSync(join(folder, good.replace(':', '-')), '');
    const swept = sweepIncoming(folder, (one) => one === stored, now, 7 * day);
    const [left, ...others] = swept.resumable;
    assert.deepEqual([left?.digest, left?.bytes, others, swept.removed], [good, 30, [], 6]);
    assert.ok(existsSync(fileOf(folder, good)));
    assert.deepEqual(findLeftover(fileOf(folder, good)).ranges.toJSON(), [[10, 40]]);
    for (const name of readdirSync(folder))
      assert.ok(join(folder, name).startsWith(fileOf(folder, good)), name);
  });

  it('leaves a folder alone that somebody put there', (t) => {
    const folder = tempFolder(t);
    mkdirSync(join(folder, 'lost+found'));
    assert.deepEqual(
      sweepIncoming(folder, () => false, Date.now(), day),
      { resumable: [], removed: 0 },
    );
    assert.ok(existsSync(join(folder, 'lost+found')));
  });
});
