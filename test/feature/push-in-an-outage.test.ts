/**
 * Clients ask by HEAD which blobs they have to send, and end the push at any other answer than 200 or 404. In `overlay` and `fill` that
 * question goes to the endpoints, so a push must work while none of them answers: a mirror is often filled because of that.
 */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { startApp } from '../support/app.ts';
import { entry, startRegistry } from '../support/endpoints.ts';
import { buildImage } from '../support/images.ts';

const image = buildImage({ seed: 'pushed', layers: [20_000] });

async function setUp(t: TestContext, { mode, anonymous }: { mode: string; anonymous: string }) {
  const registry = await startRegistry(t);
  await registry.stop();
  const registries = entry('ex.test', { source: registry.host });
  const toml = `[access]\nanonymous = ${anonymous}\n[[push]]\nmatch = "ex.test/**"\nmode = "${mode}"\n`;
  const { url } = await startApp(t, { registries, toml });
  return (path: string, init: RequestInit = {}) => fetch(`${url}/v2/ex.test/team/app/${path}`, init);
}

describe('a push while no endpoint answers', () => {
  for (const mode of ['overlay', 'fill']) {
    it(`sends every blob and the manifest, in ${mode}`, async (t) => {
      const ask = await setUp(t, { mode, anonymous: '["pull", "push"]' });
      for (const { digest, bytes } of image.blobs) {
        assert.equal((await ask(`blobs/${digest}`, { method: 'HEAD' })).status, 404, 'it has to be sent');
        const sent = await ask(`blobs/uploads/?digest=${digest}`, {
          method: 'POST',
          body: new Uint8Array(bytes()),
        });
        assert.equal(sent.status, 201);
        assert.equal((await ask(`blobs/${digest}`, { method: 'HEAD' })).status, 200, 'it is here now');
      }
      const headers = { 'Content-Type': image.mediaType };
      const put = await ask('manifests/1', { method: 'PUT', body: new Uint8Array(image.bytes), headers });
      assert.equal(put.status, 201);
      assert.equal((await ask(`manifests/${image.digest}`)).status, 200);
    });
  }

  it('leaves the answer for clients that only pull: it is not known whether the blob exists', async (t) => {
    const ask = await setUp(t, { mode: 'overlay', anonymous: '["pull"]' });
    const [blob] = image.blobs;
    assert.equal((await ask(`blobs/${blob?.digest}`, { method: 'HEAD' })).status, 502);
  });

  it('leaves the answer of a GET: a client that wants the bytes pulls', async (t) => {
    const ask = await setUp(t, { mode: 'overlay', anonymous: '["pull", "push"]' });
    const [blob] = image.blobs;
    assert.equal((await ask(`blobs/${blob?.digest}`)).status, 502);
  });
});
