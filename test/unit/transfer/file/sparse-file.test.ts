import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, writeFileSync, writev } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { PartialFile } from '../../../../src/cache/incoming/partial-file.ts';
import { BlobSize } from '../../../../src/transfer/blob-size.ts';
import { MemoryBudget } from '../../../../src/transfer/file/memory-budget.ts';
import { findResumeState } from '../../../../src/transfer/file/resume-state.ts';
import { SparseFile, type SparseFileDeps } from '../../../../src/transfer/file/sparse-file.ts';
import { defaultLimits } from '../../../../src/transfer/limits.ts';
import { generateBlob } from '../../../support/byte-source.ts';
import { createManualClock } from '../../../support/clock.ts';
import { eventually } from '../../../support/eventually.ts';
import { gate } from '../../../support/gate.ts';
import { tempFolder } from '../../../support/temp-folder.ts';
import { hasherOfTests } from '../../../support/transfer-bench.ts';

const KiB = 1024;
const blob = generateBlob(512 * KiB, 'sparse');
const bytes = blob.bytes();

describe('a sparse file', () => {
  const hasher = hasherOfTests();

  function file(folder: string, deps: Partial<SparseFileDeps> = {}): SparseFile {
    const found = findResumeState(new PartialFile(join(folder, 'blob')));
    return new SparseFile(
      {
        clock: createManualClock(),
        writev,
        budget: new MemoryBudget(1024 * KiB, KiB),
        blocks: { release() {} },
        limits: { ...defaultLimits, writeBatch: 32 * KiB, keepWritten: 0 },
        size: new BlobSize(blob.digest, undefined, found.size),
        hasher,
        digest: blob.digest,
        writeFailed() {},
        onError: (error) => {
          throw error;
        },
        ...deps,
      },
      found,
    );
  }

  function put(sparse: SparseFile, start: number, end: number): ReturnType<SparseFile['writer']> {
    const writer = sparse.writer(start, () => {});
    for (let at = start; at < end; at += 5000) {
      sparse.append(writer, at, Buffer.from(bytes.subarray(at, Math.min(end, at + 5000))));
    }
    return writer;
  }

  async function readOf(sparse: SparseFile, start: number, length: number): Promise<Buffer> {
    const buffer = Buffer.alloc(length);
    const count = await sparse.read(buffer, start, length);
    return buffer.subarray(0, count);
  }

  it('holds what several writers bring, present at once and written soon', async (t: TestContext) => {
    const sparse = file(tempFolder(t));
    assert.ok(sparse.create());
    put(sparse, 100 * KiB, 200 * KiB);
    put(sparse, 0, 50 * KiB);
    assert.deepEqual(sparse.present.toJSON(), [
      [0, 50 * KiB],
      [100 * KiB, 200 * KiB],
    ]);
    assert.ok(sparse.chunkAt(199 * KiB));
    await sparse.flush();
    assert.deepEqual(sparse.written.toJSON(), sparse.present.toJSON());
    assert.deepEqual(await readOf(sparse, 150 * KiB, 999), bytes.subarray(150 * KiB, 150 * KiB + 999));
    sparse.close();
  });

  it('has the digest of the whole, whatever the order of its parts', async (t) => {
    const sparse = file(tempFolder(t));
    sparse.create();
    put(sparse, 300 * KiB, 512 * KiB);
    const writer = put(sparse, 0, 300 * KiB);
    await sparse.retire(writer);
    assert.equal(`sha256:${await sparse.digest(bytes.length)}`, blob.digest);
    sparse.close();
  });

  it('saves its ranges while it grows, and a later one goes on from them', async (t) => {
    const folder = tempFolder(t);
    const clock = createManualClock();
    const size = new BlobSize(blob.digest, undefined, undefined);
    size.judge(bytes.length);
    const sparse = file(folder, { clock, size });
    sparse.create();
    // Less than a batch: a slow endpoint's bytes are saved all the same.
    put(sparse, 0, 10 * KiB);
    await clock.advance(defaultLimits.saveEvery);
    await sparse.flush();
    await sparse.save();
    sparse.close();

    const later = file(folder);
    assert.deepEqual(later.present.toJSON(), [[0, 10 * KiB]]);
    assert.equal(findResumeState(new PartialFile(join(folder, 'blob'))).size, bytes.length);
    assert.deepEqual(await readOf(later, 5, 100), bytes.subarray(5, 105));
    put(later, 10 * KiB, bytes.length);
    assert.equal(`sha256:${await later.digest(bytes.length)}`, blob.digest);
    later.close();
  });

  it('saves the last bytes, too, if they come while the disk takes those before', async (t) => {
    const folder = tempFolder(t);
    const clock = createManualClock();
    const first = gate();
    const sparse = file(folder, {
      clock,
      writev: (...write) => void first.pass().then(() => writev(...write)),
    });
    sparse.create();
    const writer = put(sparse, 0, 5000);
    await clock.advance(defaultLimits.saveEvery);
    await first.arrived;
    sparse.append(writer, 5000, bytes.subarray(5000, 6000));
    first.release();
    const saved = () => findResumeState(new PartialFile(join(folder, 'blob'))).ranges.bytes;
    await eventually('the first are saved', () => saved() >= 5000);
    await sparse.saving;
    await clock.advance(defaultLimits.saveEvery);
    await eventually('the last are saved', () => saved() === 6000);
    sparse.close();
  });

  it('saves no size that a manifest alone told: the next one may ask the endpoints without it', async (t) => {
    const folder = tempFolder(t);
    const sparse = file(folder, { size: new BlobSize(blob.digest, 10 * KiB, undefined) });
    sparse.create();
    put(sparse, 0, 10 * KiB);
    await sparse.flush();
    await sparse.save();
    sparse.close();
    const found = findResumeState(new PartialFile(join(folder, 'blob')));
    assert.deepEqual([found.ranges.bytes, found.size], [10 * KiB, undefined]);
  });

  it('never saves what is not written', async (t) => {
    const folder = tempFolder(t);
    const writes: (() => void)[] = [];
    const sparse = file(folder, {
      writev: (fd, buffers, position, done) => {
        writes.push(() => writev(fd, buffers, position, done));
      },
    });
    sparse.create();
    put(sparse, 0, 100 * KiB);
    await sparse.save();
    assert.ok(!existsSync(`${sparse.path}.ranges`));
    const flushed = sparse.flush();
    while (sparse.written.bytes < 100 * KiB) {
      for (const write of writes.splice(0)) write();
      await new Promise((resolve) => setImmediate(resolve));
      await sparse.save();
      for (const [start, end] of findResumeState(new PartialFile(join(folder, 'blob'))).ranges.toJSON()) {
        assert.ok(readFileSync(sparse.path).subarray(start, end).equals(bytes.subarray(start, end)));
      }
    }
    await flushed;
    sparse.close();
  });

  it('starts anew without changing the file that somebody reads', async (t) => {
    const folder = tempFolder(t);
    const sparse = file(folder);
    sparse.create();
    put(sparse, 0, 64 * KiB);
    await sparse.flush();
    await sparse.save();
    const reading = readOf(sparse, 0, 1000);
    sparse.restart();
    assert.deepEqual(await reading, bytes.subarray(0, 1000));
    assert.equal(sparse.present.bytes + sparse.written.bytes, 0);
    assert.deepEqual(readdirSync(folder), []);
    sparse.create();
    put(sparse, 0, bytes.length);
    assert.equal(`sha256:${await sparse.digest(bytes.length)}`, blob.digest);
    sparse.close();
  });

  it('leaves nothing behind when it is removed in the middle of a save', async (t) => {
    const folder = tempFolder(t);
    const sparse = file(folder);
    sparse.create();
    put(sparse, 0, 64 * KiB);
    await sparse.flush();
    const saving = sparse.save();
    sparse.remove();
    await saving;
    assert.deepEqual(readdirSync(folder), []);
    // Whoever has it open reads on.
    assert.deepEqual(await readOf(sparse, 0, 10), bytes.subarray(0, 10));
    sparse.close();
  });

  it('leaves no ranges of bytes that were thrown away in the middle of a save', async (t) => {
    const folder = tempFolder(t);
    const sparse = file(folder);
    // Which of the two comes first at the file system is a matter of luck.
    for (let time = 0; time < 20; time++) {
      sparse.create();
      put(sparse, 0, 64 * KiB);
      await sparse.flush();
      const saving = sparse.save();
      while (!sparse.saving) await undefined;
      sparse.restart();
      await saving;
      assert.deepEqual(readdirSync(folder), []);
    }
    sparse.close();
  });

  it('keeps what is written, and what is in memory, when the disk gives out', async (t) => {
    let left = 64 * KiB;
    const errors: (string | undefined)[] = [];
    const sparse = file(tempFolder(t), {
      writev: (fd, buffers, position, done) => {
        const count = buffers.reduce((sum, { length }) => sum + length, 0);
        left -= count;
        if (left >= 0) writev(fd, buffers, position, done);
        else setImmediate(done, Object.assign(new Error('full'), { code: 'ENOSPC' }), 0);
      },
      writeFailed() {},
      onError: ({ code }) => errors.push(code),
    });
    sparse.create();
    put(sparse, 0, 200 * KiB);
    await sparse.flush();
    assert.deepEqual(errors, ['ENOSPC']);
    assert.deepEqual(sparse.present.toJSON(), [[0, 200 * KiB]]);
    assert.deepEqual(sparse.chunkAt(199 * KiB), bytes.subarray(199 * KiB, 200 * KiB));
    assert.ok(sparse.written.bytes > 0 && sparse.written.bytes <= 64 * KiB);
    assert.deepEqual(await readOf(sparse, 0, 100), bytes.subarray(0, 100));
    await assert.rejects(sparse.digest(bytes.length), /cannot be written/);
    sparse.close();
  });

  it('tells where it cannot be made, and does not throw', (t) => {
    const folder = tempFolder(t);
    writeFileSync(join(folder, 'file'), '');
    const errors: (string | undefined)[] = [];
    const sparse = new SparseFile(
      {
        clock: createManualClock(),
        writev,
        budget: new MemoryBudget(KiB, KiB),
        blocks: { release() {} },
        limits: defaultLimits,
        size: new BlobSize(blob.digest, undefined, undefined),
        hasher,
        digest: blob.digest,
        writeFailed() {},
        onError: ({ code }) => errors.push(code),
      },
      findResumeState(new PartialFile(join(folder, 'file', 'blob'))),
    );
    assert.equal(sparse.create(), false);
    assert.deepEqual(errors, ['ENOTDIR']);
    sparse.close();
  });
});
