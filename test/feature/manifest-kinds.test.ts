/** Manifests of every kind that registries hold: passed on as they are, under the type and the digest that their own registry gives. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import type { Digest } from '../../src/oci/digest.ts';
import { mediaTypes } from '../../src/oci/media-types.ts';
import { startApp } from '../support/app.ts';
import { blobOf, digestOf } from '../support/byte-source.ts';
import { entry, startRegistry } from '../support/endpoints.ts';
import { type Fault, withHeaders } from '../support/fake-registry-faults.ts';
import { get } from '../support/http-client.ts';
import { buildImage, buildIndex } from '../support/images.ts';
import { cacheOf, insecureRegistry, startMirrored } from '../support/mirrored-registry.ts';
import { signedSchema1 } from '../support/signed-schema1.ts';

const seconds = 1000;
const artifactType = 'application/vnd.oci.artifact.manifest.v1+json';
const artifact = {
  bytes: Buffer.from(JSON.stringify({ mediaType: artifactType, artifactType: 'x/y', blobs: [] })),
  mediaType: artifactType,
};

function restarted(t: TestContext, registry: { host: string }, folder: string) {
  return startApp(t, { registries: insecureRegistry(registry.host), folder });
}

describe('content of a type that is unknown here', () => {
  it('passes by digest with its bytes and its type, and is kept', async (t) => {
    const { registry, get: ask, proxy } = await startMirrored(t);
    const kinds = [
      artifact,
      { bytes: 'no JSON at all', mediaType: 'application/vnd.example.thing' },
      { bytes: '{"layers": "odd"}', mediaType: mediaTypes.ociManifest },
      { bytes: '{}', mediaType: 'application/json' },
    ];
    const digests = kinds.map((kind) => registry.putManifest('app', undefined, kind));
    for (const cache of ['fetched', 'hit']) {
      for (const [index, digest] of digests.entries()) {
        const answer = await ask('app', `manifests/${digest}`);
        assert.deepEqual([answer.status, cacheOf(answer)], [200, cache]);
        assert.equal(answer.headers['content-type'], kinds[index]?.mediaType);
        assert.equal(answer.headers['docker-content-digest'], digest);
        assert.equal(digestOf(answer.body), digest);
      }
    }
    await proxy.stop();
    const again = await restarted(t, registry, proxy.folder);
    const answer = await get(`${again.url}/v2/${registry.host}/app/manifests/${digests[0]}`);
    assert.deepEqual([answer.headers['content-type'], cacheOf(answer)], [artifactType, 'hit']);
  });

  it('passes by tag if it is JSON of a type of its own', async (t) => {
    const { registry, get: ask } = await startMirrored(t);
    registry.putManifest('app', '1', artifact);
    const answer = await ask('app', 'manifests/1');
    assert.deepEqual([answer.status, answer.headers['content-type']], [200, artifactType]);
    assert.deepEqual(answer.body, artifact.bytes);
  });

  it('is never a page that a browser would run', async (t) => {
    const { registry, get: ask } = await startMirrored(t);
    const digest = registry.putManifest('app', undefined, { bytes: '<p>', mediaType: 'text/html' });
    const answer = await ask('app', `manifests/${digest}`);
    assert.deepEqual([answer.status, answer.headers['content-type']], [200, 'application/octet-stream']);
  });
});

describe('a manifest without a type of its own', () => {
  const bare = (bytes: Uint8Array) =>
    JSON.stringify({ ...(JSON.parse(Buffer.from(bytes).toString()) as object), mediaType: undefined });
  const shapes: [string, string, string][] = [
    ['an OCI image', bare(buildImage().bytes), mediaTypes.ociManifest],
    ['a Docker image', bare(buildImage({ format: 'docker' }).bytes), mediaTypes.dockerManifest],
    ['an index', bare(buildIndex().bytes), mediaTypes.ociIndex],
    ['schema 1', '{"schemaVersion":1,"fsLayers":[],"history":[]}', mediaTypes.dockerSchema1],
  ];
  for (const [what, bytes, expected] of shapes) {
    it(`is known by its shape: ${what}`, async (t) => {
      const { registry, get: ask } = await startMirrored(t);
      for (const [tag, mediaType] of Object.entries({
        a: 'application/json',
        b: 'application/octet-stream',
      })) {
        registry.putManifest(tag, '1', { bytes, mediaType });
        const answer = await ask(tag, 'manifests/1');
        assert.deepEqual([answer.status, answer.headers['content-type']], [200, expected]);
        assert.equal(answer.body.toString(), bytes);
      }
    });
  }
});

describe('the type of a manifest', () => {
  it('is what its own registry says, whatever another one says of the same bytes', async (t) => {
    const [own, other] = [await startRegistry(t), await startRegistry(t)];
    const bytes = '{"schemaVersion":2,"manifests":[]}';
    const digest = own.putManifest('app', '1', { bytes, mediaType: mediaTypes.ociIndex });
    other.putManifest('app', '1', { bytes, mediaType: mediaTypes.dockerList });
    const registries = `${entry(own.host)}\n${entry(other.host)}`;
    const proxy = await startApp(t, { registries });
    const typeOf = async (url: string, host: string) =>
      (await get(`${url}/v2/${host}/app/manifests/${digest}`)).headers['content-type'];
    const check = async (url: string) => {
      for (let time = 0; time < 2; time += 1) {
        assert.equal(await typeOf(url, own.host), mediaTypes.ociIndex);
        assert.equal(await typeOf(url, other.host), mediaTypes.dockerList);
      }
    };
    await check(proxy.url);
    await proxy.stop();
    await Promise.all([own.refuse(), other.refuse()]);
    await check((await startApp(t, { registries, folder: proxy.folder })).url);
  });
});

describe('a signed schema 1 manifest', () => {
  const { bytes, digest } = signedSchema1;

  function known(content: string, name: Digest): Fault {
    const type = { 'content-type': mediaTypes.dockerSchema1Signed, 'docker-content-digest': name };
    return { answer: () => ({ status: 200, headers: type, body: blobOf(content), from: 0 }) };
  }

  it('has the digest that its registry knows, by tag and by digest, and is confirmed without a GET', async (t) => {
    const { registry, get: ask, clock, proxy } = await startMirrored(t);
    registry.on({ kind: 'manifest' }, known(bytes, digest));
    for (const reference of ['1', digest]) {
      const answer = await ask('app', `manifests/${reference}`);
      assert.deepEqual([answer.status, answer.headers['docker-content-digest']], [200, digest]);
      assert.equal(answer.body.toString(), bytes);
    }
    const other = await ask('app', `manifests/${digestOf(Buffer.from(bytes))}`);
    assert.deepEqual(
      [other.status, other.body.toString()],
      [200, bytes],
      'the digest of all bytes names it, too',
    );
    registry.clear();
    await clock.advance(60 * seconds);
    assert.equal(cacheOf(await ask('app', 'manifests/1')), 'revalidated');
    assert.equal(registry.count({ method: 'GET' }), 0);
    await proxy.stop();
    const again = await restarted(t, registry, proxy.folder);
    const kept = await get(`${again.url}/v2/${registry.host}/app/manifests/${digest}`);
    assert.deepEqual([cacheOf(kept), kept.body.toString()], ['hit', bytes]);
  });

  it('with more than signatures after what is signed is refused', async (t) => {
    const { registry, get: ask } = await startMirrored(t);
    const altered = bytes.replace(/\n\}$/, ',\n "fsLayers": [{"blobSum": "sha256:0"}]\n}');
    registry.on({ kind: 'manifest' }, known(altered, digest));
    assert.equal((await ask('app', `manifests/${digest}`)).status, 502);
  });

  it('gets its digest from its signature if the registry gives none', async (t) => {
    const { registry, get: ask } = await startMirrored(t);
    registry.on(
      { kind: 'manifest' },
      known(bytes, digest),
      withHeaders({ 'docker-content-digest': undefined }),
    );
    assert.equal((await ask('app', 'manifests/1')).headers['docker-content-digest'], digest);
  });
});

describe('a layer whose bytes lie at URLs of their own', () => {
  it('is absent for HEAD and GET alike if the registry has it not', async (t) => {
    const { registry, get: ask } = await startMirrored(t);
    const image = buildImage();
    const layers = [
      'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip',
      'application/vnd.oci.image.layer.v1.tar',
    ];
    const listed = layers.map((mediaType, index) => ({
      mediaType,
      digest: digestOf(Buffer.from(`foreign ${index}`)),
      size: 10,
      urls: ['https://elsewhere.test/layer'],
    }));
    const manifest = { ...(JSON.parse(image.bytes.toString()) as object), layers: listed };
    registry.putManifest('app', '1', { bytes: JSON.stringify(manifest), mediaType: image.mediaType });
    assert.equal((await ask('app', 'manifests/1')).status, 200);
    for (const { digest } of listed) {
      assert.equal((await ask('app', `blobs/${digest}`, { method: 'HEAD' })).status, 404);
      assert.equal((await ask('app', `blobs/${digest}`)).status, 404);
    }
  });
});
