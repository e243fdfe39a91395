/**
 * What a client sends is looked up, never dialled: `ns`, path and Host choose among what is configured, and nothing that a
 * client can write makes this server ask anybody else.
 */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { startApp } from '../support/app.ts';
import { entry, names, readError, startRegistry } from '../support/endpoints.ts';
import { get } from '../support/http-client.ts';
import { buildImage } from '../support/images.ts';
import { raw } from '../support/raw-http.ts';

const image = buildImage();

/** One registry that is listed, and one, a stranger, that would answer if it were asked. */
async function setUp(t: TestContext, toml = '', also = '') {
  const [registry, stranger] = [await startRegistry(t), await startRegistry(t)];
  for (const one of [registry, stranger]) one.putImage('team/app', '1', image);
  const looked: string[] = [];
  const resolve = names({
    'stranger.test': ['127.0.0.1'],
    'inside.test': ['169.254.169.254'],
    'sub.wild.test': ['127.0.0.1'],
  });
  const registries = entry('listed.test', { source: registry.host }) + also;
  const proxy = await startApp(
    t,
    { registries, toml },
    {
      resolve(hostname, ...rest) {
        looked.push(hostname);
        resolve(hostname, ...rest);
      },
    },
  );
  const ask = (path: string, host?: string) =>
    get(`${proxy.url}${path}`, host === undefined ? {} : { headers: { host } });
  return { registry, stranger, ask, looked, proxy };
}

describe('a registry that is not listed', () => {
  const ways: [string, (stranger: { host: string; port: number }) => { path: string; host?: string }][] = [
    ['by ns', ({ host }) => ({ path: `/v2/team/app/manifests/1?ns=${host}` })],
    ['by ns with a name', ({ port }) => ({ path: `/v2/team/app/manifests/1?ns=stranger.test:${port}` })],
    ['by its path', ({ host }) => ({ path: `/v2/${host}/team/app/manifests/1` })],
    ['by a port on one that is', ({ port }) => ({ path: `/v2/listed.test:${port}/team/app/manifests/1` })],
    [
      'by ns with a port on one that is',
      ({ port }) => ({ path: `/v2/team/app/manifests/1?ns=listed.test:${port}` }),
    ],
    ['by a name that ends like one that is', () => ({ path: '/v2/evil-listed.test/team/app/manifests/1' })],
    ['by a name below one that is', () => ({ path: '/v2/sub.listed.test/team/app/manifests/1' })],
  ];
  for (const [how, request] of ways) {
    it(`is refused when it is named ${how}, and nobody is asked`, async (t) => {
      const { registry, stranger, ask, looked } = await setUp(t);
      const { path, host } = request(stranger);
      const answer = readError(await ask(path, host));
      assert.deepEqual([answer.status, answer.code], [403, 'DENIED']);
      assert.match(answer.message, /registries\.conf/, 'with the way out');
      assert.equal(registry.count() + stranger.count(), 0);
      assert.deepEqual(looked, []);
    });
  }

  it('is not reached by the Host header, which chooses only where it is mapped', async (t) => {
    const { stranger, registry, ask } = await setUp(t, '[routing]\nhosts = { "hub.corp" = "listed.test" }\n');
    const mapped = await ask('/v2/team/app/manifests/1', 'hub.corp:5000');
    assert.equal(mapped.status, 200);
    assert.ok(registry.count() > 0);
    const other = readError(await ask('/v2/team/app/manifests/1', stranger.host));
    assert.equal(other.status, 403, 'it means the default registry, docker.io, which is not listed here');
    assert.equal(stranger.count(), 0);
  });

  it('is not reached by making this server a forward proxy', async (t) => {
    const { stranger, proxy } = await setUp(t);
    for (const head of [
      `GET ${stranger.url}/v2/team/app/manifests/1 HTTP/1.1`,
      `CONNECT ${stranger.host} HTTP/1.1`,
    ]) {
      const answer = await raw(proxy.url, `${head}\r\nHost: ${stranger.host}\r\nConnection: close\r\n\r\n`);
      assert.doesNotMatch(answer, /^HTTP\/1\.1 2/, head);
    }
    // An absolute request line is a request to this server (RFC 9112, 3.2.2).
    const own = await raw(
      proxy.url,
      `GET ${stranger.url}/v2/ HTTP/1.1\r\nHost: ${stranger.host}\r\nConnection: close\r\n\r\n`,
    );
    assert.match(own, /^HTTP\/1\.1 200/);
    assert.equal(stranger.count(), 0);
  });

  it('is asked with unlisted = "direct", but nothing that is link-local, whatever its DNS says', async (t) => {
    const { stranger, ask } = await setUp(t, '[routing]\nunlisted = "direct"\n[upstream]\ninsecure = true\n');
    assert.equal((await ask(`/v2/stranger.test:${stranger.port}/team/app/manifests/1`)).status, 200);
    const literal = readError(await ask('/v2/169.254.169.254/latest/app/manifests/1'));
    assert.equal(literal.status, 403);
    const rebound = readError(await ask('/v2/inside.test:80/latest/app/manifests/1'));
    assert.equal(rebound.status, 502);
    assert.match(rebound.trail[0]?.reason ?? '', /inside\.test, a link-local address, which it may not/);
  });

  it('is not asked with unlisted = "direct" where it is a blocked one in capitals', async (t) => {
    const { stranger, ask, looked } = await setUp(
      t,
      '[routing]\nunlisted = "direct"\n[upstream]\ninsecure = true\n',
      '[[registry]]\nlocation = "stranger.test"\nblocked = true\n',
    );
    for (const name of ['stranger.test', 'STRANGER.test', `Stranger.test:${stranger.port}`]) {
      assert.notEqual((await ask(`/v2/${name}/team/app/manifests/1`)).status, 200, name);
    }
    assert.deepEqual(looked, []);
  });

  it('makes no metric of its own however many are named', async (t) => {
    const { ask } = await setUp(t, '[routing]\nunlisted = "direct"\n[upstream]\nheader_timeout = "1s"\n');
    for (let number = 0; number < 600; number += 20) {
      const some = Array.from({ length: 20 }, (_, index) => `/v2/h${number + index}.test/a/b/manifests/1`);
      await Promise.all(some.map((path) => ask(path)));
    }
    const metrics = (await ask('/metrics')).body.toString();
    const hosts = new Set([...metrics.matchAll(/requests_total\{host="([^"]+)"/g)].map(([, host]) => host));
    assert.equal(hosts.size, 501, 'five hundred, and the others together');
  });
});

describe('a wildcard', () => {
  it('lists the hosts below it, without a port, and no others', async (t) => {
    const wild = '[[registry]]\nprefix = "*.wild.test"\ninsecure = true\n';
    const { ask, looked } = await setUp(t, '', wild);
    assert.equal((await ask('/v2/sub.wild.test/team/app/manifests/1')).status, 502);
    assert.deepEqual([...new Set(looked)], ['sub.wild.test'], 'it was asked for');
    for (const name of ['wild.test', 'sub.wild.test:8443', 'sub.wild.test.evil.test']) {
      assert.equal((await ask(`/v2/${name}/team/app/manifests/1`)).status, 403, name);
    }
    assert.deepEqual([...new Set(looked)], ['sub.wild.test']);
  });
});
