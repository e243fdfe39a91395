/**
 * Some servers say the length of a body twice (openstreetmap/operations#910). Go's clients accept `Content-Length` beside
 * `Transfer-Encoding: chunked`, and two equal Content-Lengths. They refuse two different ones. They also accept heads of odd forms.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { createServer as createTlsServer } from 'node:tls';
import { type AppFiles, startApp } from '../support/app.ts';
import { selfSigned } from '../support/certificates.ts';
import { startConnectProxy } from '../support/connect-proxy.ts';
import { get, json } from '../support/http-client.ts';
import { buildImage } from '../support/images.ts';

const image = buildImage({ layers: [3_000_000] });
const layer = image.layers[0]!;

/** Frames a body: the lines of the head that say its length, and what is sent. */
interface Framing {
  readonly lines: (length: number) => readonly string[];
  readonly isChunked?: boolean;
  /** Sent before the head. */
  readonly before?: string;
  /** Ends of the lines. Default: CR and LF. */
  readonly lineEnd?: string;
}

const oneLength = (length: number) => [`Content-Length: ${length}`];
const twice = (length: number) => [`Content-Length: ${length}`, `content-length:${length} `];
const framings: readonly (readonly [string, Framing])[] = [
  [
    'a Content-Length before chunked',
    { lines: (length) => [`Content-Length: ${length}`, 'Transfer-Encoding: chunked'], isChunked: true },
  ],
  [
    'a Content-Length after chunked',
    { lines: (length) => ['transfer-encoding: Chunked', `content-length: ${length}`], isChunked: true },
  ],
  [
    'two Content-Lengths and chunked',
    { lines: (n) => [...twice(n), 'Transfer-Encoding: chunked'], isChunked: true },
  ],
  ['two equal Content-Lengths', { lines: twice }],
  [
    'one Content-Length with two equal values',
    { lines: (length) => [`Content-Length: ${length}, ${length}`] },
  ],
  [
    'early hints before two equal Content-Lengths',
    { lines: twice, before: 'HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n' },
  ],
];

const oddForms: readonly (readonly [string, Framing])[] = [
  ['lines that end without CR', { lines: oneLength, lineEnd: '\n' }],
  ['a space before a colon', { lines: (length) => ['X-Served-By : x', ...oneLength(length)] }],
  [
    'a space before a colon, after the length',
    { lines: (length) => [...oneLength(length), 'X-Served-By : x'] },
  ],
  ['a folded line', { lines: (length) => ['X-Served-By: x,', '\ty', ...oneLength(length)] }],
  ['a control character', { lines: (length) => ['X-Served-By: x\u0001', ...oneLength(length)] }],
  ['100 Continue though nobody waits for it', { lines: oneLength, before: 'HTTP/1.1 100 Continue\r\n\r\n' }],
];

function chunked(body: Buffer): Buffer {
  const size = 100_000;
  const parts: (Buffer | string)[] = [];
  for (let at = 0; at < body.length; at += size) {
    const part = body.subarray(at, at + size);
    parts.push(`${part.length.toString(16)}\r\n`, part, '\r\n');
  }
  return Buffer.concat([...parts, '0\r\n\r\n'].map((part) => Buffer.from(part)));
}

/** A registry on a bare socket. It leaves its connections open, as one does that believes in its own framing. */
async function startRegistry(t: TestContext, framing: Framing, tls = false) {
  const sockets = new Set<Socket>();
  const asked: string[] = [];

  function answer(socket: Socket, method: string, path: string): void {
    asked.push(`${method} ${path}`);
    // As a plain proxy that opens no tunnels.
    if (method === 'CONNECT') socket.destroy();
    const blob = image.blobs.find(({ digest }) => path.endsWith(digest));
    const isManifest = path.includes('/manifests/');
    const body = blob?.bytes() ?? (isManifest ? image.bytes : Buffer.from('{}'));
    const { before = '', lineEnd = '\r\n' } = framing;
    const head = [
      'HTTP/1.1 200 OK',
      `Content-Type: ${isManifest ? image.mediaType : 'application/octet-stream'}`,
      ...(isManifest ? [`Docker-Content-Digest: ${image.digest}`] : []),
      ...framing.lines(body.length),
    ].join(lineEnd);
    // In two pieces, so that the head arrives in two reads.
    socket.write(`${before}${head.slice(0, -4)}`, () => {
      setImmediate(() => {
        socket.write(`${head.slice(-4)}${lineEnd}${lineEnd}`);
        if (method !== 'HEAD') socket.write(framing.isChunked ? chunked(body) : body);
      });
    });
  }

  function serve(socket: Socket): void {
    sockets.add(socket);
    socket.on('error', () => {});
    let text = '';
    socket.on('data', (chunk: Buffer) => {
      // TLS spoken to a plain port: it closes, as servers do.
      if (text === '' && chunk[0] === 0x16) socket.destroy();
      text += chunk.toString('latin1');
      const [, method, path] = /^(\S+) (\S+) [\s\S]*\r\n\r\n$/.exec(text) ?? [];
      if (method === undefined || path === undefined) return;
      text = '';
      answer(socket, method, path);
    });
  }

  const server = tls ? createTlsServer(selfSigned(), serve) : createServer(serve);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { host, asked };
}

async function pullFrom(t: TestContext, host: string, files: Partial<AppFiles> = {}) {
  const registries = `[[registry]]\nlocation = "${host}"\ninsecure = true\n`;
  const proxy = await startApp(t, { registries, ...files });
  return (path: string) => get(`${proxy.url}/v2/${host}/team/app/${path}`);
}

async function assertPulls(pull: Awaited<ReturnType<typeof pullFrom>>): Promise<void> {
  const manifest = await pull('manifests/1');
  assert.equal(manifest.status, 200, manifest.body.toString());
  assert.deepEqual(manifest.body, image.bytes);
  for (const blob of image.blobs) {
    const got = await pull(`blobs/${blob.digest}`);
    assert.equal(got.status, 200);
    assert.deepEqual(got.body, blob.bytes());
  }
}

describe('a registry that says the length of a body twice', () => {
  for (const [what, framing] of framings) {
    it(`gives an image: ${what}`, async (t) => {
      const { host } = await startRegistry(t, framing);
      await assertPulls(await pullFrom(t, host));
    });

    it(`gives an image over TLS: ${what}`, async (t) => {
      const { host } = await startRegistry(t, framing, true);
      await assertPulls(await pullFrom(t, host));
    });
  }

  it('gives an image through the tunnel of a proxy', async (t) => {
    const { host } = await startRegistry(t, { lines: twice }, true);
    const firewall = await startConnectProxy(t);
    const toml = `[[upstream.host]]\nhost = "${host}"\nproxy = "${firewall.url}"\n`;
    await assertPulls(await pullFrom(t, host, { toml }));
    assert.ok(firewall.seen.length > 0);
  });

  it('gives an image through a proxy for plain HTTP', async (t) => {
    const { host: proxy, asked } = await startRegistry(t, { lines: twice });
    const toml = `[[upstream.host]]\nhost = "ex.test"\nproxy = "http://${proxy}"\n`;
    await assertPulls(await pullFrom(t, 'ex.test', { toml }));
    assert.ok(asked.includes('GET http://ex.test/v2/team/app/manifests/1'));
  });

  it('is known from then on: nothing is asked twice', async (t) => {
    const { host, asked } = await startRegistry(t, { lines: twice });
    const pull = await pullFrom(t, host);
    await pull('manifests/1');
    const before = asked.length;
    assert.equal((await pull(`blobs/${layer.digest}`)).status, 200);
    assert.deepEqual(asked.slice(before), [`GET /v2/team/app/blobs/${layer.digest}`]);
  });
});

describe('a registry whose heads have an odd form', () => {
  for (const [what, framing] of oddForms) {
    it(`gives an image: ${what}`, async (t) => {
      const { host } = await startRegistry(t, framing);
      await assertPulls(await pullFrom(t, host));
    });
  }
});

describe('a registry that says two different lengths', () => {
  for (const [what, lines] of [
    ['in two fields', (length: number) => [`Content-Length: ${length}`, `Content-Length: ${length + 1}`]],
    ['in one field', (length: number) => [`Content-Length: ${length}, ${length + 1}`]],
  ] as const) {
    it(`is refused with that reason: ${what}`, async (t) => {
      const { host } = await startRegistry(t, { lines });
      const pull = await pullFrom(t, host);
      const answer = await pull('manifests/1');
      assert.equal(answer.status, 502);
      assert.match(JSON.stringify(json(answer)), /sent different Content-Lengths in one answer/);
    });
  }
});
