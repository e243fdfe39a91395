import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StoredBlob } from '../../../../src/cache/blobs/blob-store.ts';
import { createCheckedStreams } from '../../../../src/cache/integrity/checked-streams.ts';
import { blobOf } from '../../../support/byte-source.ts';
import { readAll } from '../data-folder-fixture.ts';

const content = blobOf('0123456789');

/** A blob that gives `bytes` three at a time. */
function fileOf(bytes: Buffer, version = 'v1'): StoredBlob {
  return {
    size: bytes.length,
    modified: 0,
    version,
    isCurrent: async () => true,
    close() {},
    stream(start, end) {
      let at = start;
      return {
        async next() {
          const chunk = bytes.subarray(at, Math.min(at + 3, end));
          at += chunk.length;
          return chunk.length > 0 ? chunk : undefined;
        },
        close() {},
      };
    },
  };
}

function checkedStreams() {
  const faults: string[] = [];
  const files = createCheckedStreams(async (digest, _blob, reason) => {
    faults.push(`${digest}: ${reason}`);
  });
  return { faults, files };
}

const right = content.bytes();
const wrong = Buffer.from('0123456780');

test('right bytes pass whole, and are believed from then on until the file is touched', async () => {
  const { files, faults } = checkedStreams();
  assert.deepEqual(await readAll(files.stream(content.digest, fileOf(right), 0, 10)), right);
  assert.deepEqual(await readAll(files.stream(content.digest, fileOf(wrong), 0, 10)), wrong);
  await assert.rejects(readAll(files.stream(content.digest, fileOf(wrong, 'v2'), 0, 10)), /have changed/);
  assert.equal(faults.length, 1);
});

test('wrong bytes are never given to the end', async () => {
  const { files, faults } = checkedStreams();
  const stream = files.stream(content.digest, fileOf(wrong), 0, 10);
  let given = 0;
  await assert.rejects(async () => {
    for (let chunk = await stream.next(); chunk; chunk = await stream.next()) given += chunk.length;
  }, /have changed/);
  assert.ok(given < 10);
  assert.match(faults[0] ?? '', /^sha256:.*have changed$/);
});

test('a part is given as it is: its reader verifies in its own way', async () => {
  const { files, faults } = checkedStreams();
  assert.deepEqual(await readAll(files.stream(content.digest, fileOf(wrong), 8, 10)), wrong.subarray(8));
  assert.deepEqual(await readAll(files.stream(content.digest, fileOf(wrong), 0, 9)), wrong.subarray(0, 9));
  assert.deepEqual(faults, []);
});

test('a stream that breaks off is a fault, told before its reader knows', async () => {
  const { files, faults } = checkedStreams();
  const broken: StoredBlob = {
    ...fileOf(right),
    stream: () => ({ next: () => Promise.reject(new Error('it ends here')), close() {} }),
  };
  await assert.rejects(files.stream(content.digest, broken, 2, 10).next(), /it ends here/);
  assert.deepEqual(faults, [`${content.digest}: it ends here`]);
});

test('a version that was trusted when it was stored is not hashed', async () => {
  const { files } = checkedStreams();
  files.trust(content.digest, 'v1');
  assert.deepEqual(await readAll(files.stream(content.digest, fileOf(wrong), 0, 10)), wrong);
});
