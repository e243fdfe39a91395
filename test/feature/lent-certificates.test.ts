/** certs.d: which certificates are trusted and shown where, and what a renewal leaves side by side. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { startApp } from '../support/app.ts';
import { createCertificateAuthority, expired } from '../support/certificates.ts';
import { certsFor, entry, names, readError, startRegistry } from '../support/endpoints.ts';
import type { FakeRegistryOptions } from '../support/fake-registry.ts';
import { redirect } from '../support/fake-registry-faults.ts';
import { get } from '../support/http-client.ts';
import { buildImage } from '../support/images.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { startTokenServer } from '../support/token-server.ts';

const image = buildImage({ seed: 1, layers: [1000] });
const layer = image.layers[0]!;
const authority = createCertificateAuthority();

async function proxyFor(
  t: TestContext,
  options: FakeRegistryOptions,
  certs: Record<string, string>,
  deps = {},
) {
  const registry = await startRegistry(t, options);
  registry.putImage('team/app', '1', image);
  const folder = tempFolder(t);
  certsFor(folder, registry.host, certs);
  const registries = entry('ex.test', { source: registry.host, secure: [registry.host] });
  const proxy = await startApp(t, { folder, registries }, deps);
  return { registry, ask: (path = 'manifests/1') => get(`${proxy.url}/v2/ex.test/team/app/${path}`) };
}

describe('the CA of a registry', () => {
  it('is trusted at its token server and at the storage that it redirects to', async (t) => {
    const tls = authority.issue();
    const tokens = await startTokenServer({ tls });
    t.after(() => tokens.stop());
    const storage = await startRegistry(t, { tls });
    const { registry, ask } = await proxyFor(
      t,
      { tls, auth: { kind: 'bearer', tokens } },
      { 'ca.crt': authority.cert },
    );
    registry.on({ kind: 'blob' }, redirect(storage.putFile('/store/layer', layer)));
    assert.equal((await ask()).status, 200);
    assert.equal((await ask(`blobs/${layer.digest}`)).status, 200);
    assert.equal(storage.count({ kind: 'file' }), 1);
  });

  it('may be the issuing one alone', async (t) => {
    const issuing = authority.subordinate();
    const { ask } = await proxyFor(t, { tls: issuing.issue() }, { 'ca.crt': issuing.cert });
    assert.equal((await ask()).status, 200);
  });

  it('is not trusted at other registries', async (t) => {
    const other = await startRegistry(t, { tls: authority.issue() });
    other.putImage('team/app', '1', image);
    const folder = tempFolder(t);
    certsFor(folder, 'somewhere.test', { 'ca.crt': authority.cert });
    const registries = entry('ex.test', { source: other.host, secure: [other.host] });
    const proxy = await startApp(t, { folder, registries });
    const answer = readError(await get(`${proxy.url}/v2/ex.test/team/app/manifests/1`));
    assert.deepEqual(answer.outline, [`${other.host} unreachable`]);
  });
});

describe('client certificates of a registry', () => {
  const pair = authority.issue({ client: true });
  const files = { 'ca.crt': authority.cert, 'client.cert': pair.cert, 'client.key': pair.key };
  const tls = { ...authority.issue(), clientCa: authority.cert };

  it('are shown to its token server and to storage on its own host', async (t) => {
    const tokens = await startTokenServer({ tls });
    t.after(() => tokens.stop());
    const storage = await startRegistry(t, { tls });
    const { registry, ask } = await proxyFor(t, { tls, auth: { kind: 'bearer', tokens } }, files);
    registry.on({ kind: 'blob' }, redirect(storage.putFile('/store/layer', layer)));
    assert.equal((await ask()).status, 200);
    assert.equal((await ask(`blobs/${layer.digest}`)).status, 200);
  });

  it('are not shown to a host of another owner', async (t) => {
    const storage = await startRegistry(t, {
      tls: { ...authority.issue({ hosts: ['cdn.test'] }), clientCa: authority.cert },
    });
    storage.putFile('/store/layer', layer);
    const resolve = names({ 'cdn.test': ['127.0.0.1'] });
    const { registry, ask } = await proxyFor(t, { tls }, files, { resolve });
    registry.on({ kind: 'blob' }, redirect(`https://cdn.test:${storage.port}/store/layer`));
    assert.equal((await ask()).status, 200);
    assert.equal((await ask(`blobs/${layer.digest}`)).status, 502);
    assert.equal(storage.count(), 0);
  });

  it('may be two of one type of key: an ended one, or one of another authority', async (t) => {
    const stranger = createCertificateAuthority('Another authority').issue({
      client: true,
      notAfter: new Date(Date.now() + 80 * 24 * 60 * 60 * 1000),
    });
    const ended = authority.issue({ client: true, ...expired() });
    for (const [name, second] of Object.entries({ stranger, ended })) {
      for (const order of ['a', 'z']) {
        const more = { [`${order}.cert`]: second.cert, [`${order}.key`]: second.key };
        const { ask } = await proxyFor(t, { tls }, { ...files, ...more });
        assert.equal((await ask()).status, 200, `${name} as ${order}`);
      }
    }
  });
});
