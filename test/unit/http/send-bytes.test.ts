import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { request } from 'node:http';
import { connect } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { createManualClock } from '../../support/clock.ts';
import { pooledStream } from './memory-pull.ts';
import { type Running, running } from './running-server.ts';

const big = randomBytes(8 * 1024 * 1024);

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}

function blobUrl({ pull }: Running, bytes: Buffer): string {
  return `/v2/library/alpine/blobs/${pull.addBlob('docker.io/library/alpine', bytes)}`;
}

/** A server whose blobs come in chunks that the test hands out. */
async function steered(t: TestContext, options: Parameters<typeof running>[1] = {}) {
  const server = await running(t, options);
  const waiting: PromiseWithResolvers<Uint8Array | undefined>[] = [];
  let closed = 0;
  server.pull.stream = () => ({
    next() {
      const chunk = Promise.withResolvers<Uint8Array | undefined>();
      waiting.push(chunk);
      return chunk.promise;
    },
    close: () => {
      closed += 1;
    },
  });
  return { server, waiting, closed: () => closed };
}

/** A client that has been sent all but the last byte of a large blob, and takes nothing. */
async function stalledClient(t: TestContext, { server, waiting }: Awaited<ReturnType<typeof steered>>) {
  const size = 64 * 1024 * 1024;
  const client = connect(server.port, '127.0.0.1');
  t.after(() => client.destroy());
  client.on('error', () => {});
  client.write(`GET ${blobUrl(server, Buffer.alloc(size))} HTTP/1.1\r\nHost: x\r\n\r\n`);
  client.pause();
  await until(() => waiting.length === 1);
  return {
    async getsAllButTheLast(): Promise<void> {
      waiting[0]!.resolve(Buffer.alloc(size - 1));
      await until(() => waiting.length === 2);
    },
  };
}

/** A client that has asked for `big` and takes nothing yet: the whole answer is written, and most of it is still here. */
async function slowReader(server: Running) {
  server.pull.stream = () => {
    const chunks = [big];
    return { next: async () => chunks.shift(), close() {} };
  };
  const socket = connect(server.port, '127.0.0.1');
  socket.pause();
  socket.write(`GET ${blobUrl(server, big)} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
  await once(socket, 'readable');
  return {
    /** Bytes of the whole answer, headers included, up to the end of the connection. */
    async rest(): Promise<number> {
      let bytes = 0;
      for await (const part of socket) bytes += (part as Buffer).length;
      return bytes;
    },
  };
}

describe('sending a blob', () => {
  it('keeps every byte right through buffers that are used again', async (t) => {
    const server = await running(t);
    for (const chunkSize of [1000, 64 * 1024, 1024 * 1024]) {
      server.pull.stream = (start, end) => pooledStream(big.subarray(start, end), chunkSize);
      const got = await server.get(blobUrl(server, big));
      assert.equal(
        createHash('sha256').update(got.body).digest('hex'),
        createHash('sha256').update(big).digest('hex'),
      );
    }
    assert.equal(server.pull.openStreams.size + server.pull.openBlobs.size, 0);
  });

  it('reads little ahead of a client that takes nothing, and goes on when it does', async (t) => {
    const server = await running(t);
    const size = 64 * 1024 * 1024;
    let given = 0;
    server.pull.stream = () => ({
      async next() {
        if (given === size) return undefined;
        given += 1024 * 1024;
        return big.subarray(0, 1024 * 1024);
      },
      close() {},
    });
    const url = blobUrl(server, Buffer.alloc(size));
    const client = request({ host: '127.0.0.1', port: server.port, path: url, agent: false }).end();
    const [response] = await once(client, 'response');
    for (let seen = -1, calm = 0; calm < 300; calm = seen === given ? calm + 1 : 0) {
      seen = given;
      await new Promise((resume) => setImmediate(resume));
    }
    // What the kernel buffers on both sides of a loopback connection is a few MiB.
    assert.ok(given <= size / 2, `${given} bytes were read ahead`);
    let taken = 0;
    for await (const chunk of response) taken += chunk.length;
    assert.equal(taken, size);
  });

  it('sends the headers ahead where the first byte is long in coming', async (t) => {
    const { server, waiting } = await steered(t);
    const url = blobUrl(server, Buffer.from('abc'));
    const client = request({ host: '127.0.0.1', port: server.port, path: url, agent: false }).end();
    const [response] = await once(client, 'response');
    assert.equal(response.headers['content-length'], '3');
    waiting[0]!.resolve(Buffer.from('abc'));
    assert.equal((await response.toArray()).join(''), 'abc');
  });

  it('uses the connection again afterwards', async (t) => {
    const server = await running(t);
    const url = blobUrl(server, Buffer.from('abc'));
    const line = `GET ${url} HTTP/1.1\r\nHost: x\r\n\r\n`;
    const text = await server.raw(line + line, /abc[\s\S]*abc/);
    assert.equal(text.match(/HTTP\/1\.1 200 OK/g)?.length, 2);
  });

  it('destroys the connection when the stream fails, so that no client takes a part for the whole', async (t) => {
    const { server, waiting, closed } = await steered(t);
    const answer = server.get(blobUrl(server, Buffer.alloc(100)));
    await until(() => waiting.length === 1);
    waiting[0]!.resolve(Buffer.alloc(60));
    await until(() => waiting.length === 2);
    waiting[1]!.reject(new Error('digest mismatch'));
    const got = await answer;
    assert.equal(got.status, 200);
    assert.equal(got.isComplete, false);
    await until(() => server.lines.length === 1);
    assert.equal(server.lines[0]?.end, 'failed');
    assert.equal(closed(), 1);
    assert.equal(server.pull.openBlobs.size, 0);
  });

  it('destroys a chunked answer, too', async (t) => {
    const { server, waiting } = await steered(t);
    server.pull.isSizeHidden = true;
    const answer = server.get(blobUrl(server, Buffer.alloc(100)));
    await until(() => waiting.length === 1);
    waiting[0]!.resolve(Buffer.alloc(60));
    await until(() => waiting.length === 2);
    waiting[1]!.reject(new Error('cut'));
    assert.equal((await answer).isComplete, false);
  });

  it('resets the connection of an HTTP/1.0 client, for which the end of the connection is the end of the answer', async (t) => {
    for (const isCut of [true, false]) {
      const { server, waiting } = await steered(t);
      server.pull.isSizeHidden = true;
      const socket = connect(server.port, '127.0.0.1');
      const end = new Promise((resolve) => {
        socket.once('end', () => resolve('an end'));
        socket.once('error', ({ code }: NodeJS.ErrnoException) => resolve(code));
      });
      socket.write(`GET ${blobUrl(server, Buffer.alloc(100))} HTTP/1.0\r\nHost: x\r\n\r\n`);
      await until(() => waiting.length === 1);
      waiting[0]!.resolve(Buffer.alloc(60));
      await once(socket, 'data');
      await until(() => waiting.length === 2);
      if (isCut) waiting[1]!.reject(new Error('cut'));
      else waiting[1]!.resolve(undefined);
      assert.equal(await end, isCut ? 'ECONNRESET' : 'an end');
    }
  });

  it('destroys the connection when fewer or more bytes come than announced', async (t) => {
    const server = await running(t);
    const url = blobUrl(server, Buffer.alloc(100));
    for (const length of [40, 150]) {
      server.pull.stream = () => pooledStream(Buffer.alloc(length, 1), 30);
      const got = await server.get(url);
      assert.equal(got.isComplete, false, String(length));
      assert.ok(got.body.length < 100);
      await until(() => server.lines.at(-1)?.end === 'failed');
      server.lines.length = 0;
    }
    assert.equal(server.pull.openStreams.size, 0);
  });

  it('closes the stream at once when the client leaves, even while it waits for bytes', async (t) => {
    const { server, waiting, closed } = await steered(t);
    const url = blobUrl(server, Buffer.alloc(100));
    const client = connect(server.port, '127.0.0.1');
    client.write(`GET ${url} HTTP/1.1\r\nHost: x\r\n\r\n`);
    await until(() => waiting.length === 1);
    client.destroy();
    await until(() => closed() === 1);
    assert.equal(server.pull.openBlobs.size, 0);
    await until(() => server.lines.length === 1);
    assert.equal(server.lines[0]?.end, 'clientLeft');
    waiting[0]!.resolve(undefined);
  });

  it('gives up on a client that takes nothing, but not on an upstream that sends nothing', async (t) => {
    const clock = createManualClock();
    const site = await steered(t, { clock, clientStall: 1000 });
    const { lines } = site.server;
    const client = await stalledClient(t, site);
    for (let round = 0; round < 5; round += 1) await clock.advance(900);
    assert.equal(lines.length, 0);
    await client.getsAllButTheLast();
    await clock.advance(999);
    assert.equal(lines.length, 0);
    await clock.advance(1001);
    await until(() => lines.length === 1);
    assert.equal(lines[0]?.end, 'clientStalled');
  });

  it('gives up on one that takes nothing of a manifest or list either', async (t) => {
    const clock = createManualClock();
    const server = await running(t, { clock, clientStall: 1000 });
    server.pull.addManifest('docker.io/library/alpine:1', ' '.repeat(64 * 1024 * 1024));
    const client = connect(server.port, '127.0.0.1');
    t.after(() => client.destroy());
    client.on('error', () => {});
    client.pause();
    client.write('GET /v2/library/alpine/manifests/1 HTTP/1.1\r\nHost: x\r\n\r\n');
    await once(client, 'readable');
    while (server.lines.length === 0) await clock.advance(500);
    // The server can stop then.
    client.destroy();
    assert.equal(server.lines[0]?.end, 'clientStalled');
  });

  it('waits for a client as long as was configured last', async (t) => {
    const clock = createManualClock();
    const site = await steered(t, { clock, clientStall: 1000 });
    const { server, lines } = site.server;
    server.limit({ maxConnections: 10, clientStall: 5000 });
    const client = await stalledClient(t, site);
    await client.getsAllButTheLast();
    await clock.advance(4999);
    assert.equal(lines.length, 0);
    await clock.advance(5001);
    await until(() => lines.length === 1);
    assert.equal(lines[0]?.end, 'clientStalled');
  });

  it('opens the parts of a multipart answer no more than three ahead of their turn', async (t) => {
    const server = await running(t);
    let open = 0;
    let most = 0;
    server.pull.stream = (start, end) => {
      const inner = pooledStream(big.subarray(start, end));
      open += 1;
      most = Math.max(most, open);
      let isOpen = true;
      return {
        next: () => inner.next(),
        close() {
          if (isOpen) open -= 1;
          isOpen = false;
          inner.close();
        },
      };
    };
    const ranges = Array.from({ length: 200 }, (_, index) => `${index * 1000}-${index * 1000 + 99}`).join(
      ',',
    );
    const got = await server.get(blobUrl(server, big), { headers: { range: `bytes=${ranges}` } });
    assert.equal(got.status, 206);
    assert.equal(got.body.length, Number(got.headers['content-length']));
    assert.equal(most, 4);
    assert.equal(open, 0);
  });
});

describe('a connection beyond the limit', () => {
  it('does not cut the last bytes of an answer that a slow client has not taken yet', async (t) => {
    const server = await running(t, { maxConnections: 1 });
    const slow = await slowReader(server);
    assert.equal(await server.raw('GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n'), '');
    assert.ok((await slow.rest()) > big.length);
  });
});

describe('stopping', () => {
  it('lets an answer finish, refuses new connections, and closes those that wait', async (t) => {
    const { server, waiting } = await steered(t);
    const url = blobUrl(server, Buffer.alloc(10));
    const silent = connect(server.port, '127.0.0.1');
    await once(silent, 'connect');
    const answer = server.get(url, { headers: { connection: 'keep-alive' } });
    await until(() => waiting.length === 1);
    const stopped = server.server.stop(60_000);
    silent.resume();
    await once(silent, 'close');
    await assert.rejects(server.get('/v2/'), { code: 'ECONNREFUSED' });
    waiting[0]!.resolve(Buffer.alloc(10));
    assert.equal((await answer).isComplete, true);
    assert.deepEqual(await stopped, { cut: 0 });
  });

  it('lets a slow client have its last bytes', async (t) => {
    const server = await running(t);
    const slow = await slowReader(server);
    const stopped = server.server.stop(60_000);
    assert.ok((await slow.rest()) > big.length);
    assert.deepEqual(await stopped, { cut: 0 });
  });

  it('resets what is not over for a client of HTTP/1.0 when the time is up', async (t) => {
    const clock = createManualClock();
    const { server, waiting } = await steered(t, { clock });
    server.pull.isSizeHidden = true;
    const socket = connect(server.port, '127.0.0.1');
    const closed = once(socket, 'close').catch((error: NodeJS.ErrnoException) => error.code);
    socket.write(`GET ${blobUrl(server, Buffer.alloc(10))} HTTP/1.0\r\nHost: x\r\n\r\n`);
    await until(() => waiting.length === 1);
    waiting[0]!.resolve(Buffer.alloc(5));
    await once(socket, 'data');
    const stopped = server.server.stop(5000);
    await clock.advance(5000);
    assert.equal(await closed, 'ECONNRESET');
    assert.deepEqual(await stopped, { cut: 1 });
  });

  it('cuts what is not over when the time is up, and counts it', async (t) => {
    const clock = createManualClock();
    const { server, waiting, closed } = await steered(t, { clock });
    const answer = server.get(blobUrl(server, Buffer.alloc(10)));
    await until(() => waiting.length === 1);
    waiting[0]!.resolve(Buffer.alloc(5));
    await until(() => waiting.length === 2);
    const stopped = server.server.stop(5000);
    await clock.advance(5000);
    assert.deepEqual(await stopped, { cut: 1 });
    assert.equal((await answer).isComplete, false);
    await until(() => closed() === 1);
  });
});
