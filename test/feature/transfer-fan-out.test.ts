/**
 * Any number of readers of a cold blob cost one upstream request, and none of them can harm another: not by being slow,
 * not by leaving. What has begun is brought to its end, unless `transfer.fill` says otherwise.
 */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { generateBlob } from '../support/byte-source.ts';
import {
  type ColdBlobs,
  comparison,
  inSocketBuffers,
  KiB,
  MiB,
  offer,
  pullWhole,
  restOf,
  startColdBlobs,
} from '../support/cold-blobs.ts';
import { eventually } from '../support/eventually.ts';
import { stallAfter } from '../support/fake-registry-faults.ts';
import { gate } from '../support/gate.ts';
import { open } from '../support/http-client.ts';

describe('fifty readers of a cold blob', () => {
  it('cost one GET and no HEAD, and all get the right bytes', async (t) => {
    const blob = generateBlob(6 * MiB, 'fan-out');
    const site = await startColdBlobs(t);
    const [registry] = site.registries;
    assert.ok(registry);
    offer(site.registries, blob);
    const half = gate();
    registry.on({ kind: 'blob' }, stallAfter(3 * MiB, half));

    const url = site.url(blob.digest);
    const early = Array.from({ length: 25 }, () => pullWhole(url, blob));
    await half.arrived;
    // The others come when half of it is here, and get that at once.
    const late = await Promise.all(Array.from({ length: 25 }, () => open(url)));
    for (const answer of late) {
      comparison(blob).take(await answer.read(MiB));
      assert.equal(answer.headers['x-entrepot-cache'], 'joined');
    }
    half.release();
    const rests = late.map((answer) => restOf(answer, blob, MiB));
    const pulled = await Promise.all(early);
    await Promise.all(rests);

    assert.equal(pulled.filter(({ cache }) => cache === 'fetched').length, 1);
    assert.equal(site.asked('GET'), 1);
    assert.equal(site.asked('HEAD'), 0);
    assert.equal(site.sent(blob.digest), blob.size);
    await site.stored(blob.digest);
    await site.tidy();
    assert.equal(await site.metric('entrepot_transfer_reads_total{how="started"}'), 1);
    assert.equal(await site.metric('entrepot_transfer_reads_total{how="joined"}'), 49);
    assert.equal((await pullWhole(url, blob)).cache, 'hit');
  });

  it('that stand still or leave, the first among them, hold no other up', async (t) => {
    const blob = generateBlob(16 * MiB, 'slow');
    const site = await startColdBlobs(t);
    const [registry] = site.registries;
    assert.ok(registry);
    offer(site.registries, blob);
    const begun = gate();
    registry.on({ kind: 'blob' }, stallAfter(4 * MiB, begun));

    const url = site.url(blob.digest);
    const leader = await open(url);
    await leader.read(MiB);
    const standing = await open(url);
    comparison(blob).take(await standing.read(64 * KiB));
    const leaving = await open(url);
    await leaving.read(2 * MiB);
    const quick = [1, 2, 3].map(() => pullWhole(url, blob));
    await begun.arrived;
    leader.destroy();
    leaving.destroy();
    begun.release();
    await Promise.all(quick);
    await site.stored(blob.digest);

    // The one that stood still has missed nothing, though the file is in the store by now.
    await restOf(standing, blob, 64 * KiB);
    assert.equal(site.asked('GET'), 1);
  });
});

describe('a fill whose last reader has left', () => {
  const blob = generateBlob(8 * MiB, 'fill');

  /** A reader comes, reads what the registry gives until `share` is there, and leaves; then the registry goes on. */
  async function leaveAt(
    t: TestContext,
    share: number,
    fill: string,
  ): Promise<ColdBlobs & { readonly ended: Promise<string> }> {
    const site = await startColdBlobs(t, { toml: `[transfer]\nfill = ${fill}\n` });
    const [registry] = site.registries;
    assert.ok(registry);
    offer(site.registries, blob);
    const held = gate();
    registry.on({ kind: 'blob', times: 1 }, stallAfter(share * blob.size, held));
    const reader = await open(site.url(blob.digest));
    await reader.read(share * blob.size - 512 * KiB);
    await held.arrived;
    await eventually('all that was sent has come', async () => (await site.received()) === share * blob.size);
    reader.destroy();
    await eventually('the reader has left', () => site.proxy.log.some(({ end }) => end === 'clientLeft'));
    held.release();
    const request = await registry.seen({ kind: 'blob' });
    return { ...site, ended: request.ended };
  }

  it('goes on to the end', async (t) => {
    const site = await leaveAt(t, 0.25, '"always"');
    await site.stored(blob.digest);
    assert.equal(await site.ended, 'complete');
    assert.equal(site.asked('GET'), 1);
  });

  it('ends at once with fill = "never", and the next reader goes on from what is here', async (t) => {
    const site = await leaveAt(t, 0.5, '"never"');
    assert.equal(await site.ended, 'cut');
    await pullWhole(site.url(blob.digest), blob);
    const [, second] = site.registries[0]?.matching({ kind: 'blob' }) ?? [];
    assert.equal(second?.headers.range, `bytes=${blob.size / 2}-`);
    assert.equal(second?.sent, blob.size / 2);
    await site.stored(blob.digest);
    await site.tidy();
  });

  it('goes on with fill = 0.5 only where half of it is here', async (t) => {
    const little = await leaveAt(t, 0.25, '0.5');
    assert.equal(await little.ended, 'cut');
    const much = await leaveAt(t, 0.75, '0.5');
    await much.stored(blob.digest);
    assert.equal(much.asked('GET'), 1);
    assert.ok(much.sent(blob.digest) < blob.size + inSocketBuffers);
  });
});
