/** Endpoints are asked in the order of registries.conf, for as long as they answer; and again, once they do. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { startApp } from '../support/app.ts';
import { startBlackHole } from '../support/black-hole.ts';
import { createManualClock } from '../support/clock.ts';
import { entry, readError, startRegistry } from '../support/endpoints.ts';
import { eventually } from '../support/eventually.ts';
import type { FakeRegistry } from '../support/fake-registry.ts';
import { holdHeaders, neverAnswer, stallAfter, status } from '../support/fake-registry-faults.ts';
import { gate } from '../support/gate.ts';
import { get } from '../support/http-client.ts';
import { buildImage } from '../support/images.ts';

const images = Array.from({ length: 10 }, (_, seed) => buildImage({ seed, layers: [2000] }));

/** Two mirrors and a source that all have the same tags `0` to `9`, and time that the test moves. */
async function setUp(t: TestContext, toml = '') {
  const [first, second, source] = await Promise.all([startRegistry(t), startRegistry(t), startRegistry(t)]);
  for (const registry of [first, second, source]) {
    for (const [tag, image] of images.entries()) registry.putImage('team/app', `${tag}`, image);
  }
  const clock = createManualClock();
  const registries = entry('ex.test', { mirrors: [first.host, second.host], source: source.host });
  const proxy = await startApp(t, { registries, toml }, { clock });
  let tag = 0;
  /** Pulls a tag that was not pulled before, and tells who was asked for its manifest. */
  const pull = async (): Promise<string> => {
    for (const registry of [first, second, source]) registry.clear();
    const answer = await get(`${proxy.url}/v2/ex.test/team/app/manifests/${tag++}`);
    assert.equal(answer.status, 200);
    return asked();
  };
  const named = { first, second, source };
  const asked = () =>
    Object.entries(named)
      .filter(([, registry]) => registry.count({ kind: 'manifest' }) > 0)
      .map(([name]) => name)
      .join(' ');
  const openBreakers = async () => {
    const text = (await get(`${proxy.url}/metrics`)).body.toString();
    const lines = text.matchAll(/^entrepot_upstream_breaker_open\{host="(.+)"\} 1$/gm);
    return [...lines].map(([, host]) => host);
  };
  /** The log says that a probe of the first mirror went well. */
  const answersAgain = (mirror = first.host) =>
    eventually('the first mirror is trusted again', () =>
      proxy.log.some(({ host, msg }) => host === mirror && /answers again/.test(String(msg))),
    );
  return { ...named, clock, proxy, pull, openBreakers, answersAgain };
}

const dying: [string, (registry: FakeRegistry) => unknown, (registry: FakeRegistry) => unknown][] = [
  ['refuses connections', (one) => one.refuse(), (one) => one.restart()],
  ['says 503', (one) => one.on({}, status(503)), (one) => one.heal()],
];

describe('endpoints', () => {
  it('after the first that has the image are not asked', async (t) => {
    const { pull, first } = await setUp(t);
    assert.equal(await pull(), 'first');
    first.on({ kind: 'manifest' }, status(404));
    assert.equal(await pull(), 'first second');
  });

  for (const [what, break_, heal] of dying) {
    it(`keep their order through the whole life of one that ${what}`, async (t) => {
      const { clock, pull, first, proxy, openBreakers, answersAgain } = await setUp(t);
      assert.equal(await pull(), 'first');
      await break_(first);
      for (let time = 0; time < 3; time += 1) assert.match(await pull(), /second$/);
      assert.equal(await pull(), 'second', 'after three failures it is not asked');
      await eventually('the host is known to be down', async () => (await openBreakers())[0] === first.host);
      const opened = proxy.log.find(({ host, retryIn }) => host === first.host && retryIn === 2000);
      assert.equal(opened?.level, 'warn', 'the log says so');

      await heal(first);
      await clock.advance(2000);
      assert.match(await pull(), /second$/, 'one probe goes beside the next, which need not wait for it');
      await answersAgain();
      assert.equal(await pull(), 'first', 'and then it is the first again');
      assert.deepEqual(await openBreakers(), []);
    });
  }

  it('that are black holes are passed by after a second, and not again until they answer', async (t) => {
    const { clock, pull, first, openBreakers, answersAgain } = await setUp(t);
    assert.equal(await pull(), 'first');
    const hole = first.on({}, neverAnswer());
    const reached = first.next();
    const pulling = pull();
    await reached;
    await clock.advance(999);
    await clock.advance(1);
    assert.match(await pulling, /second$/);
    assert.deepEqual(await openBreakers(), [first.host]);
    assert.equal(await pull(), 'second', 'without any time passing');
    hole.remove();
    await clock.advance(2000);
    await pull();
    await answersAgain();
    assert.equal(await pull(), 'first');
  });

  it('that were black holes before they told their scheme are asked anew when they have healed', async (t) => {
    const { clock, proxy, first, source, answersAgain } = await setUp(t);
    const hole = await startBlackHole();
    t.after(() => hole.stop());
    await proxy.reload({ registries: entry('ex.test', { mirrors: [hole.host], source: source.host }) });
    const pull = (tag: number) => get(`${proxy.url}/v2/ex.test/team/app/manifests/${tag}`);
    const pulling = pull(0);
    await hole.reached;
    await clock.advance(1000);
    assert.equal((await pulling).status, 200);
    hole.heal(first.port);
    await clock.advance(2000);
    assert.equal((await pull(1)).status, 200);
    await answersAgain(hole.host);
    assert.equal((await pull(2)).status, 200);
    assert.equal(first.count({ reference: '2' }), 1);
  });

  it('that begin to answer and never end cost a second three times, then nothing', async (t) => {
    const { clock, pull, first, second, openBreakers } = await setUp(t);
    const hold = gate();
    t.after(() => hold.release());
    first.on({ kind: 'manifest' }, stallAfter(10, hold));
    for (let time = 1; time <= 3; time += 1) {
      const reached = first.next({ kind: 'manifest' });
      const pulling = pull();
      await reached;
      await hold.arrivals(time);
      const next = second.next({ kind: 'manifest' });
      await clock.advance(1000);
      await next;
      assert.equal(await pulling, 'first second');
    }
    assert.equal(await pull(), 'second', 'without any time passing');
    assert.deepEqual(await openBreakers(), [], 'the host itself answers');
  });

  it('that are only slow are not left for dead, and are the first again', async (t) => {
    const { clock, pull, first, openBreakers } = await setUp(t);
    for (let time = 0; time < 4; time += 1) await pull();
    const hold = gate();
    first.on({ nth: 1, kind: 'manifest' }, holdHeaders(hold));
    const pulling = pull();
    await hold.arrived;
    await clock.advance(400);
    hold.release();
    assert.equal(await pulling, 'first', 'it has half a second even where it always answered at once');
    assert.deepEqual(await openBreakers(), []);
  });

  it('that take part in one pull share its total_timeout', async (t) => {
    const { clock, first, second, source, proxy } = await setUp(t, '[upstream]\ntotal_timeout = "2500ms"\n');
    const reached = [first, second, source].map((registry) => {
      registry.on({ kind: 'manifest' }, neverAnswer());
      return registry.next({ kind: 'manifest' });
    });
    const pulling = get(`${proxy.url}/v2/ex.test/team/app/manifests/1`);
    await reached[0];
    await clock.advance(1000);
    await reached[1];
    await clock.advance(1000);
    await reached[2];
    await clock.advance(499);
    await clock.advance(1);
    const answer = readError(await pulling);
    assert.equal(answer.status, 502);
    const hosts = [first, second, source].map(({ host }) => `${host} overdue`);
    assert.deepEqual(answer.outline, hosts);
  });

  it('are asked for a blob in the order of the one that gave the manifest', async (t) => {
    const { first, second, source, proxy } = await setUp(t);
    first.on({ kind: 'manifest' }, status(404));
    const [image] = images;
    const layer = image?.layers[0]?.digest;
    await get(`${proxy.url}/v2/ex.test/team/app/manifests/0`);
    const answer = await get(`${proxy.url}/v2/ex.test/team/app/blobs/${layer}`);
    assert.equal(answer.status, 200);
    const counts = [first, second, source].map((registry) => registry.count({ kind: 'blob' }));
    assert.deepEqual(counts, [0, 1, 0]);
  });
});
