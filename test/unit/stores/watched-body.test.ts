import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { BodySink, PushedBody } from '../../../src/lib/bytes/pushed-body.ts';
import { watchedBody } from '../../../src/stores/watched-body.ts';
import { createManualClock } from '../../support/clock.ts';

function setUp() {
  const clock = createManualClock();
  let inner: BodySink | undefined;
  const did: string[] = [];
  const body: PushedBody = {
    consume(sink) {
      inner = sink;
    },
    resume: () => void did.push('resumed'),
    cancel: () => void did.push('cancelled'),
  };
  const watched = watchedBody(body, { clock, stallTimeout: 30_000 });
  const got: string[] = [];
  const sink: BodySink = {
    data: (chunk) => {
      got.push(String(chunk));
      return String(chunk) !== 'stop';
    },
    end: () => void got.push('end'),
    fail: (reason) => void got.push(reason),
  };
  const push = (text: string) => inner?.data(Buffer.from(text));
  return { clock, watched, sink, got, did, push, end: () => inner?.end() };
}

describe('a body from a bucket', () => {
  it('fails when no byte has come for a while, and its exchange is closed', async () => {
    const { clock, watched, sink, got, did, push } = setUp();
    watched.consume(sink);
    await clock.advance(29_000);
    push('a');
    await clock.advance(29_000);
    assert.deepEqual(got, ['a']);
    await clock.advance(1_000);
    assert.deepEqual(got, ['a', 'no byte for 30 s']);
    assert.deepEqual(did, ['cancelled']);
  });

  it('may be held up by its reader for as long as that takes', async () => {
    const { clock, watched, sink, got, did, push } = setUp();
    watched.consume(sink);
    assert.equal(push('stop'), false);
    await clock.advance(600_000);
    watched.resume();
    await clock.advance(29_000);
    assert.deepEqual(got, ['stop']);
    assert.deepEqual(did, ['resumed']);
    await clock.advance(31_000);
    assert.deepEqual(got, ['stop', 'no byte for 30 s']);
  });

  it('leaves no timer behind', async () => {
    const { clock, watched, sink, end } = setUp();
    watched.consume(sink);
    end();
    assert.deepEqual(clock.pending, []);
    const other = setUp();
    other.watched.consume(other.sink);
    other.watched.cancel();
    assert.deepEqual(other.clock.pending, []);
  });
});
