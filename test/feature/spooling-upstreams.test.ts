/** Some caches fetch all of a blob before they answer. If no other endpoint is left to ask, it pays to wait for them. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readError } from '../support/endpoints.ts';
import { holdHeaders, neverAnswer } from '../support/fake-registry-faults.ts';
import { gate } from '../support/gate.ts';
import { buildImage } from '../support/images.ts';
import { cacheOf, eventually, startMirrored } from '../support/mirrored-registry.ts';

const image = buildImage();
const layer = image.layers[0]!;
const seconds = 1000;

describe('the only endpoint that is left to ask', () => {
  for (const [what, kind, path, bytes] of [
    ['a manifest', 'manifest', 'manifests/1', image.bytes],
    ['a blob', 'blob', `blobs/${layer.digest}`, layer.bytes()],
  ] as const) {
    it(`may take longer than header_timeout: ${what}`, async (t) => {
      const { registry, get, clock } = await startMirrored(t);
      registry.putImage('app', '1', image);
      const hold = gate();
      registry.on({ kind }, holdHeaders(hold));
      const getting = get('app', path);
      await hold.arrived;
      await clock.advance(16 * seconds);
      await clock.advance(60 * seconds);
      hold.release();
      const answer = await getting;
      assert.equal(answer.status, 200);
      assert.deepEqual(answer.body, bytes);
      assert.equal(registry.count({ kind, method: 'GET' }), 1);
    });
  }

  it('is given up after total_timeout', async (t) => {
    const { registry, get, clock } = await startMirrored(t);
    registry.putImage('app', '1', image);
    registry.on({ kind: 'manifest' }, neverAnswer());
    const reached = registry.next({ kind: 'manifest' });
    const getting = get('app', 'manifests/1');
    await reached;
    await clock.advance(121 * seconds);
    const { status, trail } = readError(await getting);
    assert.deepEqual([status, trail[0]?.reason], [502, 'no answer within 120 s']);
  });

  it('does not hold up a tag that is cached: it is confirmed as soon as the registry answers again', async (t) => {
    const { registry, get, clock } = await startMirrored(t);
    registry.putImage('app', '1', image);
    await get('app', 'manifests/1');
    await clock.advance(3600 * seconds);
    const silence = registry.on({}, neverAnswer());
    const stale = get('app', 'manifests/1');
    await clock.armed(1200);
    await clock.advance(1200);
    assert.equal(cacheOf(await stale), 'stale');
    await clock.advance(60 * seconds);
    silence.remove();
    await eventually(async () => assert.notEqual(cacheOf(await get('app', 'manifests/1')), 'stale'));
  });

  it('has its silence to HEAD ended by header_timeout: GET decides', async (t) => {
    const { registry, get, clock } = await startMirrored(t);
    registry.putImage('app', '1', image);
    registry.on({ method: 'HEAD' }, neverAnswer());
    const reached = registry.next({ method: 'HEAD' });
    const getting = get('app', `blobs/${layer.digest}`, { method: 'HEAD' });
    await reached;
    await clock.advance(16 * seconds);
    assert.equal((await getting).status, 200);
  });
});
