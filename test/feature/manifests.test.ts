/** Manifests as they pass: exact bytes, verified, of every kind, and never more of them fetched than needed. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { maxManifestBytes } from '../../src/oci/manifest.ts';
import { mediaTypes } from '../../src/oci/media-types.ts';
import { corruptAt, holdHeaders, htmlPage, withHeaders } from '../support/fake-registry-faults.ts';
import { gate } from '../support/gate.ts';
import { buildImage, buildIndex, type PlacedManifest } from '../support/images.ts';
import { cacheOf, startMirrored } from '../support/mirrored-registry.ts';

async function offered(t: TestContext, manifest: PlacedManifest) {
  const mirrored = await startMirrored(t);
  mirrored.registry.putManifest('app', '1', manifest);
  return {
    ...mirrored,
    ask: (reference: string, more = {}) => mirrored.get('app', `manifests/${reference}`, more),
  };
}

describe('a manifest', () => {
  const kinds: Record<string, PlacedManifest> = {
    'an OCI image': buildImage(),
    'a Docker image': buildImage({ format: 'docker' }),
    'an OCI index': buildIndex(),
    'a Docker list': buildIndex({ format: 'docker' }),
  };
  for (const [name, manifest] of Object.entries(kinds)) {
    it(`passes with its exact bytes and type: ${name}`, async (t) => {
      const { registry, ask } = await offered(t, manifest);
      for (const cache of ['fetched', 'hit']) {
        const answer = await ask('1');
        assert.equal(cacheOf(answer), cache);
        assert.deepEqual(answer.body, manifest.bytes);
        assert.equal(answer.headers['content-type'], manifest.mediaType);
        assert.equal(answer.headers['docker-content-digest'], manifest.digest);
      }
      const byDigest = await ask(manifest.digest);
      assert.deepEqual([cacheOf(byDigest), byDigest.body], ['hit', manifest.bytes]);
      const { status, headers, body } = await ask(manifest.digest, { method: 'HEAD' });
      assert.deepEqual(
        [status, headers['content-length'], body.length],
        [200, String(manifest.bytes.length), 0],
      );
      assert.equal(registry.count({ kind: 'manifest' }), 1);
    });
  }

  it('is fetched once for all who ask at the same time', async (t) => {
    const manifest = buildImage();
    const { registry, ask } = await offered(t, manifest);
    const hold = gate();
    registry.on({ kind: 'manifest' }, holdHeaders(hold));
    const waiting = Array.from({ length: 20 }, () => ask(manifest.digest));
    await hold.arrived;
    hold.release();
    for (const answer of await Promise.all(waiting)) assert.deepEqual(answer.body, manifest.bytes);
    assert.equal(registry.count({ kind: 'manifest' }), 1);
  });

  it('with other bytes than its digest promises reaches nobody', async (t) => {
    const manifest = buildImage();
    const { registry, ask } = await offered(t, manifest);
    const lie = registry.on({ kind: 'manifest' }, corruptAt(20));
    for (const reference of [manifest.digest, '1']) {
      const answer = await ask(reference);
      assert.equal(answer.status, 502);
      assert.match(answer.body.toString(), /invalid/);
    }
    lie.remove();
    assert.deepEqual((await ask('1')).body, manifest.bytes);
  });

  it('that is a web page, or none at all, reaches nobody', async (t) => {
    const { registry, ask } = await offered(t, buildImage());
    const page = registry.on({}, htmlPage());
    assert.equal((await ask('1')).status, 502);
    page.remove();
    registry.putManifest('app', 'text', { bytes: 'hello', mediaType: mediaTypes.ociManifest });
    assert.equal((await ask('text')).status, 502);
  });

  it('larger than it may be is refused', async (t) => {
    const huge = JSON.stringify({
      schemaVersion: 2,
      mediaType: mediaTypes.ociIndex,
      manifests: [],
      annotations: { filler: 'x'.repeat(maxManifestBytes) },
    });
    const { registry, ask } = await offered(t, buildImage());
    registry.putManifest('app', 'huge', { bytes: huge, mediaType: mediaTypes.ociIndex });
    assert.equal((await ask('huge')).status, 502);
  });

  it('named by a tag gets its digest from its bytes where the registry tells none', async (t) => {
    const manifest = buildImage();
    const { registry, ask } = await offered(t, manifest);
    registry.on({}, withHeaders({ 'docker-content-digest': undefined }));
    const answer = await ask('1');
    assert.equal(answer.headers['docker-content-digest'], manifest.digest);
    assert.equal(cacheOf(await ask(manifest.digest)), 'hit');
  });

  it('is not visible in another repository because it is here for one', async (t) => {
    const manifest = buildImage();
    const { get, ask } = await offered(t, manifest);
    await ask('1');
    assert.equal((await get('other', `manifests/${manifest.digest}`)).status, 404);
  });
});
