import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { closeSync, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import {
  createReadBuffers,
  largeRead,
  type ReadBuffers,
  smallRead,
} from '../../../../src/cache/blobs/read-buffers.ts';
import { StoredFileStream } from '../../../../src/cache/blobs/stored-file-stream.ts';
import { dataFolder } from '../data-folder-fixture.ts';

/** Buffers that are counted, and overwritten the moment they are taken or given back. */
function watchedBuffers(mostLarge = 64) {
  const buffers = createReadBuffers({ keepSmall: 4, keepLarge: 4, mostLarge });
  const out = new Set<Buffer>();
  const watched: ReadBuffers = {
    take(large) {
      const buffer = buffers.take(large);
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
  const faults: Error[] = [];
  const openStream = (buffers: ReadBuffers, start = 0, end = size) =>
    new StoredFileStream(
      {
        fd,
        path,
        buffers,
        release: () => {
          released += 1;
        },
        onFault: (error) => faults.push(error),
      },
      start,
      end,
    );
  return { bytes, openStream, faults, released: () => released };
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
  const sizes = async (buffers: ReadBuffers, out: Set<Buffer>) => {
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
  const none = watchedBuffers(0);
  assert.ok((await sizes(none.watched, none.out)).every((length) => length <= smallRead));
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

test('a file that ends too early fails the stream and is reported', async (t) => {
  const { openStream, faults } = setUp(t, 1000);
  const stream = openStream(watchedBuffers().watched, 0, 2000);
  assert.equal((await stream.next())?.length, 1000);
  await assert.rejects(stream.next(), /ends at 1000, before 2000/);
  assert.equal(faults.length, 1);
  stream.close();
});
