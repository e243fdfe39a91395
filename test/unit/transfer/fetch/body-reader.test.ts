import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { BodySink } from '../../../../src/lib/bytes/pushed-body.ts';
import { BodyReader } from '../../../../src/transfer/fetch/body-reader.ts';
import { createManualClock } from '../../../support/clock.ts';

/** A body of 100 bytes, by its headers, all of which the fetch wants. */
function body() {
  const clock = createManualClock();
  let sink: BodySink | undefined;
  let cancels = 0;
  let position = 0;
  const reader = new BodyReader(
    {
      ...{ start: 0, end: 100, size: 1000 },
      body: {
        consume(taken) {
          sink = taken;
        },
        resume() {},
        cancel() {
          cancels += 1;
        },
      },
    },
    100,
    {
      get position() {
        return position;
      },
      isOfNothing: false,
      stopAt: () => 100,
      take(chunk) {
        position += chunk.length;
        return true;
      },
    },
    { clock, timeout: 30_000, bytes: 4096 },
  );
  const read = reader.read();
  assert.ok(sink);
  return { clock, read, sink, cancels: () => cancels };
}

describe('a body whose bytes are all here', () => {
  it('gives its connection back by its end, which is waited for', async () => {
    const { clock, read, sink, cancels } = body();
    sink.data(Buffer.alloc(100));
    assert.deepEqual(await read, { kind: 'reached' });
    await clock.advance(4999);
    assert.equal(cancels(), 0);
    sink.end();
    assert.deepEqual([clock.pending, cancels()], [[], 0]);
  });

  it('is cancelled where its end does not come', async () => {
    const { clock, read, sink, cancels } = body();
    sink.data(Buffer.alloc(100));
    await read;
    await clock.advance(5000);
    assert.deepEqual([clock.pending, cancels()], [[], 1]);
  });

  it('is cancelled at once where it goes on past the end that its headers announced', async () => {
    const later = body();
    later.sink.data(Buffer.alloc(100));
    assert.equal(later.sink.data(Buffer.alloc(1)), false);
    const together = body();
    together.sink.data(Buffer.alloc(101));
    for (const { read, cancels, clock } of [later, together]) {
      assert.deepEqual(await read, { kind: 'reached' });
      assert.deepEqual([clock.pending, cancels()], [[], 1]);
    }
  });
});
