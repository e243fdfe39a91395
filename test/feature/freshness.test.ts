/** How long a tag is taken at its word, and what it costs to ask again. Time is moved by hand. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { startApp } from '../support/app.ts';
import { createManualClock } from '../support/clock.ts';
import { eventually } from '../support/eventually.ts';
import { holdHeaders, status, withHeaders } from '../support/fake-registry-faults.ts';
import { gate } from '../support/gate.ts';
import { get } from '../support/http-client.ts';
import { buildImage } from '../support/images.ts';
import {
  cacheOf,
  insecureRegistry,
  type MirroredOptions,
  startMirrored,
} from '../support/mirrored-registry.ts';

const repository = 'team/app';
const first = buildImage({ seed: 1 });
const second = buildImage({ seed: 2 });
const seconds = 1000;

/** A mirrored registry whose tag `1` was pulled just now. */
async function pulled(t: TestContext, toml = '', options: MirroredOptions = {}) {
  const mirrored = await startMirrored(t, { toml, ...options });
  const { registry } = mirrored;
  registry.putImage(repository, '1', first);
  const pull = (reference = '1', more = {}) => mirrored.get(repository, `manifests/${reference}`, more);
  assert.equal(cacheOf(await pull()), 'fetched');
  registry.clear();
  return { ...mirrored, pull };
}

describe('a tag', () => {
  it('is served without asking for freshness.tag, then asked for with one HEAD', async (t) => {
    const { registry, clock, pull } = await pulled(t);
    await clock.advance(60 * seconds - 1);
    assert.equal(cacheOf(await pull()), 'hit');
    assert.equal(registry.count(), 0);

    await clock.advance(1);
    const answer = await pull();
    assert.equal(cacheOf(answer), 'revalidated');
    assert.deepEqual(answer.body, first.bytes);
    assert.deepEqual(
      registry.requests.map(({ method, reference }) => [method, reference]),
      [['HEAD', '1']],
    );
    assert.equal(cacheOf(await pull()), 'hit');
  });

  it('is asked for at once by a client that wants it revalidated, but once a second at most', async (t) => {
    const { registry, clock, pull } = await pulled(t);
    registry.putImage(repository, '1', second);
    assert.deepEqual((await pull()).body, first.bytes);
    const revalidating = { headers: { 'cache-control': 'max-age=0, No-Cache' } };
    assert.equal(cacheOf(await pull('1', revalidating)), 'hit', 'it was pulled just now');
    await clock.advance(seconds);
    assert.equal(cacheOf(await pull('1', { headers: { 'cache-control': 'no-cached' } })), 'hit');
    assert.deepEqual((await pull('1', revalidating)).body, second.bytes);
    registry.clear();
    for (let n = 0; n < 5; n++) assert.equal(cacheOf(await pull('1', revalidating)), 'hit');
    assert.equal(cacheOf(await pull(second.digest, revalidating)), 'hit');
    assert.equal(registry.count(), 0);
  });

  it('costs one HEAD however many wait for it', async (t) => {
    const { registry, clock, pull } = await pulled(t);
    await clock.advance(60 * seconds);
    const hold = gate();
    registry.on({ kind: 'manifest' }, holdHeaders(hold));
    const waiting = Array.from({ length: 50 }, () => pull());
    await hold.arrived;
    hold.release();
    for (const answer of await Promise.all(waiting)) assert.deepEqual(answer.body, first.bytes);
    assert.equal(registry.count({ method: 'HEAD' }), 1);
    assert.equal(registry.count({ method: 'GET' }), 0);
  });

  it('that has moved is fetched, once, and the old digest stays', async (t) => {
    const { registry, clock, pull } = await pulled(t);
    registry.putImage(repository, '1', second);
    await clock.advance(60 * seconds);
    const answers = await Promise.all([pull(), pull(), pull()]);
    for (const answer of answers) assert.deepEqual(answer.body, second.bytes);
    assert.equal(cacheOf(answers[0]!), 'fetched');
    assert.equal(registry.count({ method: 'GET', kind: 'manifest' }), 1);
    assert.equal(cacheOf(await pull()), 'hit');
    assert.equal(cacheOf(await pull(first.digest)), 'hit');
  });

  it('that moves back to an image that is here costs no GET', async (t) => {
    const { registry, clock, pull } = await pulled(t);
    registry.putImage(repository, '1', second);
    await clock.advance(60 * seconds);
    await pull();
    registry.putImage(repository, '1', first);
    await clock.advance(60 * seconds);
    registry.clear();
    const answer = await pull();
    assert.equal(cacheOf(answer), 'revalidated');
    assert.deepEqual(answer.body, first.bytes);
    assert.equal(registry.count({ method: 'GET' }), 0);
  });

  it('is asked for with a GET where the HEAD bears no digest', async (t) => {
    const { registry, clock, pull } = await pulled(t);
    registry.on({ method: 'HEAD' }, withHeaders({ 'docker-content-digest': undefined }));
    registry.putImage(repository, '1', second);
    await clock.advance(60 * seconds);
    assert.deepEqual((await pull()).body, second.bytes);
    await clock.advance(60 * seconds);
    assert.equal(cacheOf(await pull()), 'revalidated');
  });

  it('is asked for with a GET where HEAD is not supported', async (t) => {
    const { registry, clock, pull } = await pulled(t);
    registry.on({ method: 'HEAD' }, status(405));
    await clock.advance(60 * seconds);
    assert.equal(cacheOf(await pull()), 'revalidated');
  });

  it('stays as fresh as its own rule says', async (t) => {
    const rules = `
      [freshness]
      tag = "10s"
      [[freshness.rule]]
      match = "*/team/*:stable-*"
      tag = "1h"
      [[freshness.rule]]
      match = "**:latest"
      tag = "0s"`;
    const { registry, clock, pull } = await pulled(t, rules);
    for (const tag of ['stable-1', 'latest']) registry.putImage(repository, tag, first);
    for (const tag of ['stable-1', 'latest']) await pull(tag);
    assert.equal(cacheOf(await pull('latest')), 'revalidated');
    await clock.advance(10 * seconds);
    assert.equal(cacheOf(await pull('1')), 'revalidated');
    assert.equal(cacheOf(await pull('stable-1')), 'hit');
    await clock.advance(3600 * seconds);
    assert.equal(cacheOf(await pull('stable-1')), 'revalidated');
  });

  it('keeps its age over a restart', async (t) => {
    const { registry, proxy, clock, pull } = await pulled(t);
    await clock.advance(30 * seconds);
    await proxy.stop();
    const again = await startApp(
      t,
      { registries: insecureRegistry(registry.host), folder: proxy.folder },
      { clock },
    );
    const repull = () => get(`${again.url}/v2/${registry.host}/${repository}/manifests/1`);
    assert.equal(cacheOf(await repull()), 'hit');
    await clock.advance(30 * seconds);
    assert.equal(cacheOf(await repull()), 'revalidated');
    await assert.rejects(pull());
  });
});

describe('a tag that was confirmed by a clock that was ahead', () => {
  it('counts as old, so that it does not stay until that date', async (t) => {
    const { registry, proxy } = await pulled(t, '', { clock: createManualClock(Date.UTC(2036, 0, 1)) });
    await proxy.stop();
    registry.putImage(repository, '1', second);
    const again = await startApp(
      t,
      { registries: insecureRegistry(registry.host), folder: proxy.folder },
      { clock: createManualClock(Date.UTC(2026, 0, 1)) },
    );
    const answer = await get(`${again.url}/v2/${registry.host}/${repository}/manifests/1`);
    assert.deepEqual(answer.body, second.bytes);
  });
});

describe('a digest', () => {
  it('is never asked for again', async (t) => {
    const { registry, clock, pull } = await pulled(t);
    await clock.advance(3600 * seconds);
    assert.equal(cacheOf(await pull(first.digest)), 'hit');
    assert.equal(registry.count(), 0);
  });
});

describe('what every registry says 404 to', () => {
  it('is remembered for freshness.missing', async (t) => {
    const { registry, clock, pull } = await pulled(t);
    assert.equal((await pull('none')).status, 404);
    const asked = registry.count();
    await clock.advance(10 * seconds - 1);
    assert.equal((await pull('none')).status, 404);
    assert.equal(registry.count(), asked);
    registry.putImage(repository, 'none', second);
    await clock.advance(1);
    assert.deepEqual((await pull('none')).body, second.bytes);
  });

  it('is remembered for blobs and tag lists, too', async (t) => {
    const { registry, get } = await pulled(t);
    for (const path of [`blobs/${second.config!.digest}`, 'tags/list']) {
      assert.equal((await get('team/none', path)).status, 404);
      const asked = registry.count();
      assert.equal((await get('team/none', path)).status, 404);
      assert.equal(registry.count(), asked, path);
    }
  });

  it('as a manifest may be a blob: containerd asks in this order for a digest of unknown kind', async (t) => {
    const { get } = await pulled(t);
    const layer = first.layers[0]!;
    assert.equal((await get(repository, `manifests/${layer.digest}`)).status, 404);
    const blob = await get(repository, `blobs/${layer.digest}`);
    assert.deepEqual([blob.status, blob.body], [200, layer.bytes()]);
  });

  it('as a blob may be a manifest', async (t) => {
    const { registry, get } = await pulled(t);
    registry.putImage(repository, '2', second);
    assert.equal((await get(repository, `blobs/${second.digest}`)).status, 404);
    assert.deepEqual((await get(repository, `manifests/${second.digest}`)).body, second.bytes);
  });

  it('takes the tag away, but not what it named', async (t) => {
    const { registry, clock, pull } = await pulled(t);
    registry.removeManifest(repository, '1');
    await clock.advance(60 * seconds);
    assert.equal((await pull()).status, 404);
    assert.equal(cacheOf(await pull(first.digest)), 'hit');
    await registry.stop();
    assert.notEqual((await pull()).status, 200);
  });

  it('leaves the tag where on_missing is "keep"', async (t) => {
    const { registry, clock, pull } = await pulled(t, '[freshness]\non_missing = "keep"');
    registry.removeManifest(repository, '1');
    await clock.advance(60 * seconds);
    const answer = await pull();
    assert.deepEqual([answer.status, cacheOf(answer)], [200, 'stale']);
    assert.deepEqual(answer.body, first.bytes);
    registry.clear();
    assert.equal(cacheOf(await pull()), 'stale');
    assert.equal(registry.count(), 0, 'the 404 is remembered here, too');
  });

  it('leaves the tag where one mirror could not be asked', async (t) => {
    const registries = (registry: { host: string }) => `
      [[registry]]
      location = "${registry.host}"
      insecure = true
      [[registry.mirror]]
      location = "127.0.0.1:1/mirror"
      insecure = true`;
    const { registry, clock, pull } = await pulled(t, '', { registries });
    registry.removeManifest(repository, '1');
    await clock.advance(60 * seconds);
    assert.equal(cacheOf(await pull()), 'stale');
  });
});

describe('serve_stale_while_revalidating', () => {
  const toml = '[freshness]\nserve_stale_while_revalidating = true';

  it('answers with the old image at once, and with the new one afterwards', async (t) => {
    const { registry, clock, pull } = await pulled(t, toml);
    registry.putImage(repository, '1', second);
    await clock.advance(60 * seconds);
    const hold = gate();
    registry.on({ method: 'HEAD' }, holdHeaders(hold));
    const asked = registry.next({ method: 'GET', kind: 'manifest' });
    const answer = await pull();
    assert.equal(cacheOf(answer), 'stale');
    assert.deepEqual(answer.body, first.bytes);
    hold.release();
    await (await asked).ended;
    // The GET is over; that the manifest is on the disk and the tag is set follows.
    await eventually('the new image', async () => second.bytes.equals((await pull()).body));
  });

  it('asks once, however often the old one is served meanwhile', async (t) => {
    const { registry, clock, pull } = await pulled(t, toml);
    await clock.advance(60 * seconds);
    const hold = gate();
    registry.on({ method: 'HEAD' }, holdHeaders(hold));
    for (let i = 0; i < 5; i += 1) assert.equal(cacheOf(await pull()), 'stale');
    await hold.arrived;
    assert.equal(registry.count(), 1);
    hold.release();
  });
});
