/**
 * A transfer knows digests only, its readers belong to repositories: no client gets bytes that its own repository's endpoints
 * have not answered for, however the requests fall together in time, and whatever an earlier one left on disk.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Blob, generateBlob } from '../support/byte-source.ts';
import { MiB, pullWhole, startColdBlobs } from '../support/cold-blobs.ts';
import { eventually } from '../support/eventually.ts';
import { holdHeaders, stallAfter } from '../support/fake-registry-faults.ts';
import { gate } from '../support/gate.ts';
import { get, open } from '../support/http-client.ts';

const owner = 'team/app';
const stranger = 'team/other';

function strangerUrl(url: string): string {
  return url.replace(owner, stranger);
}

describe('a repository that has no such blob', () => {
  async function site(t: Parameters<typeof startColdBlobs>[0], blob: Blob, toml = '') {
    const here = await startColdBlobs(t, { toml });
    const [registry] = here.registries;
    assert.ok(registry);
    registry.putBlob(blob, [owner]);
    return { ...here, registry, own: here.url(blob.digest), strange: strangerUrl(here.url(blob.digest)) };
  }

  it('gets none of it while it is on its way for another', async (t) => {
    const blob = generateBlob(4 * MiB, 'under way');
    const { registry, own, strange } = await site(t, blob);
    const held = gate();
    registry.on({ kind: 'blob', method: 'GET', repository: owner }, stallAfter(2 * MiB, held));
    const whole = pullWhole(own, blob);
    await held.arrived;
    assert.equal((await get(strange)).status, 404);
    held.release();
    await whole;
    assert.equal((await get(strange)).status, 404);
  });

  it('gets none of it when both ask in the same moment', async (t) => {
    for (let round = 0; round < 5; round++) {
      const blob = generateBlob(MiB, `same moment ${round}`);
      const { own, strange } = await site(t, blob);
      const urls = round % 2 === 0 ? [own, strange] : [strange, own];
      const answers = await Promise.all(urls.map((url) => get(url)));
      assert.equal(answers[urls.indexOf(strange)]?.status, 404);
      // The owner may be told for a moment what the stranger is told, but never wrong bytes.
      await pullWhole(own, blob);
    }
  });

  it('gets none of it where its own endpoint takes its time to say no', async (t) => {
    const blob = generateBlob(4 * MiB, 'slow no');
    const { registry, own, strange } = await site(t, blob);
    const held = gate();
    registry.on({ kind: 'blob', method: 'GET', repository: stranger }, holdHeaders(held));
    const refused = get(strange);
    await held.arrived;
    // The owner joins the transfer that the stranger has begun, and brings its endpoints with it.
    const whole = pullWhole(own, blob);
    await registry.seen({ kind: 'blob', method: 'HEAD', repository: owner });
    held.release();
    assert.equal((await refused).status, 404);
    await whole;
    assert.equal((await get(strange)).status, 404);
  });

  it('gets none of what an unfinished transfer left on disk', async (t) => {
    const blob = generateBlob(4 * MiB, 'leftover');
    const here = await site(t, blob, '[transfer]\nfill = "never"\n');
    const held = gate();
    here.registry.on({ kind: 'blob', method: 'GET', repository: owner, times: 1 }, stallAfter(2 * MiB, held));
    const reader = await open(here.own);
    await reader.read(MiB);
    reader.destroy();
    await eventually('it has ended', async () => (await here.metric('entrepot_transfers_in_flight')) === 0);
    const range = { headers: { range: 'bytes=0-999' } };
    const answer = await get(here.strange, range);
    assert.equal(answer.status, 404);
    // The owner's own bytes are still there, and no endpoint is asked for them.
    const asked = here.registry.count({ kind: 'blob' });
    assert.deepEqual((await get(here.own, range)).body, blob.bytes(0, 1000));
    assert.equal(here.registry.count({ kind: 'blob' }), asked);
  });
});

describe('a repository that has the blob, too', () => {
  it('joins for the price of one HEAD', async (t) => {
    const blob = generateBlob(4 * MiB, 'both');
    const here = await startColdBlobs(t);
    const [registry] = here.registries;
    assert.ok(registry);
    registry.putBlob(blob);
    const held = gate();
    registry.on({ kind: 'blob', method: 'GET' }, stallAfter(2 * MiB, held));
    const first = pullWhole(here.url(blob.digest), blob);
    await held.arrived;
    const second = pullWhole(strangerUrl(here.url(blob.digest)), blob);
    await registry.seen({ method: 'HEAD', repository: stranger });
    held.release();
    await Promise.all([first, second]);
    assert.equal(registry.count({ method: 'GET', kind: 'blob' }), 1);
    assert.equal(registry.count({ method: 'HEAD', kind: 'blob' }), 1);
  });
});
