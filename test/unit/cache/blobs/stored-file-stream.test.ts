import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { closeSync, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { largeRead, StoredFileStream, smallRead } from '../../../../src/cache/blobs/stored-file-stream.ts';
import { type BufferPool, createBufferPool, smallestBuffer } from '../../../../src/lib/bytes/buffer-pool.ts';
import { dataFolder } from '../data-folder-fixture.ts';

/** Buffers that are counted, and overwritten the moment they are taken or given back. */
function watchedBuffers(budget = 64 * largeRead) {
  const buffers = createBufferPool({ budget, keep: 4 * largeRead });
  const out = new Set<Buffer>();
  const watched: BufferPool = {
    sizeFor: buffers.sizeFor,
    take(wanted) {
      const buffer = buffers.take(wanted);
      assert.ok(!out.has(buffer), 'a buffer is never out twice');
      out.add(buffer);
      return buffer.fill(0xaa);
    },
    give(buffer) {
      assert.ok(out.delete(buffer), 'what is given back was taken');
      buffers.give(buffer.fill(0xbb));
    },
  };
  return { watched, out };
}

function setUp(t: TestContext, size: number) {
  const bytes = randomBytes(size);
  const path = join(dataFolder(t), 'file');
  writeFileSync(path, bytes);
  const fd = openSync(path, 'r');
  t.after(() => closeSync(fd));
  let released = 0;
  const openStream = (buffers: BufferPool, start = 0, end = size) =>
    new StoredFileStream(
      {
        fd,
        path,
        buffers,
        release: () => {
          released += 1;
        },
      },
      start,
      end,
    );
  return { bytes, openStream, released: () => released };
}

test('any range comes out as it is in the file, read as the contract of ByteStream allows', async (t) => {
  const size = 5_000_000;
  const { bytes, openStream } = setUp(t, size);
  const place = fc.integer({ min: 0, max: size });
  await fc.assert(
    fc.asyncProperty(place, place, async (one, two) => {
      const [start, end] = [Math.min(one, two), Math.max(one, two)];
      const { watched, out } = watchedBuffers();
      const stream = openStream(watched, start, end);
      let position = start;
      // One chunk is held while the next one is read, and looked at only then.
      let held = await stream.next();
      while (held) {
        const next = await stream.next();
        assert.ok(bytes.subarray(position, position + held.length).equals(held));
        position += held.length;
        held = next;
      }
      assert.equal(position, end);
      stream.close();
      assert.equal(out.size, 0);
    }),
    { numRuns: 40 },
  );
});

test('a stream holds two buffers at most; they become large when it is long, and only while large ones are to be had', async (t) => {
  const { openStream } = setUp(t, 6_000_000);
  const sizes = async (buffers: BufferPool, out: Set<Buffer>) => {
    const stream = openStream(buffers);
    const seen: number[] = [];
    for (let chunk = await stream.next(); chunk; chunk = await stream.next()) {
      seen.push(chunk.length);
      assert.ok(out.size <= 2);
    }
    stream.close();
    assert.equal(out.size, 0);
    return seen;
  };
  const many = watchedBuffers();
  const seen = await sizes(many.watched, many.out);
  assert.deepEqual(seen.slice(0, 5), [smallRead, smallRead, smallRead, smallRead, largeRead]);
  const none = watchedBuffers(smallRead);
  assert.ok((await sizes(none.watched, none.out)).every((length) => length <= smallRead));
});

test('a thousand streams, however long, hold little more than the budget', async (t) => {
  const { openStream } = setUp(t, 6_000_000);
  const budget = 32 * largeRead;
  const { watched, out } = watchedBuffers(budget);
  const streams = Array.from({ length: 1000 }, () => openStream(watched));
  for (const stream of streams) for (let chunks = 0; chunks < 6; chunks += 1) await stream.next();
  assert.equal(out.size, 2 * streams.length);
  const held = [...out].reduce((sum, { length }) => sum + length, 0);
  assert.ok(held <= budget + 2 * streams.length * smallestBuffer, `${held} bytes`);
  for (const stream of streams) stream.close();
  assert.equal(out.size, 0);
});

test('closing while a read is under way gives the buffers back only after it, and the file once', async (t) => {
  const { openStream, released } = setUp(t, 3_000_000);
  const { watched, out } = watchedBuffers();
  const stream = openStream(watched);
  await stream.next();
  const reading = stream.next();
  stream.close();
  stream.close();
  assert.equal(released(), 0);
  assert.equal(out.size, 2);
  await reading;
  assert.equal(released(), 1);
  assert.equal(out.size, 0);
  await assert.rejects(stream.next(), /closed/);
});

test('a file that ends too early fails the stream', async (t) => {
  const { openStream } = setUp(t, 1000);
  const stream = openStream(watchedBuffers().watched, 0, 2000);
  assert.equal((await stream.next())?.length, 1000);
  await assert.rejects(stream.next(), /ends at 1000, before 2000/);
  stream.close();
});
