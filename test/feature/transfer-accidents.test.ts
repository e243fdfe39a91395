/**
 * What can go wrong in the middle of a blob. The rule behind all of it: a client gets one unbroken, right answer where any
 * endpoint can give the rest, else a broken connection; never a wrong body that looks whole.
 */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { type Blob, generateBlob } from '../support/byte-source.ts';
import { createManualClock } from '../support/clock.ts';
import {
  type ColdBlobs,
  type ColdBlobsOptions,
  comparison,
  KiB,
  MiB,
  offer,
  pullWhole,
  restOf,
  startColdBlobs,
} from '../support/cold-blobs.ts';
import { eventually } from '../support/eventually.ts';
import type { FakeRegistry } from '../support/fake-registry.ts';
import {
  corruptAt,
  cutAfter,
  endShort,
  type Fault,
  gzipped,
  holdHeaders,
  htmlPage,
  noContentLength,
  otherBody,
  rate,
  stallAfter,
  status,
  tooMuch,
  wrongContentLength,
  wrongContentRange,
} from '../support/fake-registry-faults.ts';
import { gate } from '../support/gate.ts';
import { get, open } from '../support/http-client.ts';
import { buildImage } from '../support/images.ts';

const size = 10 * MiB;
const most = 0.6 * size;

interface Scene extends ColdBlobs {
  readonly mirror: FakeRegistry;
  readonly source: FakeRegistry;
  readonly layer: Blob;
}

/** A mirror and a source with one image; `declared`: its manifest was pulled, so the size of the layer is known. */
async function scene(
  t: TestContext,
  {
    declared = false,
    layerSize = size,
    ...options
  }: ColdBlobsOptions & { declared?: boolean; layerSize?: number } = {},
): Promise<Scene> {
  const layer = generateBlob(layerSize, t.name);
  const site = await startColdBlobs(t, { registries: 2, ...options });
  const [mirror, source] = site.registries;
  assert.ok(mirror && source);
  offer(site.registries, buildImage({ layers: [layer] }));
  if (declared) assert.equal((await get(site.manifestUrl('v1'))).status, 200);
  return { ...site, mirror, source, layer };
}

/** The answer is whole and right, cost hardly more than the blob, and ended up in the store. */
async function comesUnbroken({ url, layer, received, stored, source }: Scene, extra = 0): Promise<void> {
  const before = await received();
  await pullWhole(url(layer.digest), layer);
  await stored(layer.digest);
  const cost = (await received()) - before;
  assert.ok(cost <= 1.05 * layer.size + extra, `${cost} bytes for a blob of ${layer.size}`);
  assert.ok(source.count({ kind: 'blob', method: 'GET' }) >= 1);
}

/** The connection broke, and what came before was right as far as `right` goes. */
async function breaks({ url, layer }: Scene, right = layer.size): Promise<void> {
  const answer = await open(url(layer.digest));
  assert.equal(answer.status, 200);
  const { body, complete } = await answer.rest();
  assert.equal(complete, false, 'the answer does not look whole');
  assert.ok(body.length < layer.size);
  comparison(layer).take(body.subarray(0, right));
}

/** Slow enough that a reset overtakes next to nothing. */
const steady = rate(60_000_000);

describe('a mirror that fails in the middle', () => {
  const faults: readonly [string, boolean, ...Fault[]][] = [
    ['resets the connection', false, steady, cutAfter(most)],
    ['closes the connection too early', false, endShort(most)],
    ['closes at a byte that ends no chunk', false, endShort(most + 12_345)],
    ['ends a chunked body too early, as if it were whole', true, noContentLength(), endShort(most)],
    ['says that there is less than there is', true, wrongContentLength(size - 5)],
    ['says that there is more than there is', true, wrongContentLength(size + 5)],
    ['sends more than there is', true, tooMuch(500)],
    ['sends a page for people', false, htmlPage()],
    ['sends an empty body', false, otherBody('')],
    ['sends an empty body in chunks', false, noContentLength(), otherBody('')],
    ['sends a short body in chunks, as if it were whole', false, noContentLength(), endShort(100 * KiB)],
    ['sends a few words in chunks', false, noContentLength(), otherBody('try again later')],
    ['compresses though it was not asked to', false, gzipped()],
  ];
  for (const [what, declared, ...fault] of faults) {
    it(`and ${what} is replaced without the client noticing`, async (t) => {
      const here = await scene(t, { declared });
      here.mirror.on({ kind: 'blob' }, ...fault);
      await comesUnbroken(here);
      assert.equal(here.asked('HEAD'), 0);
    });
  }

  it('is replaced from the byte that was reached', async (t) => {
    const here = await scene(t);
    here.mirror.on({ kind: 'blob' }, endShort(most));
    await comesUnbroken(here);
    assert.deepEqual(
      here.source.matching({ kind: 'blob' }).map(({ headers }) => headers.range),
      [`bytes=${most}-`],
    );
    assert.equal(await here.received(), size);
  });

  it('and stalls is given up by our own watchdog', async (t) => {
    const clock = createManualClock();
    const here = await scene(t, { deps: { clock }, toml: '[upstream]\nstall_timeout = "20s"\n' });
    const held = gate();
    here.mirror.on({ kind: 'blob' }, stallAfter(most, held));
    const answer = await open(here.url(here.layer.digest));
    await eventually('what there is has come', async () => (await here.received()) === most);
    // The first tick has seen progress, the second none.
    await clock.advance(20_000);
    await clock.advance(20_000);
    await restOf(answer, here.layer);
    assert.equal(here.source.matching({ kind: 'blob' })[0]?.headers.range, `bytes=${most}-`);
    assert.ok(here.proxy.log.some(({ reason }) => /stalled/.test(String(reason))));
  });

  it('and drips is as good as stalled', async (t) => {
    const clock = createManualClock();
    const here = await scene(t, { deps: { clock }, toml: '[upstream]\nstall_timeout = "20s"\n' });
    here.mirror.on({ kind: 'blob' }, rate(500));
    const answer = await open(here.url(here.layer.digest));
    await eventually('it drips', async () => (await here.received()) > 0);
    await clock.advance(20_000);
    await restOf(answer, here.layer);
    assert.match(here.source.matching({ kind: 'blob' })[0]?.headers.range ?? '', /^bytes=\d+-$/);
    assert.equal(await here.received(), size);
  });

  it('gives a part of another place than was asked is not believed', async (t) => {
    const here = await scene(t);
    here.mirror.on({ kind: 'blob' }, wrongContentRange(`bytes 0-99/${size}`));
    const range = { headers: { range: `bytes=${MiB}-${MiB + 99}` } };
    const answer = await get(here.url(here.layer.digest), range);
    assert.equal(answer.status, 206);
    assert.deepEqual(answer.body, here.layer.bytes(MiB, MiB + 100));
  });
});

describe('a front door that cuts every body at 8 MiB', () => {
  it('is lived with where there is no other endpoint', async (t) => {
    const blob = generateBlob(20 * MiB, 'front door');
    const site = await startColdBlobs(t);
    offer(site.registries, blob);
    site.registries[0]?.on({ kind: 'blob' }, endShort(8 * MiB));
    await pullWhole(site.url(blob.digest), blob);
    assert.deepEqual(
      site.registries[0]?.matching({ kind: 'blob' }).map(({ headers }) => headers.range),
      [undefined, `bytes=${8 * MiB}-`, `bytes=${16 * MiB}-`],
    );
  });
});

describe('when every endpoint dies', () => {
  it('the connection breaks, and a later request goes on from what is here', async (t) => {
    const here = await scene(t);
    for (const registry of here.registries) {
      registry.on({ kind: 'blob', times: 1 }, endShort(0.3 * size));
      registry.on({ kind: 'blob' }, status(503));
    }
    await breaks(here);
    for (const registry of here.registries) registry.heal();
    await comesUnbroken(here);
    assert.equal(await here.received(), size);
    await here.tidy();
  });

  it('readers of what is here already are served, those of the rest are broken off', async (t) => {
    const here = await scene(t);
    const held = gate();
    here.source.on({ kind: 'blob' }, status(503));
    here.mirror.on({ kind: 'blob', times: 1 }, stallAfter(4 * MiB, held));
    here.mirror.on({ kind: 'blob' }, status(503));
    const whole = open(here.url(here.layer.digest));
    await eventually('what there is has come', async () => (await here.received()) === 4 * MiB);
    const early = get(here.url(here.layer.digest), { headers: { range: `bytes=1000-${2 * MiB}` } });
    assert.deepEqual((await early).body, here.layer.bytes(1000, 2 * MiB + 1));
    here.mirror.dropConnections();
    assert.equal((await (await whole).rest()).complete, false);
  });
});

describe('a mirror that lies', () => {
  it('never gets a wrong body to its end; the next request has the right bytes from elsewhere', async (t) => {
    const here = await scene(t);
    here.mirror.on({ kind: 'blob' }, corruptAt(most));
    await Promise.all([1, 2, 3].map(() => breaks(here, most)));
    await pullWhole(here.url(here.layer.digest), here.layer);
    await here.stored(here.layer.digest);
    assert.equal(here.mirror.count({ kind: 'blob', method: 'GET' }), 1);
    const lines = here.proxy.log.filter(({ msg }) => /wrong digest/.test(String(msg)));
    assert.deepEqual(
      lines.map(({ digest, endpoints }) => [digest, endpoints]),
      [[here.layer.digest, [`${here.mirror.host}/team/app`]]],
    );
  });

  it('is not noticed at all where the blob is small', async (t) => {
    const here = await scene(t, { layerSize: 100 * KiB });
    here.mirror.on({ kind: 'blob' }, corruptAt(10));
    await comesUnbroken(here, 100 * KiB);
    assert.equal(here.mirror.count({ kind: 'blob', method: 'GET' }), 1);
  });

  it('is no 404 where the source has not got the blob: it is not known, and nothing is remembered', async (t) => {
    const here = await scene(t, { layerSize: 100 * KiB });
    const lie = here.mirror.on({ kind: 'blob' }, corruptAt(10));
    here.source.removeBlob(here.layer.digest);
    const held = gate();
    here.source.on({ kind: 'blob' }, holdHeaders(held));
    const ask = () => get(here.url(here.layer.digest)).catch(() => undefined);
    const asked = [ask()];
    await held.arrived;
    // Joins while the source is asked for what the mirror gave wrong bytes for.
    asked.push(ask());
    for (let turn = 0; turn < 5; turn += 1) await get(`${here.proxy.url}/healthz`);
    held.release();
    for (const answer of await Promise.all([...asked, ask()])) {
      const isNoVerdict = !answer || answer.status === 502 || (answer.status === 200 && !answer.complete);
      assert.ok(isNoVerdict, `${answer?.status} ${answer?.complete}`);
    }
    lie.remove();
    await pullWhole(here.url(here.layer.digest), here.layer);
  });

  it('and is the only one never completes a body, and is believed when it tells the truth again', async (t) => {
    const blob = generateBlob(4 * MiB, 'lonely liar');
    const site = await startColdBlobs(t);
    offer(site.registries, blob);
    const lie = site.registries[0]?.on({ kind: 'blob' }, corruptAt(0));
    for (let attempt = 0; attempt < 2; attempt++) {
      const answer = await get(site.url(blob.digest));
      assert.ok(!answer.complete || answer.status >= 500, `${answer.status}, complete`);
    }
    lie?.remove();
    await pullWhole(site.url(blob.digest), blob);
    await site.stored(blob.digest);
  });

  it('in one of two parts makes both givers the last to be asked', async (t) => {
    const blob = generateBlob(size, 'two givers');
    const site = await startColdBlobs(t, { registries: 3 });
    const [liar, honest, source] = site.registries;
    assert.ok(liar && honest && source);
    offer(site.registries, blob);
    liar.on({ kind: 'blob', times: 1 }, corruptAt(MiB), endShort(4 * MiB));
    const broken = await get(site.url(blob.digest));
    assert.equal(broken.complete, false);
    assert.equal(source.count({ kind: 'blob' }), 0);
    await pullWhole(site.url(blob.digest), blob);
    assert.equal(source.count({ kind: 'blob' }), 1);
    assert.equal(liar.count({ kind: 'blob' }) + honest.count({ kind: 'blob' }), 2);
  });

  it('in one of two parts, and in all of it from then on, does not keep the other giver from being asked', async (t) => {
    const here = await scene(t);
    here.mirror.on({ kind: 'blob', times: 1 }, corruptAt(MiB), endShort(4 * MiB));
    here.mirror.on({ kind: 'blob' }, corruptAt(MiB));
    await breaks(here, MiB);
    await breaks(here, MiB);
    await pullWhole(here.url(here.layer.digest), here.layer);
    await here.stored(here.layer.digest);
  });

  it('about the size, too, does not stand in the way of the next request', async (t) => {
    for (const fault of [tooMuch(500), otherBody('short')]) {
      const here = await scene(t);
      here.mirror.on({ kind: 'blob' }, fault);
      const answer = await get(here.url(here.layer.digest));
      assert.equal(answer.complete, false);
      await pullWhole(here.url(here.layer.digest), here.layer);
      await here.stored(here.layer.digest);
    }
  });

  it('about a size that is known, and is the only one that has the blob, is no proof that the blob is absent', async (t) => {
    const here = await scene(t, { declared: true });
    here.mirror.on({ kind: 'blob' }, tooMuch(500));
    here.source.removeBlob(here.layer.digest);
    for (let time = 0; time < 2; time++) assert.equal((await get(here.url(here.layer.digest))).status, 502);
  });

  it('about the size before a restart does not stand in the way after it', async (t) => {
    const here = await scene(t);
    here.source.on({ kind: 'blob', times: 1 }, status(503));
    here.mirror.on({ kind: 'blob', times: 1 }, tooMuch(500), endShort(4 * MiB));
    here.mirror.on({ kind: 'blob' }, status(503));
    await breaks(here);
    await here.proxy.stop();
    const again = await startColdBlobs(t, { folder: here.proxy.folder });
    offer(again.registries, here.layer);
    await pullWhole(again.url(here.layer.digest), here.layer);
    await again.stored(here.layer.digest);
  });

  it('with a short chunked body of unknown size does not get it to its end', async (t) => {
    const here = await scene(t);
    here.mirror.on({ kind: 'blob' }, noContentLength(), endShort(most));
    await breaks(here);
    await pullWhole(here.url(here.layer.digest), here.layer);
  });
});

describe('content encodings', () => {
  it('are not asked for, whatever the client says', async (t) => {
    const here = await scene(t);
    const headers = { 'accept-encoding': 'zstd, gzip, deflate' };
    await pullWhole(here.url(here.layer.digest), here.layer, { headers });
    const [request] = here.mirror.matching({ kind: 'blob' });
    assert.equal(request?.headers['accept-encoding'], 'identity');
  });
});
