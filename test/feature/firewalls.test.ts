/** Networks whose only way out is a proxy with a password and a policy, and whose firewall reads along. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { type AppFiles, startApp } from '../support/app.ts';
import { createCertificateAuthority, expired } from '../support/certificates.ts';
import { type ConnectProxyOptions, startConnectProxy } from '../support/connect-proxy.ts';
import { certsFor, entry, names, readError, startRegistry } from '../support/endpoints.ts';
import type { FakeRegistryOptions } from '../support/fake-registry.ts';
import { redirect } from '../support/fake-registry-faults.ts';
import { get } from '../support/http-client.ts';
import { buildImage } from '../support/images.ts';
import { tempFolder } from '../support/temp-folder.ts';

const image = buildImage({ layers: [200_000] });
const layer = image.layers[0]?.digest;
const authority = createCertificateAuthority();
const host = 'registry.corp.test';
const joe = { username: 'joe', password: 'p@ss:word' };
const joesUrl = ({ port }: { port: number }) =>
  `http://joe:${encodeURIComponent(joe.password)}@127.0.0.1:${port}`;

/** A registry that only a firewall's proxy can reach: the names lead nowhere from here. */
async function setUp(
  t: TestContext,
  how: {
    firewall?: ConnectProxyOptions;
    registry?: FakeRegistryOptions;
    files?: (proxy: { port: number; url: string }) => Partial<AppFiles>;
    known?: Parameters<typeof names>[0];
  } = {},
) {
  const registry = await startRegistry(t, { tls: authority.issue({ hosts: [host] }), ...how.registry });
  registry.putImage('team/app', '1', image);
  const allows = (target: string) => (target === `${host}:443` ? registry.port : undefined);
  const firewall = await startConnectProxy(t, { ...joe, allows, ...how.firewall });
  const folder = tempFolder(t);
  certsFor(folder, host, { 'ca.crt': authority.cert });
  const registries = entry('ex.test', { source: host, secure: [host] });
  const env = { HTTPS_PROXY: joesUrl(firewall) };
  const files = { registries, folder, env, ...how.files?.(firewall) };
  const proxy = await startApp(t, files, { resolve: names(how.known ?? {}) });
  const pull = (path = 'manifests/1') => get(`${proxy.url}/v2/ex.test/team/app/${path}`);
  return { registry, firewall, proxy, pull, folder };
}

describe('behind a firewall', () => {
  it('an image comes through the proxy of the environment, with its credentials', async (t) => {
    const { firewall, pull, registry } = await setUp(t);
    assert.equal((await pull()).status, 200);
    const blob = await pull(`blobs/${layer}`);
    assert.equal(blob.status, 200);
    assert.equal(blob.body.length, 200_000);
    assert.deepEqual(new Set(firewall.seen), new Set([`CONNECT ${host}:443 200`]));
    const sent = registry.requests.map(({ headers }) => headers['proxy-authorization']);
    assert.deepEqual(new Set(sent), new Set([undefined]), 'no registry learns the proxy’s password');
  });

  it('a tunnel that the firewall closes just as it is used again costs nobody a pull', async (t) => {
    const { firewall, pull, registry } = await setUp(t);
    assert.equal((await pull()).status, 200);
    registry.on({ kind: 'blob', times: 1 }, { before: async () => firewall.cutTunnels() });
    const blob = await pull(`blobs/${layer}`);
    assert.deepEqual([blob.status, blob.body.length], [200, 200_000]);
  });

  it('what the proxy refuses is told as that', async (t) => {
    const forbidden = await setUp(t, { firewall: { allows: () => undefined } });
    const answer = readError(await forbidden.pull());
    assert.deepEqual([answer.status, answer.outline], [502, [`${host} unreachable`]]);
    const named = ({ port }: { port: number }) => `the proxy 127.0.0.1:${port} refused`;
    assert.equal(answer.trail[0]?.reason, `${named(forbidden.firewall)} (HTTP 403)`);
    const wrong = await setUp(t, { firewall: { password: 'changed' } });
    assert.equal(readError(await wrong.pull()).trail[0]?.reason, `${named(wrong.firewall)} (HTTP 407)`);
  });

  it('a proxy that is gone is told as that', async (t) => {
    const gone = await startRegistry(t);
    await gone.stop();
    const { pull } = await setUp(t, { files: () => ({ env: { HTTPS_PROXY: gone.host } }) });
    const answer = readError(await pull());
    assert.equal(answer.trail[0]?.reason, `proxy ${gone.host}: connection refused`);
  });

  const exemptions = [
    [host, true],
    ['.corp.test', true],
    ['corp.test', true],
    [`${host}:443`, false],
    ['other.test,10.0.0.0/8', false],
  ] as const;
  for (const [no, isDirect] of exemptions) {
    it(`NO_PROXY=${no} ${isDirect ? 'spares the registry' : 'does not mean the registry'}`, async (t) => {
      const registry = await startRegistry(t, { tls: authority.issue({ hosts: [host] }) });
      registry.putImage('team/app', '1', image);
      const firewall = await startConnectProxy(t, { allows: () => registry.port });
      const folder = tempFolder(t);
      const place = `${host}:${registry.port}`;
      certsFor(folder, place, { 'ca.crt': authority.cert });
      const registries = entry('ex.test', { source: place, secure: [place] });
      const env = { https_proxy: firewall.url, no_proxy: no };
      const resolve = names({ [host]: ['127.0.0.1'] });
      const proxy = await startApp(t, { registries, folder, env }, { resolve });
      assert.equal((await get(`${proxy.url}/v2/ex.test/team/app/manifests/1`)).status, 200);
      assert.equal(firewall.seen.length, isDirect ? 0 : 1);
    });
  }

  it('a CIDR block in NO_PROXY spares the addresses in it', async (t) => {
    const address = '10.66.0.7';
    for (const [no, expected] of [
      ['10.66.0.0/16', 0],
      ['10.67.0.0/16', 1],
    ] as const) {
      const firewall = await startConnectProxy(t, { allows: () => undefined });
      const place = `${address}:1`;
      const registries = entry('ex.test', { source: place, secure: [place] });
      const env = { HTTPS_PROXY: firewall.url, NO_PROXY: no };
      const toml = '[upstream]\nconnect_timeout = "50ms"\n';
      const proxy = await startApp(t, { registries, env, toml });
      assert.equal((await get(`${proxy.url}/v2/ex.test/team/app/manifests/1`)).status, 502);
      assert.equal(firewall.seen.length, expected, no);
    }
  });

  it('a host may have a proxy of its own, or none', async (t) => {
    const table = (proxy: string) => `[[upstream.host]]\nhost = "${host}"\nproxy = "${proxy}"\n`;
    const own = await setUp(t, {
      files: (firewall) => ({ env: { HTTPS_PROXY: 'http://127.0.0.1:1' }, toml: table(joesUrl(firewall)) }),
    });
    assert.equal((await own.pull()).status, 200);
    const none = await setUp(t, { files: () => ({ toml: table('direct') }) });
    assert.equal(readError(await none.pull()).trail[0]?.reason, 'DNS name not found');
    assert.deepEqual(none.firewall.seen, []);
  });

  it('certificates are checked through the tunnel, and those of the firewall’s CA are good', async (t) => {
    const interceptor = createCertificateAuthority('Corporate inspection');
    const intercepted = { registry: { tls: interceptor.issue({ hosts: [host] }) } };
    const refused = await setUp(t, intercepted);
    assert.match(
      readError(await refused.pull()).trail[0]?.reason ?? '',
      /^certificate of an unknown CA: put its CA into certs\.d\/registry\.corp\.test$/,
    );
    const folder = tempFolder(t);
    const bundle = join(folder, 'corp.pem');
    writeFileSync(bundle, authority.cert + interceptor.cert);
    const files = () => ({ folder, toml: `[upstream]\nca_file = "${bundle}"\n` });
    assert.equal((await (await setUp(t, { ...intercepted, files })).pull()).status, 200);
    const late = await setUp(t, { registry: { tls: authority.issue({ hosts: [host], ...expired() }) } });
    assert.match(readError(await late.pull()).trail[0]?.reason ?? '', /^certificate expired/);
  });

  it('redirects go through the proxy as well, and no client is sent out', async (t) => {
    const cdn = await startRegistry(t, { tls: authority.issue({ hosts: ['cdn.corp.test'] }) });
    cdn.putFile('/layer', image.layers[0] ?? '');
    const ports: Record<string, number> = { 'cdn.corp.test:443': cdn.port };
    const { pull, registry, firewall, folder } = await setUp(t, {
      firewall: { allows: (target) => ports[target] },
    });
    certsFor(folder, 'cdn.corp.test', { 'ca.crt': authority.cert });
    ports[`${host}:443`] = registry.port;
    registry.on({ kind: 'blob' }, redirect('https://cdn.corp.test/layer?signature=x'));
    const blob = await pull(`blobs/${layer}`);
    assert.deepEqual([blob.status, blob.headers.location, blob.body.length], [200, undefined, 200_000]);
    assert.deepEqual(firewall.seen.slice(-1), ['CONNECT cdn.corp.test:443 200']);
  });
});
