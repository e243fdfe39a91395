/**
 * Only GET decides that something is not there. Pull-through caches answer 404 to the HEAD of what they have not fetched yet
 * (goharbor/harbor#22609), ECR Public closes the connection, firewalls refuse HEAD: clients that ask such a registry directly manage.
 */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { type Fault, hangUp, htmlPage, rateLimited, status } from '../support/fake-registry-faults.ts';
import { buildImage } from '../support/images.ts';
import { cacheOf, startMirrored } from '../support/mirrored-registry.ts';

const seconds = 1000;
const image = buildImage({ seed: 'first' });
const next = buildImage({ seed: 'second' });
const layer = image.layers[0]!;

const refusals: readonly (readonly [string, Fault])[] = [
  ...[400, 401, 403, 404, 405, 500, 501, 503].map((code) => [`HTTP ${code}`, status(code)] as const),
  ['a closed connection', hangUp()],
  ['a web page', htmlPage()],
];

/** A registry that has the image in two repositories and does this to each HEAD. */
async function site(t: TestContext, fault: Fault) {
  const mirrored = await startMirrored(t);
  const { registry } = mirrored;
  for (const repository of ['a', 'b']) registry.putImage(repository, '1', image);
  registry.on({ method: 'HEAD' }, fault);
  return mirrored;
}

describe('a registry whose HEAD says no to a blob that its GET gives', () => {
  for (const [what, fault] of refusals) {
    it(`shares a layer between two images: ${what}`, async (t) => {
      const { registry, get } = await site(t, fault);
      for (const repository of ['a', 'b']) {
        assert.equal((await get(repository, 'manifests/1')).status, 200);
        const answer = await get(repository, `blobs/${layer.digest}`);
        assert.equal(answer.status, 200);
        assert.deepEqual(answer.body, layer.bytes());
      }
      const [first, second] = registry.matching({ method: 'GET', kind: 'blob' });
      assert.equal(first?.headers.range, undefined);
      assert.equal(second?.headers.range, 'bytes=0-0', 'one byte is enough to know that it is there');
    });
  }

  it('has a lone HEAD answered by that GET, and the GET after it is not refused', async (t) => {
    const { get } = await site(t, status(404));
    const head = await get('a', `blobs/${layer.digest}`, { method: 'HEAD' });
    assert.deepEqual([head.status, head.headers['content-length']], [200, `${layer.size}`]);
    assert.deepEqual((await get('a', `blobs/${layer.digest}`)).body, layer.bytes());
  });

  it('is asked with GET alone from then on, and with HEAD again after a while', async (t) => {
    const { registry, get, clock } = await site(t, status(404));
    const heads = async () => {
      const digest = registry.putBlob(`content ${registry.requests.length}`);
      assert.equal((await get('a', `blobs/${digest}`, { method: 'HEAD' })).status, 200);
      return registry.count({ method: 'HEAD' });
    };
    assert.deepEqual([await heads(), await heads(), await heads()], [1, 1, 1]);
    await clock.advance(3600 * seconds);
    assert.equal(await heads(), 2);
  });

  it('says 404 to what its GET does not give either', async (t) => {
    const { registry, get } = await site(t, status(404));
    const absent = `blobs/sha256:${'0'.repeat(64)}`;
    const head = await get('a', absent, { method: 'HEAD' });
    assert.equal(head.status, 404);
    assert.equal(registry.count({ method: 'GET', kind: 'blob' }), 1);
    assert.equal((await get('a', absent)).status, 404);
    assert.equal(registry.count({ kind: 'blob' }), 2, 'the absence is remembered');
  });

  it('is not asked for the whole where it ignores ranges', async (t) => {
    const mirrored = await startMirrored(t, { upstream: { ranges: false } });
    const { registry, get } = mirrored;
    registry.on({ method: 'HEAD' }, status(404));
    const large = registry.putGeneratedBlob(64 << 20);
    const head = await get('a', `blobs/${large}`, { method: 'HEAD' });
    assert.deepEqual([head.status, head.headers['content-length']], [200, `${64 << 20}`]);
    const [asked] = registry.matching({ method: 'GET', kind: 'blob' });
    assert.equal(await asked?.ended, 'cut');
  });
});

describe('a registry whose HEAD says no to a tag that its GET gives', () => {
  for (const [what, fault] of refusals) {
    it(`has its tags confirmed all the same: ${what}`, async (t) => {
      const { registry, get, clock } = await site(t, fault);
      assert.equal(cacheOf(await get('a', 'manifests/1')), 'fetched');
      await clock.advance(60 * seconds);
      assert.equal(cacheOf(await get('a', 'manifests/1')), 'revalidated');
      registry.putImage('a', '1', next);
      await clock.advance(60 * seconds);
      assert.deepEqual((await get('a', 'manifests/1')).body, next.bytes);
    });
  }

  it('pays one GET for each confirmation, for a moved tag too', async (t) => {
    const { registry, get, clock } = await site(t, status(403));
    await get('a', 'manifests/1');
    await clock.advance(60 * seconds);
    await get('a', 'manifests/1');
    registry.clear();
    registry.putImage('a', '1', next);
    await clock.advance(60 * seconds);
    assert.deepEqual((await get('a', 'manifests/1')).body, next.bytes);
    assert.deepEqual(
      registry.requests.map(({ method }) => method),
      ['GET'],
    );
  });

  it('loses a tag only when its GET says 404, too', async (t) => {
    const { registry, get, clock } = await site(t, status(404));
    await get('a', 'manifests/1');
    registry.removeManifest('a', '1');
    await clock.advance(60 * seconds);
    assert.equal((await get('a', 'manifests/1')).status, 404);
    assert.equal(registry.count({ method: 'GET', kind: 'manifest' }), 2);
  });
});

describe('a HEAD that is answered 429', () => {
  it('is followed by no GET, which may count where HEAD does not', async (t) => {
    const { registry, get, clock } = await site(t, rateLimited(30));
    await get('a', 'manifests/1');
    registry.clear();
    await clock.advance(60 * seconds);
    assert.equal(cacheOf(await get('a', 'manifests/1')), 'stale');
    const absent = `blobs/sha256:${'0'.repeat(64)}`;
    assert.equal((await get('b', absent, { method: 'HEAD' })).status, 503);
    assert.equal(registry.count({ method: 'GET' }), 0);
  });
});
