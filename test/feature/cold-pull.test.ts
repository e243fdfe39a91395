/**
 * The main job: a client pulls an image that is not in the cache. Entrepot asks the endpoints in the order of registries.conf, passes
 * the image on from the first one that has it, and keeps it. After that it serves the image without any of them.
 *
 *   client -> Entrepot -> 1. mirror, which lacks the image: 404
 *                         2. mirror, which has it
 *                         3. source, which has it too, and is not needed
 *
 * `X-Entrepot-Cache` says where an answer came from: `fetched` is from an endpoint, for this request; `hit` is from the cache.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { mediaTypes } from '../../src/oci/media-types.ts';
import { startApp } from '../support/app.ts';
import { type FakeRegistry, startFakeRegistry } from '../support/fake-registry.ts';
import { get } from '../support/http-client.ts';
import { buildImage } from '../support/images.ts';
import type { Cleanup } from '../support/temp-folder.ts';

const image = buildImage({ layers: [300_000, 2_000_000] });

async function registryWith(test: Cleanup, content: 'nothing' | 'the image'): Promise<FakeRegistry> {
  const registry = await startFakeRegistry();
  test.after(() => registry.stop());
  if (content === 'the image') registry.putImage('team/app', '1', image);
  return registry;
}

/** Two mirrors and a source with Entrepot in front of them, and a client that pulls the image. */
async function start(test: Cleanup) {
  const emptyMirror = await registryWith(test, 'nothing');
  const mirror = await registryWith(test, 'the image');
  const source = await registryWith(test, 'the image');
  const proxy = await startApp(test, {
    registries: `
      [[registry]]
      location = "${source.host}"
      insecure = true

      [[registry.mirror]]
      location = "${emptyMirror.host}"
      insecure = true

      [[registry.mirror]]
      location = "${mirror.host}"
      insecure = true
    `,
  });

  /** Pulls as a runtime does: the manifest by its tag, then each blob that it names. Every byte must be right. */
  async function pull(expectedCache: 'fetched' | 'hit'): Promise<void> {
    const repository = `${proxy.url}/v2/${source.host}/team/app`;
    const manifest = await get(`${repository}/manifests/1`);
    assert.equal(manifest.status, 200);
    assert.equal(manifest.headers['content-type'], mediaTypes.ociManifest);
    assert.equal(manifest.headers['docker-content-digest'], image.digest);
    assert.equal(manifest.headers['x-entrepot-cache'], expectedCache);
    assert.deepEqual(manifest.body, image.bytes);
    for (const expected of image.blobs) {
      const blob = await get(`${repository}/blobs/${expected.digest}`);
      assert.equal(blob.status, 200);
      assert.equal(blob.headers['content-length'], String(expected.size));
      assert.equal(blob.headers['x-entrepot-cache'], expectedCache);
      assert.ok(blob.body.equals(expected.bytes()), `the bytes of ${expected.digest}`);
    }
  }

  return { emptyMirror, mirror, source, pull };
}

describe('a cold pull', () => {
  it('comes from the first endpoint that has the image', async (t) => {
    const { emptyMirror, mirror, source, pull } = await start(t);
    await pull('fetched');
    assert.equal(emptyMirror.count({ kind: 'manifest' }), 1, 'the first mirror is asked first');
    assert.equal(mirror.count({ kind: 'manifest' }), 1, 'the second mirror is asked next');
    assert.equal(source.count(), 0, 'the source is not needed');
    // Blobs are asked first of the endpoint that gave the manifest.
    assert.equal(emptyMirror.count({ kind: 'blob' }), 0);
    assert.equal(mirror.count({ kind: 'blob' }), image.blobs.length);
  });

  it('is the last one that needs an endpoint', async (t) => {
    const { emptyMirror, mirror, source, pull } = await start(t);
    await pull('fetched');
    for (const registry of [emptyMirror, mirror, source]) await registry.stop();
    await pull('hit');
  });
});
