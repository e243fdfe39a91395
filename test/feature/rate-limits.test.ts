/** Registries count requests and connections: what is asked of them, and what becomes of those who have to wait. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { startApp } from '../support/app.ts';
import { createManualClock } from '../support/clock.ts';
import { entry, readError, startRegistry } from '../support/endpoints.ts';
import { eventually } from '../support/eventually.ts';
import { holdHeaders, rateLimited, redirect, stallAfter, status } from '../support/fake-registry-faults.ts';
import { gate } from '../support/gate.ts';
import { get } from '../support/http-client.ts';
import { buildImage } from '../support/images.ts';

const minute = 60_000;
const images = Array.from({ length: 20 }, (_, seed) => buildImage({ seed, layers: [3000] }));

const layerOf = (digest: string | undefined) =>
  images.flatMap(({ layers }) => layers).find((layer) => layer.digest === digest) ?? '';

async function setUp(t: TestContext, toml: (host: string) => string = () => '') {
  const [mirror, source] = [await startRegistry(t), await startRegistry(t)];
  for (const [tag, image] of images.entries()) {
    mirror.putImage('team/app', `${tag}`, image);
    source.putImage('team/app', `${tag}`, image);
  }
  const clock = createManualClock();
  const registries = entry('ex.test', { mirrors: [mirror.host], source: source.host });
  const proxy = await startApp(t, { registries, toml: toml(mirror.host) }, { clock });
  const pull = (path: string) => get(`${proxy.url}/v2/ex.test/team/app/${path}`);
  const metric = async (name: string, host = mirror.host) => {
    const text = (await get(`${proxy.url}/metrics`)).body.toString();
    const line = text.split('\n').find((one) => one.startsWith(`${name}{host="${host}"}`));
    return line === undefined ? undefined : Number(line.split(' ').at(-1));
  };
  return { mirror, source, clock, proxy, pull, metric };
}

describe('a registry that counts requests', () => {
  it('is asked for 1000 pulls of 20 tags in ten minutes with 20 GETs, and a HEAD a minute for each tag', async (t) => {
    const { mirror, source, clock, pull } = await setUp(t);
    for (let turn = 0; turn < 50; turn += 1) {
      const answers = await Promise.all(images.map((_, tag) => pull(`manifests/${tag}`)));
      for (const [tag, answer] of answers.entries()) assert.deepEqual(answer.body, images[tag]?.bytes);
      await clock.advance((10 * minute) / 50);
    }
    assert.equal(mirror.count({ kind: 'manifest', method: 'GET' }), 20);
    const heads = images.map((_, tag) => mirror.count({ method: 'HEAD', reference: `${tag}` }));
    assert.deepEqual(new Set(heads), new Set([9]), 'one for each whole minute after the first pull');
    assert.equal(source.count(), 0);
  });

  it('is left alone until it may be asked, while the next one is, and what is cached is served', async (t) => {
    const { mirror, source, clock, pull, metric } = await setUp(t);
    assert.equal((await pull('manifests/1')).status, 200);
    mirror.clear();
    mirror.on({ kind: 'manifest', times: 1 }, rateLimited(300));
    const second = await pull('manifests/2');
    assert.equal(second.status, 200);
    assert.equal(source.count({ kind: 'manifest', reference: '2' }), 1);
    assert.equal(await metric('entrepot_upstream_cooling_seconds'), 300);

    const asked = mirror.count();
    await clock.advance(minute);
    const cached = await pull('manifests/1');
    assert.deepEqual([cached.status, cached.headers['x-entrepot-cache']], [200, 'revalidated']);
    assert.equal((await pull('manifests/3')).status, 200);
    assert.equal(mirror.count(), asked, 'not one request');

    await clock.advance(4 * minute);
    assert.equal(await metric('entrepot_upstream_cooling_seconds'), 0);
    assert.equal((await pull('manifests/4')).status, 200);
    assert.equal(mirror.count({ kind: 'manifest', reference: '4' }), 1);
  });

  it('is left alone over a reload, too', async (t) => {
    const { mirror, clock, proxy, pull, metric } = await setUp(t);
    mirror.on({ kind: 'manifest', times: 1 }, rateLimited(600));
    assert.equal((await pull('manifests/1')).status, 200);
    const asked = mirror.count();
    await proxy.reload({});
    assert.equal((await pull('manifests/2')).status, 200);
    assert.equal(mirror.count(), asked, 'not one request');
    assert.equal(await metric('entrepot_upstream_cooling_seconds'), 600);
    await clock.advance(10 * minute);
    assert.equal((await pull('manifests/3')).status, 200);
    assert.equal(mirror.count({ kind: 'manifest', reference: '3' }), 1);
  });

  it('and is the only one leaves the cached image to be served as stale, and a 503 for all else', async (t) => {
    const { mirror, source, clock, pull } = await setUp(t);
    await pull('manifests/1');
    await source.refuse();
    mirror.on({ kind: 'manifest' }, rateLimited(new Date(clock.now() + 10 * minute).toUTCString()));
    await clock.advance(minute);
    const cached = await pull('manifests/1');
    assert.deepEqual([cached.status, cached.headers['x-entrepot-cache']], [200, 'stale']);
    assert.match(cached.headers.warning ?? '', /^299 /);
    const missing = readError(await pull('manifests/2'));
    assert.equal(missing.status, 503);
    const until = new Date(clock.now() + 9 * minute).toISOString();
    assert.ok(missing.message.includes(`HTTP 429 until ${until}`), missing.message);
    const unlucky = missing.trail[0];
    assert.equal(unlucky?.reason, `not asked: HTTP 429 until ${until}`);
  });

  it('at another host, where it has its blobs, is itself asked for manifests all the same', async (t) => {
    const { mirror, source, clock, pull, metric } = await setUp(t);
    const cdn = await startRegistry(t);
    mirror.on(
      { kind: 'blob' },
      redirect(({ digest }) => cdn.putFile(`/${digest}`, layerOf(digest))),
    );
    cdn.on({ nth: 1 }, rateLimited(300));
    const [first, second, third] = images.map((image) => `blobs/${image.layers[0]?.digest}`);

    assert.equal((await pull(`${first}`)).status, 200);
    assert.deepEqual(
      [mirror.count({ kind: 'blob' }), cdn.count(), source.count({ kind: 'blob' })],
      [1, 1, 1],
    );
    assert.equal(await metric('entrepot_upstream_cooling_seconds'), 0);
    assert.equal(await metric('entrepot_upstream_cooling_seconds', cdn.host), 300);
    assert.equal((await pull('manifests/2')).status, 200);
    assert.equal(mirror.count({ kind: 'manifest' }), 1);
    assert.equal((await pull(`${second}`)).status, 200);
    assert.deepEqual(
      [cdn.count(), source.count({ kind: 'blob' })],
      [1, 2],
      'the one that said it is left alone',
    );

    await clock.advance(5 * minute);
    assert.equal((await pull(`${third}`)).status, 200);
    assert.deepEqual([cdn.count(), source.count({ kind: 'blob' })], [2, 2]);
  });

  it('at another host is told of as that', async (t) => {
    const { mirror, source, clock, pull } = await setUp(t);
    const cdn = await startRegistry(t);
    await source.refuse();
    mirror.on({ kind: 'blob' }, redirect(`${cdn.url}/layer`));
    cdn.on({}, rateLimited(60));
    const until = new Date(clock.now() + minute).toISOString();
    for (const not of ['', 'not asked: ']) {
      const { status, trail } = readError(await pull(`blobs/${images[0]?.layers[0]?.digest}`));
      assert.equal(status, 503);
      const words = not === '' ? ' (TOOMANYREQUESTS: too many requests)' : '';
      assert.equal(trail[0]?.reason, `redirected to ${cdn.host}: ${not}HTTP 429 until ${until}${words}`);
    }
  });

  it('is heard when it tells how many are left', async (t) => {
    const { mirror, pull, metric } = await setUp(t);
    assert.equal(await metric('entrepot_upstream_requests_remaining'), undefined);
    mirror.on({ kind: 'manifest', times: 1 }, rateLimited(1, { 'ratelimit-remaining': '0;w=21600' }));
    await pull('manifests/1');
    assert.equal(await metric('entrepot_upstream_requests_remaining'), 0);
  });
});

describe('a registry that allows few connections', () => {
  const few = (count: number) => (host: string) =>
    `[upstream]\nqueue_timeout = "20s"\n[[upstream.host]]\nhost = "${host}"\nmax_connections = ${count}\n`;

  it('never has more, and everybody is served', async (t) => {
    const { mirror, pull } = await setUp(t, few(2));
    const layers = images.map((image) => `blobs/${image.layers[0]?.digest}`);
    const answers = await Promise.all(layers.flatMap((path, tag) => [pull(path), pull(`manifests/${tag}`)]));
    for (const { status } of answers) assert.equal(status, 200);
    assert.ok(mirror.peakConnections() <= 3, `${mirror.peakConnections()}, with one to find out the scheme`);
    assert.equal(mirror.count({ kind: 'blob' }), 20);
  });

  it('serves those who wait in their order, manifests before blobs', async (t) => {
    const { mirror, pull, source, clock } = await setUp(t, few(1));
    await source.refuse();
    const [blocker, ...others] = images.slice(0, 4).map((image) => image.layers[0]?.digest);
    await pull('manifests/0');
    mirror.clear();
    const hold = gate();
    mirror.on({ kind: 'blob', nth: 1 }, stallAfter(100, hold));
    const pulls = [pull(`blobs/${blocker}`)];
    await hold.arrived;
    for (const path of [`blobs/${others[0]}`, 'manifests/5', `blobs/${others[1]}`, 'manifests/6']) {
      pulls.push(pull(path));
      const inQueue = () => clock.pending.filter((ms) => ms === 20_000).length;
      await eventually(`${path} is waiting`, () => inQueue() === pulls.length - 1);
    }
    hold.release();
    for (const { status } of await Promise.all(pulls)) assert.equal(status, 200);
    assert.deepEqual(
      mirror.requests.map(({ reference }) => reference),
      [blocker, '5', '6', others[0], others[1]],
    );
  });

  it('has them back from errors whose pages never end', async (t) => {
    const { mirror, source, clock, pull } = await setUp(t, few(1));
    await source.refuse();
    const hold = gate();
    t.after(() => hold.release());
    mirror.on({ reference: '1' }, status(404, {}, 'no such image'), stallAfter(4, hold));
    assert.equal((await pull('manifests/1')).status, 502);
    const next = pull('manifests/2');
    await clock.armed(20_000);
    await clock.advance(5000);
    assert.equal((await next).status, 200);
  });

  it('makes nobody wait for longer than queue_timeout: then it is a 503 that says why', async (t) => {
    const { mirror, source, clock, pull } = await setUp(t, few(1));
    await source.refuse();
    await pull('manifests/0');
    const hold = gate();
    mirror.on({ kind: 'manifest' }, holdHeaders(hold));
    const first = pull('manifests/1');
    await hold.arrived;
    const second = pull('manifests/2');
    await clock.armed(20_000);
    await clock.advance(14_000);
    hold.release();
    assert.equal((await first).status, 200);
    assert.equal((await second).status, 200, 'it got the turn of the first');

    const again = gate();
    mirror.heal();
    mirror.on({ kind: 'blob' }, stallAfter(100, again));
    const layer = pull(`blobs/${images[0]?.layers[0]?.digest}`);
    await again.arrived;
    const late = pull('manifests/3');
    await clock.armed(20_000);
    await clock.advance(20_000);
    const answer = readError(await late);
    assert.deepEqual([answer.status, answer.code], [503, 'TOOMANYREQUESTS']);
    assert.equal(answer.trail[0]?.reason, 'no connection came free within 20 s (max_connections = 1)');
    again.release();
    assert.equal((await layer).status, 200);
  });
});
