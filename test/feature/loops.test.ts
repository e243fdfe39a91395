/** A registries.conf of the host may name Entrepot as a mirror: read by Entrepot itself, that would lead back to it. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { startApp } from '../support/app.ts';
import { createCertificateAuthority } from '../support/certificates.ts';
import { startFakeRegistry } from '../support/fake-registry.ts';
import { get } from '../support/http-client.ts';
import { buildImage } from '../support/images.ts';
import { tempFolder } from '../support/temp-folder.ts';

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

describe('an Entrepot that is its own mirror', () => {
  it('goes on to the next endpoint, and says what is wrong', async (t) => {
    const registry = await startFakeRegistry();
    t.after(() => registry.stop());
    const image = buildImage();
    registry.putImage('team/app', '1', image);
    const port = await freePort();
    const mirrored = (source: string): string => `
      [[registry]]
      prefix = "ex.io"
      location = "${source}"
      insecure = true
      [[registry.mirror]]
      location = "127.0.0.1:${port}/ex.io"
      insecure = true
    `;
    const proxy = await startApp(t, { registries: mirrored(registry.host), listen: `127.0.0.1:${port}` });
    const pulled = await get(`${proxy.url}/v2/ex.io/team/app/manifests/1`);
    assert.equal(pulled.status, 200);
    assert.equal(pulled.headers['docker-content-digest'], image.digest);

    await registry.stop();
    const failed = await get(`${proxy.url}/v2/ex.io/team/other/manifests/1`);
    assert.equal(failed.status, 502);
    assert.match(failed.body.toString(), /leads back to it/);
  });

  it('knows its own requests over TLS, too', async (t) => {
    const folder = tempFolder(t);
    const authority = createCertificateAuthority();
    const { cert, key } = authority.issue();
    writeFileSync(join(folder, 'tls.crt'), cert);
    writeFileSync(join(folder, 'tls.key'), key);
    writeFileSync(join(folder, 'ca.crt'), authority.cert);
    const port = await freePort();
    const proxy = await startApp(t, {
      folder,
      listen: `127.0.0.1:${port}`,
      registries: `[[registry]]\nprefix = "ex.io"\nlocation = "127.0.0.1:${port}/ex.io"\n`,
      toml: '[tls]\ncertificate = "tls.crt"\nkey = "tls.key"\n[upstream]\nca_file = "ca.crt"\n',
    });
    const failed = await get(`${proxy.url}/v2/ex.io/team/app/manifests/1`, { ca: authority.cert });
    assert.equal(failed.status, 502);
    assert.match(failed.body.toString(), /leads back to it/);
  });
});

it('two servers that are mirrors of each other ask each other once, and then the source, which decides', async (t) => {
  const registry = await startFakeRegistry();
  t.after(() => registry.stop());
  const image = buildImage();
  registry.putImage('team/app', '1', image);
  const source = `[[registry]]\nprefix = "ex.io"\nlocation = "${registry.host}"\ninsecure = true\n`;
  const [first, second] = [
    await startApp(t, { registries: source }),
    await startApp(t, { registries: source }),
  ];
  for (const [app, other] of [
    [first, second],
    [second, first],
  ] as const) {
    const location = `${new URL(other.url).host}/ex.io`;
    await app.reload({
      registries: `${source}[[registry.mirror]]\nlocation = "${location}"\ninsecure = true\n`,
    });
  }
  for (const { url } of [first, second]) {
    const pulled = await get(`${url}/v2/ex.io/team/app/manifests/1`);
    assert.deepEqual([pulled.status, pulled.headers['docker-content-digest']], [200, image.digest]);
    for (const { digest } of image.blobs)
      assert.equal((await get(`${url}/v2/ex.io/team/app/blobs/${digest}`)).status, 200);
    // Each server says nothing of a tag that a loop alone has kept from it.
    for (let n = 0; n < 10; n++)
      assert.equal((await get(`${url}/v2/ex.io/team/app/manifests/none-${n}`)).status, 404);
  }
  assert.equal(registry.count({ kind: 'blob', method: 'GET' }), image.blobs.length);
});
