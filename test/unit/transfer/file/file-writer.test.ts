import assert from 'node:assert/strict';
import { closeSync, openSync, readFileSync, writev } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import fc from 'fast-check';
import { FileWriter, type FileWriterDeps } from '../../../../src/transfer/file/file-writer.ts';
import { MemoryBudget } from '../../../../src/transfer/file/memory-budget.ts';
import { generateBlob } from '../../../support/byte-source.ts';
import { gate } from '../../../support/gate.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

const KiB = 1024;

interface Bench {
  readonly path: string;
  readonly written: [number, number][];
  readonly errors: string[];
  readonly released: number[];
  rooms: number;
  readonly budget: MemoryBudget;
  writer(start: number, deps?: Partial<FileWriterDeps>): FileWriter;
}

function bench(t: TestContext, options: { limit?: number } = {}): Bench {
  const path = join(tempFolder(t), 'file');
  const fd = openSync(path, 'w+');
  t.after(() => closeSync(fd));
  const made: Bench = {
    path,
    written: [],
    errors: [],
    released: [],
    rooms: 0,
    budget: new MemoryBudget(options.limit ?? 1024 * KiB, 1024 * KiB),
    writer: (start, deps) =>
      new FileWriter(
        {
          write: (buffers, position, done) => writev(fd, buffers, position, done),
          budget: made.budget,
          blocks: { release: ({ length }) => made.released.push(length) },
          writeBatch: 64 * KiB,
          keepWritten: 32 * KiB,
          onWritten: (from, to) => made.written.push([from, to]),
          onError: ({ code }) => made.errors.push(code ?? ''),
          onCapacity: () => {
            made.rooms += 1;
          },
          ...deps,
        },
        start,
      ),
  };
  return made;
}

const bytes = generateBlob(1024 * KiB, 'writer').bytes();

function appendAll(writer: FileWriter, from: number, to: number, step: number): void {
  for (let at = from; at < to; at += step)
    writer.append(Buffer.from(bytes.subarray(at, Math.min(to, at + step))));
}

describe('a file writer', () => {
  it('has every byte in the file after a flush, at its offset, however they came', async (t) => {
    for (const step of [1 * KiB, 65 * KiB, 100]) {
      const here = bench(t);
      const writer = here.writer(5000);
      appendAll(writer, 0, 300 * KiB, step);
      await writer.flush();
      assert.ok(
        readFileSync(here.path)
          .subarray(5000)
          .equals(bytes.subarray(0, 300 * KiB)),
      );
      assert.equal(here.written[0]?.[0], 5000);
      assert.equal(here.written.at(-1)?.[1], 5000 + 300 * KiB);
      // Gapless, in order.
      for (const [index, [start]] of here.written.entries()) {
        if (index > 0) assert.equal(start, here.written[index - 1]?.[1]);
      }
      writer.close();
      assert.equal(here.budget.used, 0);
    }
  });

  it('gives bytes from memory before they are on the disk, and the last written ones after it', async (t) => {
    const here = bench(t);
    const held = gate();
    const writer = here.writer(0, {
      write: (buffers, position, done) => {
        void held.pass().then(() => {
          const count = buffers.reduce((sum, { length }) => sum + length, 0);
          assert.ok(position >= 0);
          done(null, count);
        });
      },
    });
    appendAll(writer, 0, 100 * KiB, 3000);
    for (const offset of [0, 2999, 3000, 50_001, 100 * KiB - 1]) {
      const chunk = writer.chunkAt(offset);
      assert.ok(chunk && chunk.length > 0);
      assert.ok(chunk.equals(bytes.subarray(offset, offset + chunk.length)));
    }
    assert.equal(writer.chunkAt(100 * KiB), undefined);
    held.release();
    await writer.flush();
    assert.equal(writer.chunkAt(0), undefined);
    assert.ok(writer.chunkAt(100 * KiB - 10 * KiB));
  });

  it('goes on where a disk takes a part only', async (t) => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 9000 }), { minLength: 1 }), async (takes) => {
        const here = bench(t);
        let turn = 0;
        const writer = here.writer(0, {
          write: (buffers, position, done) => {
            const take = takes[turn++ % takes.length] ?? 1;
            const part = Buffer.concat(buffers).subarray(0, take);
            const fd = openSync(here.path, 'r+');
            writev(fd, [part], position, (error, count) => {
              closeSync(fd);
              done(error, count);
            });
          },
        });
        appendAll(writer, 0, 30_000, 4000);
        await writer.flush();
        assert.ok(readFileSync(here.path).equals(bytes.subarray(0, 30_000)));
      }),
      { numRuns: 15 },
    );
  });

  it('tells of an error once, and lets no part wait for what will not be written', async (t) => {
    const here = bench(t);
    const writer: FileWriter = here.writer(0, {
      write: (_, __, done) => setImmediate(done, Object.assign(new Error('full'), { code: 'ENOSPC' }), 0),
      onError: ({ code }) => {
        here.errors.push(code ?? '');
        writer.close();
      },
    });
    appendAll(writer, 0, 200 * KiB, 10_000);
    await writer.flush();
    assert.deepEqual(here.errors, ['ENOSPC']);
    assert.deepEqual(here.written, []);
    assert.equal(here.budget.used, 0);
    await writer.flush();
  });

  it('asks for a pause when memory is short, and for more when half of it is free', async (t) => {
    const here = bench(t, { limit: 100 * KiB });
    const writer = here.writer(0);
    let paused = 0;
    for (let at = 0; at < 150 * KiB; at += 10 * KiB) {
      if (!writer.append(Buffer.from(bytes.subarray(at, at + 10 * KiB)))) paused += 1;
    }
    assert.equal(paused, 5);
    assert.equal(here.rooms, 0);
    await writer.flush();
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(here.rooms, 1);
    assert.ok(here.budget.used <= 50 * KiB);
  });

  it('gives every chunk back once, when it has left memory', async (t) => {
    const here = bench(t);
    const writer = here.writer(0);
    appendAll(writer, 0, 200 * KiB, 10 * KiB);
    await writer.flush();
    assert.ok(here.released.length < 20, 'the last ones are kept for readers');
    writer.close();
    writer.close();
    assert.equal(here.released.length, 20);
  });
});
