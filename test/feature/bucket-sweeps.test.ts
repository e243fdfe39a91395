/** What is removed from buckets by itself, and what stays. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import type { StoreSweep } from '../../src/config/store-config.ts';
import type { Digest } from '../../src/oci/digest.ts';
import { contentKey } from '../../src/stores/content-key.ts';
import { startApp } from '../support/app.ts';
import { createManualClock } from '../support/clock.ts';
import { eventually } from '../support/eventually.ts';
import { createMemoryObjects, type MemoryObjects } from '../support/memory-objects.ts';
import { imageManifest, pusher, sha256 } from '../support/pusher.ts';

const hour = 3_600_000;
const toml = `
[access]
anonymous = ["pull", "push", "delete"]
[[push]]
match = "images.local/**"
mode = "local"
delete = true
`;

const configured = ({ store }: MemoryObjects, sweep: StoreSweep) => ({
  ...{ store, match: [], uploadRate: undefined, redirect: undefined, sweep },
});
const has = ({ objects }: MemoryObjects, digest: Digest) => objects.has(contentKey(digest));

/** The digests of its config, its layer and itself. */
async function pushImage(url: string, content: string) {
  const client = pusher(url, 'images.local/team/app');
  const [config, layer] = ['{}', content].map((text) => sha256(text) as Digest);
  await client.blob('{}');
  await client.blob(content);
  const json = imageManifest(['{}', content]);
  assert.equal((await client.manifest('v1', json)).status, 201);
  return { client, digests: [config, layer, sha256(JSON.stringify(json))] as [Digest, Digest, Digest] };
}

describe('sweep_every', () => {
  async function world(t: TestContext) {
    const clock = createManualClock(Date.now());
    const eu = createMemoryObjects('eu', clock.now);
    const running = await startApp(
      t,
      { registries: '', toml },
      { buckets: [configured(eu, { after: 2 * hour, every: hour })], clock },
    );
    return { ...running, clock, eu };
  }

  it('removes what no image needs any more, without a command', async (t) => {
    const { url, clock, eu, log } = await world(t);
    const { client, digests } = await pushImage(url, 'a layer');
    const [config, layer, manifest] = digests;
    await client.send('DELETE', `manifests/${manifest}`);
    await client.send('DELETE', `blobs/${layer}`);
    await clock.advance(hour);
    assert.ok(
      digests.every((digest) => has(eu, digest)),
      'too young',
    );
    await eventually('it is swept', async () => {
      await clock.advance(hour);
      return !has(eu, layer) && !has(eu, manifest);
    });
    assert.ok(has(eu, config));
    const lines = log.filter(({ event }) => event === 'placement.swept');
    assert.equal(
      lines.reduce((sum, { removed }) => sum + Number(removed), 0),
      2,
    );
  });

  it('is a job that tells why it was refused, and that goes on when the bucket is back', async (t) => {
    const { app, clock, eu } = await world(t);
    eu.fail('refused');
    const job = await eventually('it was refused', async () => {
      await clock.advance(60_000);
      const [found] = await app.jobs.list({ kind: 'sweep', limit: 1 });
      return found?.reason !== undefined && found;
    });
    assert.equal(job.key, 'eu');
    assert.match(job.reason ?? '', /credentials have expired/);
    eu.fail(undefined);
    await eventually('it is done', async () => {
      await clock.advance(hour);
      const [found] = await app.jobs.list({ kind: 'sweep', limit: 1 });
      return found?.state === 'done';
    });
  });
});
