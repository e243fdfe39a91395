/**
 * The main job: an image that nobody has yet is asked for, comes through from the first endpoint that has it, and stays.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { mediaTypes } from '../../src/oci/media-types.ts';
import { startApp } from '../support/app.ts';
import { startFakeRegistry } from '../support/fake-registry.ts';
import { get } from '../support/http-client.ts';
import { buildImage } from '../support/images.ts';

describe('a cold pull', () => {
  it('brings manifest and blobs from the source, and keeps them when the source is gone', async (t) => {
    const registry = await startFakeRegistry();
    t.after(() => registry.stop());
    const image = buildImage({ layers: [300_000, 2_000_000] });
    registry.putImage('team/app', '1', image);
    const proxy = await startApp(t, {
      registries: `[[registry]]\nlocation = "${registry.host}"\ninsecure = true\n`,
    });
    const at = (path: string): string => `${proxy.url}/v2/${registry.host}/team/app/${path}`;

    const pull = async (cache: string): Promise<void> => {
      const manifest = await get(at('manifests/1'));
      assert.equal(manifest.status, 200);
      assert.equal(manifest.headers['content-type'], mediaTypes.ociManifest);
      assert.equal(manifest.headers['docker-content-digest'], image.digest);
      assert.equal(manifest.headers['x-entrepot-cache'], cache);
      for (const { digest, size } of image.blobs) {
        const blob = await get(at(`blobs/${digest}`));
        assert.equal(blob.status, 200);
        assert.equal(blob.headers['x-entrepot-cache'], cache);
        assert.equal(blob.body.length, size);
      }
    };
    await pull('fetched');
    await registry.stop();
    await pull('hit');
  });
});
