import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { after, describe, it, type TestContext } from 'node:test';
import { Pool } from 'undici';
import type { BodySink, PushedBody } from '../../../../src/lib/bytes/pushed-body.ts';
import { dropBody, readBody } from '../../../../src/lib/bytes/small-body.ts';
import { type Exchanged, type ExchangeOptions, exchange } from '../../../../src/upstream/http/exchange.ts';
import { describeFault } from '../../../../src/upstream/http/transport-fault.ts';
import { createManualClock, type ManualClock } from '../../../support/clock.ts';

/** A server that writes what the test says, byte for byte. */
describe('one exchange', () => {
  const stops: (() => unknown)[] = [];
  after(() => Promise.all(stops.map((stop) => stop())));

  async function setUp(script: (socket: Socket) => void, method: 'GET' | 'HEAD' = 'GET') {
    const server = createServer((socket) => {
      socket.on('error', () => {});
      socket.once('data', () => script(socket));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/x?y=1`);
    const pool = new Pool(url.origin, { allowH2: false });
    stops.push(
      () => pool.destroy(),
      () => server.close(),
    );
    const clock = createManualClock();
    const released = { count: 0 };
    const run = (options: Partial<ExchangeOptions> = {}) =>
      exchange(
        pool,
        url,
        { method, headers: {} },
        {
          clock,
          retain() {},
          headerTimeout: 15_000,
          describe: (error) => describeFault(error, { host: 'h', connectTimeout: 3000 }),
          released: () => {
            released.count += 1;
          },
          ...options,
        },
      );
    return { run, clock, released, pool };
  }

  const text = async (got: Exchanged, clock: ManualClock, cap = 1000) => {
    assert.ok(got.ok);
    const read = await readBody(got.response.body, { cap, clock, timeout: 5000 });
    return read.ok ? read.bytes.toString() : `${read.kind}: ${read.reason}`;
  };

  it('passes over early hints', async () => {
    const { run, clock } = await setUp((socket) =>
      socket.write(
        'HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok',
      ),
    );
    const got = await run();
    assert.ok(got.ok && got.response.status === 200);
    assert.equal(await text(got, clock), 'ok');
  });

  it('keeps a body that is over, connection and all, until it is read', async () => {
    const { run, clock, released } = await setUp((socket) =>
      socket.end('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello'),
    );
    const got = await run();
    await clock.advance(0);
    assert.equal(await text(got, clock), 'hello');
    assert.equal(released.count, 1);
  });

  it('ends at once where there is no body', async () => {
    const { run, clock, released } = await setUp(
      (socket) => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n'),
      'HEAD',
    );
    assert.equal(await text(await run(), clock), '');
    assert.equal(released.count, 1);
  });

  it('gives up when the headers do not come in time, by its own clock', async () => {
    const { run, clock, released } = await setUp((socket) => socket.write('HTTP/1.1 200 OK\r\nX-Slow:'));
    const got = run();
    await clock.advance(14_999);
    await clock.advance(1);
    assert.deepEqual(await got, {
      ok: false,
      fault: { kind: 'unanswered', reason: 'no answer within 15 s' },
    });
    assert.equal(released.count, 1);
    assert.deepEqual(clock.pending, []);
  });

  it('goes on after that time if it may, until its signal ends it', async () => {
    const { run, clock } = await setUp(() => {});
    const client = new AbortController();
    const got = run({ mayOutlast: () => true, signal: client.signal });
    await clock.advance(15_000);
    client.abort();
    assert.deepEqual(await got, { ok: false, fault: { kind: 'aborted', reason: 'given up' } });
  });

  it('gives up when its signal says so, before or while it waits', async () => {
    const { run, released } = await setUp(() => {});
    const signal = AbortSignal.abort();
    assert.deepEqual(await run({ signal }), { ok: false, fault: { kind: 'aborted', reason: 'given up' } });
    const later = new AbortController();
    const got = run({ signal: later.signal });
    later.abort();
    assert.equal((await got).ok, false);
    assert.equal(released.count, 2);
  });

  it('keeps a body that comes in chunks of one byte without keeping the chunks', async () => {
    const bytes = Buffer.alloc(1_000_000, 'x');
    let most = 0;
    const body: PushedBody = {
      consume(sink) {
        for (let at = 0; at < bytes.length; at += 1) {
          sink.data(bytes.subarray(at, at + 1));
          if (at % 50_000 === 0) most = Math.max(most, process.memoryUsage().heapUsed);
        }
        sink.end();
      },
      resume() {},
      cancel() {},
    };
    const before = process.memoryUsage().heapUsed;
    const clock = createManualClock();
    const read = await readBody(body, { cap: bytes.length, clock, timeout: 5000 });
    assert.ok(read.ok && read.bytes.equals(bytes));
    assert.ok(most - before < 60_000_000, `${Math.round((most - before) / 1e6)} MB`);
    assert.deepEqual(clock.pending, []);
  });

  it('reads a small body under a cap, and gives it up when nothing comes', async () => {
    const long = await setUp((socket) =>
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n${'x'.repeat(11)}`),
    );
    assert.equal(await text(await long.run(), long.clock, 10), 'tooLarge: body larger than 10 bytes');
    const slow = await setUp((socket) => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nx'));
    const got = text(await slow.run(), slow.clock);
    await slow.clock.advance(5000);
    assert.equal(await got, 'broken: no byte of the body for 5 s');
    assert.equal(slow.released.count, 1);
  });

  it('lets a small body take longer as long as it comes, but not for ever', async () => {
    const clock = createManualClock();
    const sinks: BodySink[] = [];
    let cancelled = 0;
    const slowly = (): PushedBody => ({
      consume: (sink) => void sinks.push(sink),
      resume() {},
      cancel() {
        cancelled += 1;
      },
    });
    const whole = readBody(slowly(), { cap: 100, clock, timeout: 5000 });
    const endless = readBody(slowly(), { cap: 100, clock, timeout: 5000 });
    for (let second = 0; second < 48; second += 4) {
      await clock.advance(4000);
      for (const sink of sinks) sink.data(Buffer.from('x'));
    }
    sinks[0]?.end();
    const read = await whole;
    assert.ok(read.ok && read.bytes.toString() === 'x'.repeat(12));
    await clock.advance(2000);
    assert.deepEqual(await endless, {
      ok: false,
      kind: 'broken',
      reason: 'body not complete within 50 s',
    });
    assert.equal(cancelled, 1);
    assert.deepEqual(clock.pending, []);
  });

  it('saves the connection when a small body is dropped, and closes it when a large one is', async () => {
    let connections = 0;
    const answer = (size: number) => (socket: Socket) => {
      connections += 1;
      const write = () =>
        socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n${'x'.repeat(size)}`);
      write();
      socket.on('data', write);
    };
    for (const [size, expected] of [
      [1000, 1],
      [1_000_000, 2],
    ] as const) {
      connections = 0;
      const { run, released, pool, clock } = await setUp(answer(size));
      const first = await run();
      assert.ok(first.ok);
      dropBody(first.response.body, clock);
      // undici waits for a turn of the event loop before it uses a connection again.
      while (released.count === 0 || pool.stats.free < pool.stats.connected) {
        await new Promise((resolve) => setImmediate(resolve));
      }
      const second = await run();
      assert.ok(second.ok);
      second.response.body.cancel();
      assert.equal(connections, expected, `${size} bytes`);
    }
  });

  for (const rest of ['Content-Length: 9\r\n\r\nx', 'Transfer-Encoding: chunked\r\n\r\n1;endless'] as const) {
    it(`gives its connection up when ${JSON.stringify(rest)} is all that comes of an unwanted body`, async () => {
      const { run, released, clock } = await setUp((socket) => socket.write(`HTTP/1.1 404 No\r\n${rest}`));
      const got = await run();
      assert.ok(got.ok);
      dropBody(got.response.body, clock);
      await clock.advance(4999);
      assert.equal(released.count, 0);
      await clock.advance(1);
      assert.equal(released.count, 1);
    });
  }

  it('hands on together what comes in chunks of one byte, and all in its order', async () => {
    const pieces = ['x', 'y'.repeat(5000), ...Array(20_000).fill('z'), 'a'.repeat(70_000), 'b'];
    const chunked = pieces.map((piece) => `${piece.length.toString(16)}\r\n${piece}\r\n`).join('');
    const { run, clock } = await setUp((socket) =>
      socket.write(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${chunked}0\r\n\r\n`),
    );
    const got = await run();
    assert.ok(got.ok);
    let chunks = 0;
    const { body } = got.response;
    const counted: PushedBody = {
      ...body,
      consume: (sink) =>
        body.consume({
          data(chunk) {
            chunks += 1;
            return sink.data(chunk);
          },
          end: () => sink.end(),
          fail: (reason) => sink.fail(reason),
        }),
    };
    const read = await readBody(counted, { cap: 200_000, clock, timeout: 5000 });
    assert.ok(read.ok);
    assert.equal(read.bytes.toString(), pieces.join(''));
    assert.ok(chunks < 100, `${chunks}`);
  });

  it('does not break when the sink does', async () => {
    const { run, released } = await setUp((socket) =>
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx'),
    );
    const got = await run();
    assert.ok(got.ok);
    const failed = Promise.withResolvers<string>();
    got.response.body.consume({
      data() {
        throw new Error('the disk is full');
      },
      end() {},
      fail: failed.resolve,
    });
    assert.match(await failed.promise, /the disk is full/);
    assert.equal(released.count, 1);
    assert.throws(() => got.response.body.consume({ data: () => true, end() {}, fail() {} }), /once/);
  });
});

describe('an upload', () => {
  /** More than the sockets of a machine hold between its programs. */
  const bytes = Buffer.alloc(32_000_000, 'x');

  /** A server that reads only when the test says so. */
  async function setUp(t: TestContext, more: { readonly patience?: number } = {}) {
    const sockets: Socket[] = [];
    const taken = Promise.withResolvers<void>();
    const server = createServer((socket) => {
      socket.on('error', () => {});
      socket.pause();
      sockets.push(socket);
      taken.resolve();
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/x`);
    const pool = new Pool(url.origin, { allowH2: false });
    t.after(async () => {
      await pool.destroy();
      for (const socket of sockets) socket.destroy();
      server.close();
    });
    const clock = createManualClock();
    const headers = { 'x-test': 'a' };
    const request = { method: 'PUT', headers, body: bytes, ...more } as const;
    const got = exchange(pool, url, request, {
      clock,
      retain() {},
      headerTimeout: 30_000,
      describe: (error) => describeFault(error, { host: 'h', connectTimeout: 3000 }),
      released() {},
    });
    await taken.promise;
    const [socket] = sockets;
    assert.ok(socket);
    return { got, clock, socket };
  }

  it('says its length, and may take as long as it moves', async (t) => {
    const { got, clock, socket } = await setUp(t);
    let read = '';
    let size = 0;
    const whole = Promise.withResolvers<void>();
    socket.on('data', (chunk: Buffer) => {
      if (!read.includes('\r\n\r\n')) read += chunk.toString('latin1');
      size += chunk.length;
      if (size >= bytes.length + read.indexOf('\r\n\r\n') + 4) whole.resolve();
    });
    await clock.advance(25_000);
    socket.resume();
    await whole.promise;
    await clock.advance(25_000);
    assert.match(read, /\r\ncontent-length: 32000000\r\n/i);
    assert.doesNotMatch(read, /transfer-encoding/i);
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
    const answer = await got;
    assert.ok(answer.ok, JSON.stringify(answer));
    dropBody(answer.response.body, clock);
  });

  it('may have an answer that takes long, if the request says so', async (t) => {
    const { got, clock, socket } = await setUp(t, { patience: 300_000 });
    socket.resume();
    for (let passed = 0; passed < 299_000; passed += 23_000) await clock.advance(23_000);
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
    const answer = await got;
    assert.ok(answer.ok, JSON.stringify(answer));
    dropBody(answer.response.body, clock);
  });

  it('that stops moving is given up', async (t) => {
    const { got, clock } = await setUp(t);
    // What the connection takes without its server is taken at once.
    let answer: Exchanged | undefined;
    void got.then((value) => {
      answer = value;
    });
    for (let passed = 0; !answer && passed < 600_000; passed += 30_000) await clock.advance(30_000);
    assert.deepEqual(answer, { ok: false, fault: { kind: 'unanswered', reason: 'no answer within 30 s' } });
  });
});
