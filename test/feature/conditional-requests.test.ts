/** ETag, If-None-Match, Cache-Control: a client that has something is told so in one header, not in all its bytes again. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { buildImage } from '../support/images.ts';
import { cacheOf, startMirrored } from '../support/mirrored-registry.ts';

const image = buildImage({ layers: [200_000] });
const layer = image.layers[0]!;

async function offered(t: TestContext) {
  const mirrored = await startMirrored(t);
  mirrored.registry.putImage('app', '1', image);
  const ask = (path: string, headers: Record<string, string> = {}, method = 'GET') =>
    mirrored.get('app', path, { headers, method });
  return { ...mirrored, ask };
}

describe('a manifest', () => {
  it('bears its digest as a strong entity tag, and is asked for again each time when named by a tag', async (t) => {
    const { ask } = await offered(t);
    for (const method of ['HEAD', 'GET']) {
      const { headers } = await ask('manifests/1', {}, method);
      assert.equal(headers.etag, `"${image.digest}"`);
      assert.equal(headers['cache-control'], 'no-cache');
      assert.equal(headers['content-length'], String(image.bytes.length));
    }
    const { headers } = await ask(`manifests/${image.digest}`);
    assert.equal(headers['cache-control'], 'max-age=31536000, immutable');
  });

  it('is 304 for a client that has it, cold and warm, by tag and by digest', async (t) => {
    const { ask } = await offered(t);
    for (const given of [`"${image.digest}"`, `W/"${image.digest}"`, `"other", "${image.digest}"`, '*']) {
      for (const path of ['manifests/1', `manifests/${image.digest}`]) {
        const answer = await ask(path, { 'if-none-match': given });
        assert.deepEqual([answer.status, answer.body.length], [304, 0]);
        assert.equal(answer.headers.etag, `"${image.digest}"`);
      }
    }
    assert.equal((await ask('manifests/1', { 'if-none-match': '"sha256:0"' })).status, 200);
  });

  it('is not 304 any more when the tag has moved', async (t) => {
    const { registry, clock, ask } = await offered(t);
    await ask('manifests/1');
    const next = buildImage({ seed: 'next' });
    registry.putImage('app', '1', next);
    await clock.advance(60_000);
    const answer = await ask('manifests/1', { 'if-none-match': `"${image.digest}"` });
    assert.deepEqual([answer.status, answer.body], [200, next.bytes]);
  });

  it('is 304, marked stale, when no endpoint answers', async (t) => {
    const { registry, clock, ask } = await offered(t);
    await ask('manifests/1');
    await registry.refuse();
    await clock.advance(60_000);
    const answer = await ask('manifests/1', { 'if-none-match': `"${image.digest}"` });
    assert.deepEqual([answer.status, cacheOf(answer)], [304, 'stale']);
  });
});

describe('a blob', () => {
  it('is 304 for a client that has it, and then not even fetched', async (t) => {
    const { registry, ask } = await offered(t);
    await ask('manifests/1');
    const answer = await ask(`blobs/${layer.digest}`, { 'if-none-match': `"${layer.digest}"` });
    assert.deepEqual([answer.status, answer.body.length], [304, 0]);
    assert.equal(answer.headers['cache-control'], 'max-age=31536000, immutable');
    assert.equal(registry.count({ kind: 'blob', method: 'GET' }), 0);
  });

  it('is 404, not 304, where this repository has none', async (t) => {
    const { ask } = await offered(t);
    const none = `sha256:${'1'.repeat(64)}`;
    assert.equal((await ask(`blobs/${none}`, { 'if-none-match': `"${none}"` })).status, 404);
  });

  it('takes If-Range for its own entity tag only', async (t) => {
    const { ask } = await offered(t);
    const range = { range: 'bytes=10-19' };
    const part = await ask(`blobs/${layer.digest}`, { ...range, 'if-range': `"${layer.digest}"` });
    assert.deepEqual([part.status, part.body], [206, layer.bytes(10, 20)]);
    const whole = await ask(`blobs/${layer.digest}`, { ...range, 'if-range': '"other"' });
    assert.deepEqual([whole.status, whole.body.length], [200, layer.size]);
  });
});
