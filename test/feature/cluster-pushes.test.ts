/**
 * Whole images, pushed and pulled through a load balancer that sends each request to another replica: replicas with [cluster] and [facts],
 * with a bucket and without.
 */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import type { AppDeps } from '../../src/app.ts';
import { startCluster } from '../support/cluster.ts';
import { entry } from '../support/endpoints.ts';
import { eventually } from '../support/eventually.ts';
import { type FakeRegistry, startFakeRegistry } from '../support/fake-registry.ts';
import { get } from '../support/http-client.ts';
import { createMemoryObjects } from '../support/memory-objects.ts';
import { type PostgresServer, startPostgres } from '../support/postgres.ts';
import { codesOf, imageManifest, indexType, pusher, sha256 } from '../support/pusher.ts';
import { type RoundRobin, startRoundRobin } from '../support/round-robin.ts';
import { tempFolder } from '../support/temp-folder.ts';

type Mode = 'local' | 'overlay';

interface World {
  readonly server: PostgresServer;
  readonly registry: FakeRegistry;
  readonly replicas: Awaited<ReturnType<typeof startCluster>>['replicas'];
  readonly balancer: RoundRobin;
}

async function world(
  t: TestContext,
  {
    deps = {},
    mode = 'local' as Mode,
    rule = '',
  }: { deps?: Partial<AppDeps>; mode?: Mode; rule?: string } = {},
): Promise<World | undefined> {
  const server = await startPostgres(t);
  if (!server) return undefined;
  const registry = await startFakeRegistry();
  t.after(() => registry.stop());
  const urlFile = join(tempFolder(t), 'facts-url');
  writeFileSync(urlFile, `${server.url}\n`);
  const toml = `[access]\nanonymous = ["pull", "push", "delete"]
[[push]]\nmatch = "ex.test/**"\nmode = "${mode}"\ndelete = true\n${rule}
[facts]\nurl_file = "${urlFile}"\n`;
  const { replicas } = await startCluster(t, {
    registries: entry('ex.test', { source: registry.host }),
    size: 3,
    toml,
    of: () => ({ deps }),
  });
  const balancer = await startRoundRobin(
    t,
    replicas.map(({ url }) => url),
  );
  return { server, registry, replicas, balancer };
}

const image = 'ex.test/team/app';

/** As clients push: each blob is asked for, then sent; each request goes to the next replica. */
async function pushImage({ balancer }: World, tag: string, layers: readonly string[]) {
  const client = pusher(balancer.url, image);
  for (const bytes of ['{}', ...layers]) {
    const asked = await client.send('HEAD', `blobs/${sha256(bytes)}`);
    if (asked.status === 404) await client.blob(bytes);
  }
  const json = imageManifest(['{}', ...layers]);
  const put = await client.manifest(tag, json);
  assert.equal(put.status, 201, put.body.toString());
  return { client, text: JSON.stringify(json), digest: sha256(JSON.stringify(json)) };
}

async function assertPulled(url: string, tag: string, text: string, layers: readonly string[]) {
  const manifest = await get(`${url}/v2/${image}/manifests/${tag}`);
  assert.deepEqual([manifest.status, manifest.body.toString()], [200, text]);
  for (const bytes of ['{}', ...layers]) {
    const blob = await get(`${url}/v2/${image}/blobs/${sha256(bytes)}`);
    assert.deepEqual([blob.status, blob.body.toString()], [200, bytes]);
  }
}

const bucket = () => {
  const { store } = createMemoryObjects('near');
  const near = { store, match: [], uploadRate: undefined, redirect: undefined, sweep: undefined };
  return { buckets: [near] };
};

for (const mode of ['local', 'overlay'] as const)
  for (const where of ['on the disks of three replicas', 'in a bucket'])
    describe(`an image that is pushed to ${mode}, ${where}`, () => {
      it('can be pulled from each replica right after its 201, however requests are spread', async (t) => {
        const running = await world(t, { mode, deps: where === 'in a bucket' ? bucket() : {} });
        if (!running) return;
        for (let n = 0; n < 3; n += 1) {
          const layers = [`layer a ${n}`, `layer b ${n}`, 'a layer of all'];
          running.balancer.next(n);
          const { text, digest } = await pushImage(running, `v${n}`, layers);
          for (const { url } of running.replicas) {
            const head = await get(`${url}/v2/${image}/blobs/${sha256(layers[0]!)}`, { method: 'HEAD' });
            assert.deepEqual([head.status, head.headers['content-length']], [200, String(layers[0]!.length)]);
          }
          for (const { url } of running.replicas) await assertPulled(url, `v${n}`, text, layers);
          for (const { url } of running.replicas) await assertPulled(url, digest, text, layers);
        }
        if (mode === 'local') assert.equal(running.registry.requests.length, 0);
      });
    });

describe('a push that is spread over replicas', () => {
  it('may end with an index whose manifests are on other replicas', async (t) => {
    const running = await world(t);
    if (!running) return;
    const parts = [];
    for (const n of [1, 2, 3]) parts.push(await pushImage(running, `part${n}`, [`layer ${n}`]));
    const manifests = parts.map(({ text, digest }) => ({
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      digest,
      size: text.length,
    }));
    const index = { schemaVersion: 2, mediaType: indexType, manifests };
    const put = await pusher(running.balancer.url, image).manifest('all', index);
    assert.equal(put.status, 201, put.body.toString());
    for (const { url } of running.replicas) {
      const got = await get(`${url}/v2/${image}/manifests/all`);
      assert.deepEqual([got.status, got.body.toString()], [200, JSON.stringify(index)]);
    }
  });

  it('is refused where a blob is nowhere: its replica is gone, and no bucket has it', async (t) => {
    const running = await world(t);
    if (!running) return;
    const [first, second] = running.replicas;
    await pusher(first!.url, image).blob('{}');
    await pusher(first!.url, image).blob('a layer');
    const to = pusher(second!.url, image);
    assert.equal((await to.send('HEAD', `blobs/${sha256('a layer')}`)).status, 200);
    await first!.stop();
    const put = await to.manifest('1', imageManifest(['{}', 'a layer']));
    assert.deepEqual([put.status, codesOf(put)[0]], [400, 'MANIFEST_BLOB_UNKNOWN']);
    const gone = await to.send('GET', `blobs/${sha256('a layer')}`);
    assert.equal(gone.status, 503);
    assert.match(gone.body.toString(), /on another replica/);
    await to.blob('{}');
    await to.blob('a layer');
    assert.equal((await to.manifest('1', imageManifest(['{}', 'a layer']))).status, 201);
  });

  it('gives no other image what was pushed: a manifest that names its blob is refused', async (t) => {
    const running = await world(t);
    if (!running) return;
    const [first, second, third] = running.replicas;
    for (const bytes of ['{}', 'a secret']) await pusher(first!.url, image).blob(bytes);
    const robber = pusher(second!.url, 'ex.test/other/app');
    await robber.blob('{}');
    const put = await robber.manifest('1', imageManifest(['{}', 'a secret']));
    assert.deepEqual([put.status, codesOf(put)], [400, ['MANIFEST_BLOB_UNKNOWN']]);
    for (const { url } of [first!, second!, third!])
      assert.equal((await get(`${url}/v2/ex.test/other/app/blobs/${sha256('a secret')}`)).status, 404);
  });

  it('attaches a signature at one replica, and another one lists it', async (t) => {
    const running = await world(t);
    if (!running) return;
    const { digest, text } = await pushImage(running, '1', ['signed']);
    const [first, second, third] = running.replicas;
    const subject = { mediaType: 'application/vnd.oci.image.manifest.v1+json', digest, size: text.length };
    const signature = imageManifest(['{}'], { artifactType: 'application/x.signature', subject });
    const put = await pusher(first!.url, image).manifest(sha256(JSON.stringify(signature)), signature);
    assert.deepEqual([put.status, put.headers['oci-subject']], [201, digest], put.body.toString());
    for (const { url } of [second!, third!, first!]) {
      const listed = await get(`${url}/v2/${image}/referrers/${digest}`);
      const { manifests } = JSON.parse(listed.body.toString()) as { manifests: { digest: string }[] };
      assert.deepEqual(
        manifests.map((one) => one.digest),
        [sha256(JSON.stringify(signature))],
      );
    }
  });

  it('can be deleted at another replica a moment later, and is nowhere then', async (t) => {
    const running = await world(t);
    if (!running) return;
    const { digest, client } = await pushImage(running, '1', ['short-lived']);
    assert.equal((await client.send('DELETE', `manifests/${digest}`)).status, 202);
    const wanted = running.replicas.flatMap(({ url }) => [`${url}/v2/${image}/manifests/${digest}`]);
    for (const url of wanted) await eventually('it is gone', async () => (await get(url)).status === 404);
  });

  it('cannot move an immutable tag that was set at another replica a moment ago', async (t) => {
    const running = await world(t, { rule: 'immutable = ["v*"]' });
    if (!running) return;
    await pushImage(running, 'v1', ['one']);
    const client = pusher(running.balancer.url, image);
    await client.blob('two');
    const put = await client.manifest('v1', imageManifest(['{}', 'two']));
    assert.deepEqual([put.status, codesOf(put)], [409, ['DENIED']]);
  });

  it('is taken while PostgreSQL is gone, by the replica that has the blobs', async (t) => {
    const running = await world(t);
    if (!running) return;
    await running.server.stop();
    const [first] = running.replicas;
    for (const bytes of ['{}', 'a layer']) await pusher(first!.url, image).blob(bytes);
    const put = await pusher(first!.url, image).manifest('1', imageManifest(['{}', 'a layer']));
    assert.equal(put.status, 201);
  });
});
