import assert from 'node:assert/strict';
import { closeSync, writeFileSync, writeSync } from 'node:fs';
import { describe, it } from 'node:test';
import { IncomingFolder } from '../../../../src/cache/incoming/incoming-folder.ts';
import type { PartialFile } from '../../../../src/cache/incoming/partial-file.ts';
import { findResumeState, partialFileOf } from '../../../../src/transfer/file/resume-state.ts';
import { digestOf } from '../../../support/byte-source.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

const digest = digestOf(Buffer.from('some blob'));
const image = { image: 'a.test/app', endpointSet: 'a.test' };

function fileIn(folder: string): PartialFile {
  return partialFileOf(new IncomingFolder(folder), digest, image);
}

describe('a partial download', () => {
  it('is another file for each image, and for each set of endpoints', () => {
    const others = [image, { ...image, image: 'a.test/other' }, { ...image, endpointSet: 'm.test a.test' }];
    const paths = others.map((other) => partialFileOf(new IncomingFolder('incoming'), digest, other).path);
    assert.equal(new Set(paths).size, 3);
  });

  it('offers no byte that the file does not have', async (t) => {
    const file = fileIn(tempFolder(t));
    writeFileSync(file.path, Buffer.alloc(60));
    const ranges = [
      [0, 10],
      [50, 90],
      [95, 99],
    ] as const;
    await file.save({ size: 1000, ranges });
    const found = findResumeState(file);
    assert.equal(found.size, 1000);
    assert.deepEqual(found.ranges.toJSON(), [
      [0, 10],
      [50, 60],
    ]);
  });

  it('is empty where the file or its ranges are missing', async (t) => {
    const [noFile, noRanges] = [fileIn(tempFolder(t)), fileIn(tempFolder(t))];
    await noFile.save({ size: 10, ranges: [[0, 10]] });
    writeFileSync(noRanges.path, 'bytes');
    for (const file of [noFile, noRanges]) {
      const found = findResumeState(file);
      assert.deepEqual([found.ranges.bytes, found.size], [0, undefined]);
    }
  });

  it('is not used where the manifest tells another size than the one that was saved', async (t) => {
    const file = fileIn(tempFolder(t));
    writeFileSync(file.path, Buffer.alloc(50));
    await file.save({ size: 100, ranges: [[0, 50]] });
    assert.deepEqual(
      [undefined, 100, 99].map((declared) => findResumeState(file, declared).ranges.bytes),
      [50, 50, 0],
    );
  });

  it('that is begun anew offers no byte of the old one, also if the process is killed before it saves', async (t) => {
    const file = fileIn(tempFolder(t));
    writeFileSync(file.path, Buffer.alloc(50));
    await file.save({ size: 100, ranges: [[0, 50]] });
    const fd = file.open(false);
    writeSync(fd, 'bytes', 40);
    closeSync(fd);
    assert.equal(file.length, 45);
    assert.equal(findResumeState(file).ranges.bytes, 0);
  });
});
