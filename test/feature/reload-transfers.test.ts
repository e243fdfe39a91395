/** A blob on its way when a reload comes: what it asks from then on, it asks by the new configuration. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { startApp } from '../support/app.ts';
import { generateBlob } from '../support/byte-source.ts';
import { createManualClock } from '../support/clock.ts';
import { KiB, MiB, offer, restOf } from '../support/cold-blobs.ts';
import { entry, startRegistry } from '../support/endpoints.ts';
import { holdHeaders, stallAfter } from '../support/fake-registry-faults.ts';
import { type Gate, gate } from '../support/gate.ts';
import { get, open } from '../support/http-client.ts';

const blob = generateBlob(4 * MiB, 'under way');
const prefix = 'registry.example';

/** An image with the old mirror before its source, and a blob of it on its way from the mirror, which holds it up. */
async function underWay(t: TestContext, hold: (held: Gate) => ReturnType<typeof holdHeaders>) {
  const [old, next, source] = [await startRegistry(t), await startRegistry(t), await startRegistry(t)];
  offer([old, next, source], blob);
  // Time stands still: no endpoint is late, and so none is asked beside another.
  const clock = createManualClock();
  const registries = entry(prefix, { mirrors: [old.host], source: source.host });
  const proxy = await startApp(t, { registries }, { clock });
  const held = gate();
  old.on({ kind: 'blob', method: 'GET', times: 1 }, hold(held));
  const answer = open(`${proxy.url}/v2/${prefix}/team/app/blobs/${blob.digest}`);
  await held.arrived;
  const asked = () => [old, next, source].map((registry) => registry.count({ kind: 'blob' }));
  return { old, next, source, proxy, held, answer, asked };
}

function blocked(host: string): string {
  return `[[registry]]\nlocation = "${host}"\ninsecure = true\nblocked = true\n`;
}

const inTheMiddle = (held: Gate) => stallAfter(2 * MiB, held);
const beforeTheHeaders = (held: Gate) => holdHeaders(held);

describe('a reload while a blob is on its way', () => {
  it('that blocks all its endpoints cuts it off, and asks none of them again', async (t) => {
    const { proxy, old, source, answer, asked } = await underWay(t, inTheMiddle);
    const { read, rest } = await answer;
    await read(KiB);
    const [request] = old.matching({ kind: 'blob' });
    const image = entry(prefix, { mirrors: [old.host], source: source.host });
    const registries = `${image.replace('[[registry]]', '[[registry]]\nblocked = true')}\n${blocked(old.host)}`;
    await proxy.reload({ registries });
    assert.equal(await request?.ended, 'cut');
    assert.equal((await rest()).complete, false);
    assert.deepEqual(asked(), [1, 0, 0]);
  });

  it('that sets upstream.offline cuts it off, and asks nobody', async (t) => {
    const { proxy, answer, asked } = await underWay(t, inTheMiddle);
    const { read, rest } = await answer;
    await read(KiB);
    await proxy.reload({ toml: '[upstream]\noffline = true\n' });
    assert.equal((await rest()).complete, false);
    assert.deepEqual(asked(), [1, 0, 0]);
  });

  it('that sets upstream.offline before the first byte is answered as offline', async (t) => {
    const { proxy, answer, asked } = await underWay(t, beforeTheHeaders);
    await proxy.reload({ toml: '[upstream]\noffline = true\n' });
    assert.equal((await answer).status, 503);
    assert.deepEqual(asked(), [1, 0, 0]);
  });

  it('that replaces its mirror lets the body come to its end', async (t) => {
    const { proxy, next, source, held, answer, asked } = await underWay(t, inTheMiddle);
    const begun = await answer;
    await proxy.reload({ registries: entry(prefix, { mirrors: [next.host], source: source.host }) });
    held.release();
    await restOf(begun, blob);
    assert.deepEqual(asked(), [1, 0, 0]);
  });

  it('that replaces its mirror goes on with the new one when the old one breaks off', async (t) => {
    const { proxy, old, next, source, answer, asked } = await underWay(t, inTheMiddle);
    const begun = await answer;
    await proxy.reload({ registries: entry(prefix, { mirrors: [next.host], source: source.host }) });
    await old.refuse();
    await restOf(begun, blob);
    assert.deepEqual(asked(), [1, 1, 0]);
  });

  it('that replaces its mirror asks the new one at once where the old one has not answered', async (t) => {
    const { proxy, old, next, source, answer, asked } = await underWay(t, beforeTheHeaders);
    const [request] = old.matching({ kind: 'blob' });
    await proxy.reload({ registries: entry(prefix, { mirrors: [next.host], source: source.host }) });
    assert.equal(await request?.ended, 'cut');
    await restOf(await answer, blob);
    assert.deepEqual(asked(), [1, 1, 0]);
  });

  it('that changes nothing for it asks nothing twice', async (t) => {
    const { proxy, held, answer, asked } = await underWay(t, beforeTheHeaders);
    await proxy.reload({ toml: '[upstream]\nstall_timeout = "60s"\n' });
    held.release();
    await restOf(await answer, blob);
    assert.deepEqual(asked(), [1, 0, 0]);
  });

  it('that blocks its mirror alone goes on with the source', async (t) => {
    const { proxy, old, source, answer, asked } = await underWay(t, inTheMiddle);
    const begun = await answer;
    const registries = `${entry(prefix, { mirrors: [old.host], source: source.host })}\n${blocked(old.host)}`;
    await proxy.reload({ registries });
    await restOf(begun, blob);
    assert.deepEqual(asked(), [1, 0, 1]);
    const again = await get(`${proxy.url}/v2/${prefix}/team/app/blobs/${blob.digest}`);
    assert.equal(again.headers['x-entrepot-cache'], 'hit');
  });
});
