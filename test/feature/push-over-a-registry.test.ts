/**
 * Clients send what the server does not have, and in `overlay` and `fill` what an endpoint has counts as there. So a client that copies
 * an image from that very registry sends only its manifest, and the image has to outlive the registry all the same.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { startApp } from '../support/app.ts';
import { entry, startRegistry } from '../support/endpoints.ts';
import { get } from '../support/http-client.ts';
import { buildImage } from '../support/images.ts';
import { pusher } from '../support/pusher.ts';

const image = buildImage({ seed: 'copied', layers: [20_000, 3_000_000] });

describe('a push of what an endpoint has', () => {
  for (const mode of ['overlay', 'fill'])
    it(`brings the image here, in ${mode}: it can be pulled when the registry is gone`, async (t) => {
      const registry = await startRegistry(t);
      registry.putImage('team/app', '1', image);
      const { url } = await startApp(t, {
        registries: entry('ex.test', { source: registry.host }),
        toml: `[access]\nanonymous = ["pull", "push"]\n[[push]]\nmatch = "ex.test/**"\nmode = "${mode}"\n`,
      });
      const { send } = pusher(url, 'ex.test/team/app');
      for (const { digest } of image.blobs) {
        assert.equal((await send('HEAD', `blobs/${digest}`)).status, 200, 'the client need not send it');
      }
      const type = { 'content-type': image.mediaType };
      const put = await send('PUT', `manifests/${image.digest}`, image.bytes, type);
      assert.equal(put.status, 201);
      await registry.stop();
      for (const { digest, bytes } of image.blobs) {
        const pulled = await get(`${url}/v2/ex.test/team/app/blobs/${digest}`);
        assert.equal(pulled.status, 200);
        assert.deepEqual(pulled.body, Buffer.from(bytes()));
      }
      assert.equal((await send('GET', `manifests/${image.digest}`)).status, 200);
    });
});
