import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer as createSocketServer } from 'node:net';
import { describe, it } from 'node:test';
import { createHttpApp } from '../../../src/http/http-app.ts';
import { createServer } from '../../../src/http/server.ts';
import { systemClock } from '../../../src/lib/clock.ts';
import { createRouter } from '../../../src/routing/router.ts';
import { createLog } from '../../../src/telemetry/log.ts';
import { createMetrics } from '../../../src/telemetry/metrics.ts';
import { listing, routingWith } from '../routing/configuration.ts';
import { createMemoryPull } from './memory-pull.ts';
import { readOnly } from './read-only.ts';
import { running } from './running-server.ts';

function serverAt(host: string, port: number) {
  return createServer(
    {
      pull: createMemoryPull(),
      route: createRouter(listing(), routingWith()),
      log: createLog({ level: 'silent', to: { write() {} } }),
      clock: systemClock,
      ...readOnly,
    },
    { listen: { host, port }, limits: { maxConnections: 10, clientStall: 60_000 } },
  );
}

describe('listening', () => {
  it('says that another process has the address, and the way out', async (t) => {
    const holder = createSocketServer().listen(0, '127.0.0.1');
    await once(holder, 'listening');
    t.after(() => holder.close());
    const address = holder.address();
    const port = typeof address === 'object' && address ? address.port : 0;
    await assert.rejects(serverAt('127.0.0.1', port).start(), {
      code: 'LISTEN_FAILED',
      message: new RegExp(`127\\.0\\.0\\.1:${port}: another process .* --listen`),
    });
  });

  it('says that the machine has no such address', async () => {
    await assert.rejects(serverAt('203.0.113.77', 0).start(), {
      code: 'LISTEN_FAILED',
      message: /203\.0\.113\.77:0: this machine has no such address/,
    });
  });

  it('may be stopped without having been started', async () => {
    assert.deepEqual(await serverAt('127.0.0.1', 0).stop(1000), { cut: 0 });
  });
});

describe('beside the registry', () => {
  it('tells its health, and whether it is ready', async (t) => {
    const { get } = await running(t);
    for (const [path, text] of [
      ['/healthz', 'ok\n'],
      ['/readyz', 'ready\n'],
    ] as const) {
      const { status, body } = await get(path);
      assert.deepEqual([status, body.toString()], [200, text]);
    }
  });

  it('tells busy connections that it is stopping', async () => {
    const app = createHttpApp({
      ...readOnly,
      addressOf: () => '',
      isSecure: () => false,
      isProxy: () => false,
      route: createRouter(listing(), routingWith()),
      isStopping: () => true,
      log: createLog({ level: 'silent', to: { write() {} } }),
      problem: () => undefined,
      isOffline: () => false,
    });
    const answer = await app.request('/readyz');
    assert.deepEqual([answer.status, await answer.text()], [503, 'stopping\n']);
  });

  it('shows metrics of what it answered', async (t) => {
    const metrics = createMetrics();
    metrics.watch({ transfersInFlight: () => 42 });
    const { get, pull } = await running(t, { metrics });
    pull.addManifest('docker.io/library/alpine:1', '{}');
    await get('/v2/alpine/manifests/1');
    await get('/v2/alpine/manifests/2');
    const text = (await get('/metrics')).body.toString();
    assert.match(text, /entrepot_requests_total\{kind="manifest",cache="hit",status="200"\} 1/);
    assert.match(text, /entrepot_requests_total\{kind="manifest",cache="none",status="404"\} 1/);
    assert.match(text, /entrepot_transfers_in_flight 42/);
  });

  it('says in the log why a request could not be answered', async (t) => {
    const metrics = { ...createMetrics(), render: () => Promise.reject(new Error('a bug')) };
    const { get, lines } = await running(t, { metrics });
    assert.equal((await get('/metrics')).status, 500);
    assert.deepEqual(
      lines.map(({ event, path }) => [event, path]),
      [['http.failed', '/metrics']],
    );
    assert.match(JSON.stringify(lines), /a bug/);
  });

  it('has nothing else', async (t) => {
    const { get } = await running(t);
    for (const path of ['/', '/v1/', '/v22/', '/metrics', '/v2x', '/../v2/a/manifests/1']) {
      assert.equal((await get(path)).status, 404, path);
    }
  });
});

describe('hostile connections', () => {
  it('get 400 for what is no HTTP, 431 for endless headers, and disturb no other client', async (t) => {
    const { raw, get } = await running(t);
    assert.match(await raw('nonsense\r\n\r\n'), /^HTTP\/1\.1 400 /);
    assert.match(await raw('GET /v2/ HTTP/1.1\r\n\r\n'), /^HTTP\/1\.1 400 /);
    assert.match(
      await raw(`GET /v2/ HTTP/1.1\r\nHost: x\r\nX: ${'a'.repeat(40_000)}\r\n\r\n`),
      /^HTTP\/1\.1 431 /,
    );
    const split = await raw('GET /v2/a\r\nX-Evil: 1 HTTP/1.1\r\nHost: x\r\n\r\n');
    assert.match(split, /^HTTP\/1\.1 4\d\d /);
    assert.doesNotMatch(split, /X-Evil/);
    assert.equal((await get('/v2/')).status, 200);
  });

  it('may name the host in the request line, which counts instead of the Host header', async (t) => {
    const routing = routingWith({ hosts: { 'hub.corp': 'quay.io' } });
    const { raw, pull } = await running(t, { route: createRouter(listing('docker.io', 'quay.io'), routing) });
    for (const line of [
      'GET http://hub.corp/v2/a/tags/list?n=5 HTTP/1.1',
      'GET HTTPS://hub.corp:443/v2/a/tags/list HTTP/1.1',
    ]) {
      await raw(`${line}\r\nHost: x\r\nConnection: close\r\n\r\n`);
    }
    await raw(
      'GET http://elsewhere.example/v2/a/tags/list HTTP/1.1\r\nHost: hub.corp\r\nConnection: close\r\n\r\n',
    );
    assert.deepEqual(
      pull.asked.map(({ image }) => image.name),
      ['quay.io/a', 'quay.io/a', 'docker.io/library/a'],
    );
    for (const line of ['GET http://hub.corp HTTP/1.1', 'GET http://hub.corp?x HTTP/1.1']) {
      assert.match(await raw(`${line}\r\nHost: x\r\nConnection: close\r\n\r\n`), /^HTTP\/1\.1 404 /);
    }
    assert.match(
      await raw('GET http://hub.corp/v2/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'),
      /^HTTP\/1\.1 200 /,
    );
  });

  it('cannot speak to other servers', async (t) => {
    const { raw, pull } = await running(t);
    for (const line of ['GET //evil.example/v2/a/manifests/1 HTTP/1.1', 'OPTIONS * HTTP/1.1']) {
      const text = await raw(`${line}\r\nHost: x\r\nConnection: close\r\n\r\n`);
      assert.match(text, /^HTTP\/1\.1 4\d\d /, line);
    }
    assert.equal(await raw('CONNECT evil.example:443 HTTP/1.1\r\nHost: x\r\n\r\n'), '');
    assert.equal(pull.asked.length, 0);
  });

  it('are closed beyond the limit, which idle ones make room for', async (t) => {
    const metrics = createMetrics();
    const { port, get, raw } = await running(t, { maxConnections: 1, metrics });
    const first = connect(port, '127.0.0.1');
    first.write('GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n');
    await once(first, 'data');
    const isClosed = once(first.resume(), 'close');
    assert.equal(await raw('GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n'), '');
    await isClosed;
    assert.equal((await get('/v2/')).status, 200);
    assert.match(await metrics.render(), /entrepot_connections_refused_total 1/);
  });
});
