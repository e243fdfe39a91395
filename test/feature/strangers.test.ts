/**
 * Two images of different registries, or of one registry, name the same layer. What one image's endpoints say, send or leave
 * out decides nothing for the other: not its size, its bytes, its pace, the blame or the absence.
 */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { startApp } from '../support/app.ts';
import { generateBlob } from '../support/byte-source.ts';
import { createManualClock, type ManualClock } from '../support/clock.ts';
import { KiB, MiB, overlook, pullWhole } from '../support/cold-blobs.ts';
import { entry, startRegistry } from '../support/endpoints.ts';
import { eventually } from '../support/eventually.ts';
import type { FakeRegistry } from '../support/fake-registry.ts';
import {
  holdHeaders,
  neverAnswer,
  noContentLength,
  otherBody,
  stallAfter,
  status,
} from '../support/fake-registry-faults.ts';
import { gate } from '../support/gate.ts';
import { get, open } from '../support/http-client.ts';
import { buildImage } from '../support/images.ts';

const seconds = 1000;
const good = 'good.test/team/app';
const evil = 'evil.test/x/y';
const layer = generateBlob(3 * MiB, 'shared layer');

interface Options {
  readonly toml?: string;
  readonly folder?: string;
  readonly clock?: ManualClock;
  /** What the stranger's manifest says of the layer's size. */
  readonly told?: number;
}

/** Two registries that strangers run; each has a manifest that names the same layer. */
async function site(t: TestContext, options: Options = {}) {
  const registries = { good: await startRegistry(t), evil: await startRegistry(t) };
  const proxy = await startApp(
    t,
    {
      registries: [
        entry('good.test', { source: registries.good.host }),
        entry('evil.test', { source: registries.evil.host }),
      ].join('\n'),
      toml: options.toml ?? '',
      ...(options.folder !== undefined && { folder: options.folder }),
    },
    options.clock && { clock: options.clock },
  );
  registries.good.putImage('team/app', '1', buildImage({ layers: [layer] }));
  offerLie(registries.evil, options.told ?? layer.size);
  const view = overlook(proxy, []);
  return {
    ...registries,
    ...view,
    /** Resolves when no transfer is under way. */
    ended: () =>
      eventually(
        'the transfers have ended',
        async () => (await view.metric('entrepot_transfers_in_flight')) === 0,
      ),
    at: (image: string, path = `blobs/${layer.digest}`) => `${proxy.url}/v2/${image}/${path}`,
    blamed: () =>
      proxy.log.filter(({ msg }) => /broke off|wrong digest/.test(String(msg))).map((line) => line.endpoint),
  };
}

/** Moves time on until an answer begins with the size that the manifest told, though no endpoint has answered. */
async function startsUnanswered(clock: ManualClock): Promise<void> {
  await clock.advance(10 * seconds);
  await clock.armed(10);
  await clock.advance(10);
}

/** A manifest that tells this size of the layer, and the layer itself. */
function offerLie(registry: FakeRegistry, size: number, repository = 'x/y'): void {
  registry.putImage(repository, '1', buildImage({ layers: [{ ...layer, size }], seed: 'evil' }));
  registry.putBlob(layer);
}

function junk(size: number): Uint8Array {
  return Buffer.alloc(size, 'X');
}

describe('a transfer that a stranger has begun', () => {
  for (const told of [layer.size, layer.size + 256 * KiB, layer.size - 256 * KiB]) {
    it(`and whose registry is silent, holds nothing up where its manifest tells ${told} bytes`, async (t) => {
      const clock = createManualClock();
      const here = await site(t, { told, clock });
      for (const image of [evil, good]) await get(here.at(image, 'manifests/1'));
      const held = gate();
      here.evil.on({ kind: 'blob' }, otherBody(junk(told)), holdHeaders(held));
      const early = open(here.at(evil));
      await held.arrived;
      await startsUnanswered(clock);
      const promised = await early;
      assert.equal(promised.headers['content-length'], String(told));
      await pullWhole(here.at(good), layer);
      held.release();
      const { body, complete } = await promised.rest();
      assert.equal(complete, false, 'nothing wrong is ever whole');
      assert.ok(body.length < told);
    });

    it(`and that sends ${told} other bytes, gives none of them to another image`, async (t) => {
      const here = await site(t, { told });
      const held = gate();
      here.evil.on({ kind: 'blob' }, otherBody(junk(told)), stallAfter(2 * MiB, held));
      const stranger = open(here.at(evil));
      await held.arrived;
      await pullWhole(here.at(good), layer);
      held.release();
      assert.equal((await (await stranger).rest()).complete, false);
      assert.ok(!here.blamed().some((one) => String(one).startsWith(here.good.host)));
    });
  }

  it('is not waited for where the manifest of the image tells the size, and no endpoint is late', async (t) => {
    const clock = createManualClock();
    const here = await site(t, { told: layer.size + 256 * KiB, clock });
    for (const image of [evil, good]) await get(here.at(image, 'manifests/1'));
    here.evil.on({ kind: 'blob' }, neverAnswer());
    const leaving = new AbortController();
    const stranger = assert.rejects(get(here.at(evil), { signal: leaving.signal }));
    await here.evil.seen({ kind: 'blob', method: 'GET' });
    assert.equal((await pullWhole(here.at(good), layer)).cache, 'fetched');
    assert.equal(here.good.count({ kind: 'blob', method: 'HEAD' }), 0);
    leaving.abort();
    await stranger;
  });

  it('and that tells no size, ends nothing early', async (t) => {
    const here = await site(t);
    const held = gate();
    here.evil.on({ kind: 'blob' }, otherBody(junk(MiB)), noContentLength(), stallAfter(512 * KiB, held));
    const stranger = open(here.at(evil));
    await held.arrived;
    const victim = pullWhole(here.at(good), layer);
    held.release();
    await victim;
    assert.equal((await (await stranger).rest()).complete, false);
  });

  it('makes nothing absent', async (t) => {
    const here = await site(t);
    const held = gate();
    here.evil.on({ kind: 'blob' }, holdHeaders(held), status(404));
    const stranger = get(here.at(evil));
    await held.arrived;
    const victim = pullWhole(here.at(good), layer);
    held.release();
    assert.equal((await stranger).status, 404);
    await victim;
  });
});

describe('a late answer of the image itself', () => {
  for (const [what, size] of [
    ['more', layer.size + 256 * KiB],
    ['fewer', layer.size - 256 * KiB],
    ['as many', layer.size],
  ] as const) {
    it(`is never whole where ${what} bytes come than its manifest tells, and they are wrong`, async (t) => {
      const clock = createManualClock();
      const here = await site(t, { clock });
      await get(here.at(good, 'manifests/1'));
      const held = gate();
      here.good.on({ kind: 'blob' }, otherBody(junk(size)), holdHeaders(held));
      const early = open(here.at(good));
      await held.arrived;
      await startsUnanswered(clock);
      const { headers, rest } = await early;
      assert.equal(headers['content-length'], String(layer.size));
      held.release();
      const { body, complete } = await rest();
      assert.equal(complete, false);
      assert.ok(body.length <= layer.size - 256 * KiB, 'the last bytes wait for the digest');
    });
  }
});

describe('a manifest that tells a wrong size of a layer', () => {
  it('concerns its own repository alone, on one honest registry, too', async (t) => {
    const here = await site(t);
    offerLie(here.good, layer.size + 1000, 'attacker/mount');
    const attacker = 'good.test/attacker/mount';
    await get(here.at(attacker, 'manifests/1'));
    const held = gate();
    here.good.on({ kind: 'blob', repository: 'attacker/mount' }, holdHeaders(held));
    const attack = get(here.at(attacker));
    await held.arrived;
    for (let time = 0; time < 2; time++) await pullWhole(here.at(good), layer);
    held.release();
    await attack;
    // However often it is asked for, it counts against no endpoint: the manifest may be what is wrong.
    for (let time = 0; time < 5; time++) await get(here.at(attacker));
    const health = (await get(`${here.proxy.url}/metrics`)).body.toString();
    assert.doesNotMatch(health, /entrepot_upstream_faults_total\{[^}]*\} [1-9]/);
    assert.doesNotMatch(health, /entrepot_upstream_breaker_open\{[^}]*\} 1/);
  });
});

describe('bytes that a stranger has left on the disk', () => {
  it('are no part of any other image, before a restart and after it', async (t) => {
    const here = await site(t, { toml: '[transfer]\nfill = "never"\n' });
    const held = gate();
    here.evil.on({ kind: 'blob', method: 'GET' }, otherBody(junk(layer.size)), stallAfter(2 * MiB, held));
    const stranger = await open(here.at(evil));
    await stranger.read(MiB);
    stranger.destroy();
    await here.ended();
    assert.ok(here.incoming().length > 0);
    const range = { headers: { range: 'bytes=0-999' } };
    assert.deepEqual((await get(here.at(good), range)).body, layer.bytes(0, 1000));
    await here.proxy.stop();

    const again = await site(t, { folder: here.proxy.folder });
    assert.deepEqual((await get(again.at(good), range)).body, layer.bytes(0, 1000));
    await pullWhole(again.at(good), layer);
    assert.deepEqual(again.blamed(), []);
  });
});

describe('what a transfer has left', () => {
  it('is gone on with by each range that a client asks for, and costs no line at level info', async (t) => {
    const here = await site(t, { toml: '[transfer]\nfill = "never"\n' });
    const levels = [];
    for (let range = 0; range < 4; range++) {
      const headers = { range: `bytes=${range * 1000}-${range * 1000 + 999}` };
      assert.equal((await get(here.at(good), { headers })).status, 206);
      await here.ended();
    }
    for (const { msg, level } of here.proxy.log) if (msg === 'resuming a transfer') levels.push(level);
    assert.deepEqual(levels, ['debug', 'debug', 'debug']);
  });
});

describe('a layer that two repositories of one registry share', () => {
  it('is fetched once for both, after the second has confirmed it at its own endpoint', async (t) => {
    const here = await site(t);
    here.good.putBlob(layer, ['team/app', 'team/other']);
    const held = gate();
    here.good.on({ kind: 'blob', method: 'GET' }, stallAfter(MiB, held));
    const first = pullWhole(here.at(good), layer);
    await held.arrived;
    const second = pullWhole(here.at('good.test/team/other'), layer);
    await here.good.seen({ kind: 'blob', method: 'HEAD', repository: 'team/other' });
    held.release();
    await Promise.all([first, second]);
    assert.equal(here.good.count({ kind: 'blob', method: 'GET' }), 1);
  });
});
