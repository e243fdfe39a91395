/** Where an origin throttles each connection, several fetchers share one large blob, if the configuration says so. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { generateBlob } from '../support/byte-source.ts';
import { type ColdBlobs, MiB, offer, pullWhole, startColdBlobs } from '../support/cold-blobs.ts';
import { eventually } from '../support/eventually.ts';
import { corruptAt, endShort, type Fault, rate } from '../support/fake-registry-faults.ts';
import { open } from '../support/http-client.ts';

const blob = generateBlob(64 * MiB, 'parallel');
const throttled = 32 * MiB;

async function site(t: TestContext, fetchers: number): Promise<ColdBlobs> {
  const here = await startColdBlobs(t, {
    toml: ([registry]) => `[[upstream.host]]\nhost = "${registry?.host}"\nfetchers = ${fetchers}\n`,
  });
  offer(here.registries, blob);
  return here;
}

describe('an origin that throttles each connection', () => {
  it('is asked over as many connections at once as the configuration says, for the same bytes', async (t) => {
    for (const fetchers of [1, 4]) {
      const here = await site(t, fetchers);
      const [registry] = here.registries;
      assert.ok(registry);
      const answers = counted();
      registry.on({ kind: 'blob' }, answers, rate(throttled));
      await pullWhole(here.url(blob.digest), blob);
      await here.stored(blob.digest);
      assert.equal(await here.received(), blob.size);
      assert.equal(answers.most, fetchers);
    }
  });

  it('that breaks connections, too, still gives every byte once', async (t) => {
    const here = await site(t, 4);
    const [registry] = here.registries;
    assert.ok(registry);
    registry.on({ kind: 'blob', times: 6 }, endShort(3 * MiB));
    await pullWhole(here.url(blob.digest), blob);
    assert.ok((await here.received()) <= 1.05 * blob.size);
    await here.stored(blob.digest);
  });

  it('and lies in one part gets no wrong body to its end', async (t) => {
    const here = await site(t, 4);
    const [registry] = here.registries;
    assert.ok(registry);
    const lie = registry.on({ kind: 'blob' }, corruptAt(40 * MiB));
    // To its end: a reader that joins while the wrong bytes are still coming in shares their fate.
    const { complete } = await (await open(here.url(blob.digest))).rest();
    assert.equal(complete, false);
    lie.remove();
    await eventually(
      'the transfer is given up',
      async () => (await here.metric('entrepot_transfers_in_flight')) === 0,
    );
    await pullWhole(here.url(blob.digest), blob);
    await here.stored(blob.digest);
  });

  it('gives a small blob to one', async (t) => {
    const here = await site(t, 4);
    const small = generateBlob(8 * MiB, 'not worth it');
    offer(here.registries, small);
    await pullWhole(here.url(small.digest), small);
    assert.equal(here.asked('GET'), 1);
  });
});

/** Counts how many answers are given at the same time. */
function counted(): Fault & { readonly most: number } {
  let active = 0;
  let most = 0;
  return {
    get most() {
      return most;
    },
    async before(over) {
      active += 1;
      most = Math.max(most, active);
      over.addEventListener('abort', () => {
        active -= 1;
      });
    },
  };
}
