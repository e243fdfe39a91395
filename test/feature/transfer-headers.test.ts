/** A client hears at once what is known at once: headers never wait for bytes, nor a HEAD for a blob that a manifest describes. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { generateBlob } from '../support/byte-source.ts';
import { createManualClock } from '../support/clock.ts';
import { comparison, MiB, offer, pullWhole, restOf, startColdBlobs } from '../support/cold-blobs.ts';
import {
  holdHeaders,
  noContentLength,
  otherBody,
  stallAfter,
  status,
} from '../support/fake-registry-faults.ts';
import { gate } from '../support/gate.ts';
import { get, open } from '../support/http-client.ts';
import { buildImage } from '../support/images.ts';
import { startMirrored } from '../support/mirrored-registry.ts';

const seconds = 1000;

describe('the headers of a cold blob', () => {
  it('come when the upstream has given its own and not one byte', async (t) => {
    const blob = generateBlob(256 * MiB, 'headers');
    const site = await startColdBlobs(t, { toml: '[transfer]\nfill = "never"\n' });
    const [registry] = site.registries;
    assert.ok(registry);
    offer(site.registries, blob);
    const held = gate();
    registry.on({ kind: 'blob' }, stallAfter(0, held));
    const answer = await open(site.url(blob.digest));
    assert.equal(answer.status, 200);
    assert.equal(answer.headers['content-length'], String(blob.size));
    assert.equal(answer.headers['docker-content-digest'], blob.digest);
    held.release();
    comparison(blob).take(await answer.read(MiB));
    answer.destroy();
  });

  it('are no concern of a manifest', async (t) => {
    const image = buildImage({ layers: [2 * MiB] });
    const site = await startColdBlobs(t);
    const [registry] = site.registries;
    assert.ok(registry);
    offer(site.registries, image);
    registry.on({ kind: 'blob' }, holdHeaders(gate()));
    const answer = await get(site.manifestUrl('v1'));
    assert.deepEqual(answer.body, image.bytes);
    assert.equal(site.asked('GET') + site.asked('HEAD'), 0);
  });
});

describe('HEAD of a blob that is not here', () => {
  it('is answered from the manifest that names it, and no endpoint is asked', async (t) => {
    const image = buildImage({ layers: [2 * MiB] });
    const site = await startColdBlobs(t);
    offer(site.registries, image);
    await get(site.manifestUrl('v1'));
    const [layer] = image.layers;
    assert.ok(layer);
    const answer = await get(site.url(layer.digest), { method: 'HEAD' });
    assert.equal(answer.status, 200);
    assert.equal(answer.headers['content-length'], String(layer.size));
    assert.equal(site.asked('GET') + site.asked('HEAD'), 0);
    // GET agrees, and brings it.
    await pullWhole(site.url(layer.digest), layer);
  });

  it('is asked of the upstream where no manifest names it, also of one that knows no HEAD', async (t) => {
    const blob = generateBlob(3 * MiB, 'head');
    for (const refusal of [undefined, 405, 403, 501]) {
      const site = await startColdBlobs(t);
      const [registry] = site.registries;
      assert.ok(registry);
      offer(site.registries, blob);
      if (refusal !== undefined) registry.on({ method: 'HEAD' }, status(refusal));
      const answer = await get(site.url(blob.digest), { method: 'HEAD' });
      assert.equal(answer.status, 200, `where HEAD gets ${refusal}`);
      assert.equal(answer.headers['content-length'], String(blob.size));
      assert.equal(answer.headers['docker-content-digest'], blob.digest);
      if (refusal !== undefined) {
        assert.equal(registry.matching({ method: 'GET', kind: 'blob' })[0]?.headers.range, 'bytes=0-0');
      }
    }
  });
});

describe('an upstream that holds its headers back', () => {
  async function begun(t: Parameters<typeof startColdBlobs>[0]) {
    const clock = createManualClock();
    const image = buildImage({ layers: [2 * MiB] });
    const site = await startColdBlobs(t, { deps: { clock } });
    const [registry] = site.registries;
    const [layer] = image.layers;
    assert.ok(registry && layer);
    offer(site.registries, image);
    await get(site.manifestUrl('v1'));
    const held = gate();
    registry.on({ kind: 'blob', method: 'GET' }, holdHeaders(held));
    const answer = open(site.url(layer.digest));
    await held.arrived;
    return { clock, site, registry, layer, held, answer };
  }

  it('delays the answer for ten seconds and no longer, where the size is known', async (t) => {
    const { clock, site, layer, held, answer } = await begun(t);
    let isAnswered = false;
    void answer.then(() => {
      isAnswered = true;
    });
    await clock.advance(10 * seconds - 1);
    assert.equal(isAnswered, false);
    await clock.advance(1);
    await clock.armed(10);
    await clock.advance(10);
    const early = await answer;
    assert.equal(early.status, 200);
    assert.equal(early.headers['content-length'], String(layer.size));
    held.release();
    await restOf(early, layer);
    await site.stored(layer.digest);
    // The repository's own endpoint gave it: no endpoint needs to be asked again.
    const asked = site.asked('HEAD') + site.asked('GET');
    assert.equal((await pullWhole(site.url(layer.digest), layer)).cache, 'hit');
    assert.equal(site.asked('HEAD') + site.asked('GET'), asked);
  });

  it('and then fails, breaks the connection that was promised the bytes', async (t) => {
    const { clock, registry, answer } = await begun(t);
    await clock.advance(10 * seconds);
    await clock.armed(10);
    await clock.advance(10);
    const early = await answer;
    assert.equal(early.status, 200);
    await registry.refuse();
    const { body, complete } = await early.rest();
    assert.equal(body.length, 0);
    assert.equal(complete, false);
  });
});

describe('a transfer that was begun before a manifest named the blob', () => {
  it('and gets fewer bytes than that says, breaks the connection that was promised more', async (t) => {
    const clock = createManualClock();
    const image = buildImage({ layers: [2 * MiB] });
    const site = await startColdBlobs(t, { deps: { clock } });
    const [registry] = site.registries;
    const [layer] = image.layers;
    assert.ok(registry && layer);
    offer(site.registries, image);
    const held = gate();
    registry.on({ kind: 'blob' }, otherBody(layer.bytes(0, MiB)), holdHeaders(held));
    const first = get(site.url(layer.digest));
    await held.arrived;
    await get(site.manifestUrl('v1'));
    const promised = open(site.url(layer.digest));
    await clock.armed(10 * seconds);
    await clock.advance(10 * seconds);
    await clock.armed(10);
    await clock.advance(10);
    const { headers, rest } = await promised;
    assert.equal(headers['content-length'], String(layer.size));
    held.release();
    const { body, complete } = await rest();
    assert.equal(complete, false);
    assert.ok(body.length < MiB, 'the last bytes wait for the digest');
    await first;
  });
});

describe('an upstream that tells no size', () => {
  it('gives a right and complete answer all the same', async (t) => {
    const blob = generateBlob(3 * MiB, 'sizeless');
    const site = await startColdBlobs(t);
    const [registry] = site.registries;
    assert.ok(registry);
    offer(site.registries, blob);
    registry.on({ kind: 'blob' }, noContentLength());
    const answer = await open(site.url(blob.digest));
    assert.equal(answer.headers['content-length'], undefined);
    await restOf(answer, blob);
    assert.equal((await pullWhole(site.url(blob.digest), blob)).cache !== 'fetched', true);
    assert.equal(site.asked('GET'), 1);
  });
});

describe('a HEAD of a blob that no manifest describes and that is on its way', () => {
  it('has its size from the transfer, which its own image has started, and for no other image', async (t) => {
    const { registry, get: ask, at } = await startMirrored(t);
    const digest = registry.putGeneratedBlob(4 * MiB);
    const held = gate();
    t.after(() => held.release());
    registry.on({ kind: 'blob', method: 'GET', nth: 1 }, stallAfter(MiB, held));
    registry.on({}, status(503));
    const reader = await open(at('app', `blobs/${digest}`));
    await held.arrived;
    const head = await ask('app', `blobs/${digest}`, { method: 'HEAD' });
    assert.deepEqual([head.status, head.headers['content-length']], [200, `${4 * MiB}`]);
    assert.equal((await ask('other', `blobs/${digest}`, { method: 'HEAD' })).status, 502);
    reader.destroy();
  });
});
