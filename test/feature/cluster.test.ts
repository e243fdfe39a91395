/** Replicas that share what they fetch: the owner asks upstream, the others follow its transfer (docs/cluster.md). */
import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { digestHex } from '../../src/oci/digest.ts';
import { parseTag } from '../../src/oci/reference.ts';
import { replicateJob } from '../../src/replication/image-change.ts';
import type { SyncReport } from '../../src/replication/sync-block.ts';
import { createManualClock } from '../support/clock.ts';
import { type Replica, startCluster } from '../support/cluster.ts';
import { entry, readError, startRegistry } from '../support/endpoints.ts';
import { eventually } from '../support/eventually.ts';
import { holdHeaders, stallAfter, status } from '../support/fake-registry-faults.ts';
import { gate } from '../support/gate.ts';
import { get, open } from '../support/http-client.ts';
import { buildArtifact, buildImage } from '../support/images.ts';

const MiB = 1024 * 1024;
const image = buildImage({ layers: [3 * MiB] });
const layer = image.layers[0]!;

async function hub(t: TestContext) {
  const registry = await startRegistry(t);
  registry.putImage('library/app', '1', image);
  return { registry, registries: entry('docker.io', { source: registry.host }) };
}

const blobUrl = ({ url }: Replica) => `${url}/v2/library/app/blobs/${layer.digest}`;
const tagUrl = ({ url }: Replica, tag = '1') => `${url}/v2/library/app/manifests/${tag}`;

async function pullLayer(replica: Replica): Promise<void> {
  const answer = await get(blobUrl(replica));
  assert.equal(answer.status, 200, answer.body.toString('utf8', 0, 500));
  assert.ok(answer.body.equals(layer.bytes()), 'the bytes are right');
}

describe('a cluster', () => {
  for (const delay of [0, 600, 1500, 3000]) {
    it(`asks upstream once for a blob whose headers take ${delay} ms`, async (t) => {
      const { registry, registries } = await hub(t);
      const clock = createManualClock();
      const { replicas } = await startCluster(t, { registries, of: () => ({ deps: { clock } }) });
      const hold = gate();
      registry.on({ kind: 'blob', digest: layer.digest }, holdHeaders(hold));
      const pulls = Array.from({ length: 20 }, (_, at) => pullLayer(replicas[at % 4]!));
      await hold.arrived;
      // Each follower has a second from the last sign of life on.
      const areTold = () =>
        eventually('every follower hears from the owner', () => {
          const fresh = clock.pending.filter((left) => left === 1000);
          return fresh.length >= 3;
        });
      for (let time = 0; time < delay; time += 250) {
        await areTold();
        await clock.advance(250);
      }
      if (delay > 0) await areTold();
      hold.release();
      await Promise.all(pulls);
      assert.equal(registry.count({ kind: 'blob', method: 'GET' }), 1);
      for (const { log } of replicas) assert.ok(!log.some(({ event }) => event === 'upstream.skipped'));
    });
  }

  it('reads any range from the transfer of the owner', async (t) => {
    const { registry, registries } = await hub(t);
    const { ofDigest } = await startCluster(t, { registries });
    const [, follower] = ofDigest(layer.digest);
    const headers = { range: 'bytes=1000000-1000099' };
    const answer = await get(blobUrl(follower!), { headers });
    assert.equal(answer.status, 206);
    assert.ok(answer.body.equals(layer.bytes(1_000_000, 1_000_100)));
    await pullLayer(follower!);
    const asked = registry.matching({ kind: 'blob', method: 'GET' });
    assert.ok(registry.bodyBytes(layer.digest) < 1.2 * layer.size, `${asked.length} requests`);
  });

  it('asks upstream once for a missing tag', async (t) => {
    const { registry, registries } = await hub(t);
    const { replicas, ofTag } = await startCluster(t, { registries });
    const answers = await Promise.all(replicas.map((replica) => get(tagUrl(replica, 'none'))));
    for (const answer of answers) assert.equal(answer.status, 404);
    assert.equal(registry.count({ kind: 'manifest' }), 1);
    const [owner] = ofTag('none');
    const follower = answers[replicas.findIndex(({ id }) => id !== owner?.id)]!;
    assert.deepEqual(readError(follower).outline, [`${owner!.id} notFound`, `${registry.host} notFound`]);
    assert.equal(readError(follower).trail[1]?.by, owner!.id);
  });

  it('confirms a tag with one HEAD in each freshness period, and no replica holds it longer', async (t) => {
    const { registry, registries } = await hub(t);
    const clock = createManualClock();
    const { replicas, ofTag } = await startCluster(t, { registries, of: () => ({ deps: { clock } }) });
    const [owner, ...others] = ofTag('1');
    const pull = async (replica: Replica, cache: string) => {
      const { status: code, headers } = await get(tagUrl(replica));
      assert.deepEqual([code, headers['x-entrepot-cache']], [200, cache]);
    };
    await pull(owner!, 'fetched');
    await clock.advance(50_000);
    // The confirmation is 50 s old: it holds for ten more.
    for (const other of others) await pull(other, 'fetched');
    await clock.advance(9000);
    for (const other of others) await pull(other, 'hit');
    assert.equal(registry.count({ kind: 'manifest' }), 1);
    await clock.advance(2000);
    for (const other of others) await pull(other, 'revalidated');
    await pull(owner!, 'hit');
    assert.equal(registry.count({ kind: 'manifest', method: 'HEAD' }), 1);
    assert.equal(registry.count({ kind: 'manifest', method: 'GET' }), 1);
    assert.equal(replicas.length, 4);
  });

  it('takes a stale answer of the owner for no confirmation', async (t) => {
    const { registry, registries } = await hub(t);
    const clock = createManualClock();
    const { ofTag } = await startCluster(t, { registries, of: () => ({ deps: { clock } }) });
    const [owner, follower] = ofTag('1');
    await get(tagUrl(owner!));
    await clock.advance(61_000);
    registry.on({ kind: 'manifest' }, status(503));
    const stale = await get(tagUrl(follower!));
    assert.deepEqual([stale.status, stale.headers['x-entrepot-cache']], [200, 'stale']);
    registry.heal();
    await clock.advance(10_000);
    const confirmed = await get(tagUrl(follower!));
    assert.deepEqual([confirmed.status, confirmed.headers['x-entrepot-cache']], [200, 'revalidated']);
  });

  it('tells what the endpoints of the owner said while the registry is down, and holds nothing against the owner', async (t) => {
    const { registry, registries } = await hub(t);
    registry.on({}, status(500));
    const { ofDigest } = await startCluster(t, { registries });
    const [owner, second] = ofDigest(layer.digest);
    for (let time = 0; time < 4; time += 1) {
      const { status: code, outline } = readError(await get(blobUrl(second!)));
      assert.equal(code, 502);
      assert.equal(outline[0], `${owner!.id} unavailable`);
      assert.equal(outline[1], `${registry.host} unreachable`);
    }
    registry.heal();
    await pullLayer(second!);
    assert.equal(await cached(owner!), true, 'the owner was asked again');
  });

  it('shares tag lists and referrers as well', async (t) => {
    const { registry, registries } = await hub(t);
    const { replicas } = await startCluster(t, { registries });
    for (const { url } of replicas) {
      const list = await get(`${url}/v2/library/app/tags/list`);
      assert.deepEqual(JSON.parse(list.body.toString()), { name: 'library/app', tags: ['1'] });
      const referrers = await get(`${url}/v2/library/app/referrers/${image.digest}`);
      assert.equal(referrers.status, 200);
    }
    assert.equal(registry.count({ kind: 'tags' }), 1);
    assert.equal(registry.count({ kind: 'referrers' }), 1);
  });

  it('waits for a slow registry with a tag list to which pushes add, and answers no old one', async (t) => {
    const { registry, registries } = await hub(t);
    const clock = createManualClock();
    const toml =
      '[access]\nanonymous = ["pull", "push"]\n[[push]]\nmatch = "docker.io/**"\nmode = "overlay"\n';
    const of = () => ({ deps: { clock } });
    const { ofTag } = await startCluster(t, { registries, size: 2, toml, of });
    const [owner, follower] = ofTag(undefined);
    const list = async ({ url }: Replica) => {
      const { headers, body } = await get(`${url}/v2/library/app/tags/list`);
      return [headers['x-entrepot-cache'], (JSON.parse(body.toString()) as { tags: string[] }).tags];
    };
    assert.deepEqual(await list(owner!), ['fetched', ['1']]);
    await clock.advance(61_000);
    registry.putImage('library/app', '2', image);
    const hold = gate();
    registry.on({ kind: 'tags' }, holdHeaders(hold));
    let isOver = false;
    const listed = list(follower!).finally(() => {
      isOver = true;
    });
    await hold.arrived;
    for (let time = 0; time < 2000; time += 250) {
      await eventually('the follower hears from the owner', () => isOver || clock.pending.includes(1000));
      await clock.advance(250);
    }
    hold.release();
    assert.deepEqual(await listed, ['fetched', ['1', '2']]);
  });

  it('goes on from the next replica at the byte reached when the owner dies, and upstream is asked once more', async (t) => {
    const { registry, registries } = await hub(t);
    const { ofDigest } = await startCluster(t, { registries, toml: '[limits]\nstop_grace = "1ms"' });
    const [owner, ...others] = ofDigest(layer.digest);
    const hold = gate();
    registry.on({ kind: 'blob', digest: layer.digest, nth: 1 }, stallAfter(2 * MiB, hold));
    const answers = await Promise.all(others.map((replica) => open(blobUrl(replica))));
    const begun = await Promise.all(answers.map((answer) => answer.read(MiB)));
    await owner!.stop();
    const rests = await Promise.all(answers.map((answer) => answer.rest()));
    for (const [at, { body, complete }] of rests.entries()) {
      assert.ok(complete);
      assert.ok(Buffer.concat([begun[at]!, body]).equals(layer.bytes()), 'no byte is lost or doubled');
    }
    hold.release();
    const [, again] = registry.matching({ kind: 'blob', method: 'GET' });
    assert.equal(registry.count({ kind: 'blob', method: 'GET' }), 2);
    assert.match(String(again?.headers.range), /^bytes=[1-9]\d*-/);
  });

  it('keeps blobs at their owners alone with keep = "owner", and what commands bring everywhere', async (t) => {
    const { registry, registries } = await hub(t);
    const { replicas, ofDigest } = await startCluster(t, { registries, cluster: 'keep = "owner"' });
    const [owner, second, third] = ofDigest(layer.digest);
    for (const replica of replicas) await pullLayer(replica);
    assert.deepEqual(await Promise.all([owner!, second!, third!].map(cached)), [true, false, false]);
    const { administration } = third!.app;
    const warmed = await administration.pull('docker.io/library/app:1', { platforms: [], onProgress() {} });
    assert.deepEqual(warmed.failures, []);
    assert.equal(await cached(third!), true);
    assert.equal(registry.count({ kind: 'blob', method: 'GET', digest: layer.digest }), 1);
  });
});

describe('a [[sync]] of a replica', () => {
  it('takes no list that another replica has for what the registry lists', async (t) => {
    const images = [0, 1].map((n) => buildImage({ seed: `synced ${n}`, layers: [900] }));
    const source = 'source = "docker.io/library/app"\n';
    const digests = JSON.stringify(images.map(({ digest }) => digest));
    const toml = `[[sync]]\nname = "app"\n${source}[[sync]]\nname = "digests"\n${source}digests = ${digests}\n`;
    const registry = await startRegistry(t, { referrers: true });
    const registries = entry('docker.io', { source: registry.host });
    const clock = createManualClock();
    const of = () => ({ deps: { clock } });
    const { replicas } = await startCluster(t, { registries, size: 2, toml, of });
    // Each of the two owns some of the lists.
    for (const [n, { url, app }] of replicas.entries()) {
      const made = images[n]!;
      registry.putImage('library/app', undefined, made);
      for (const one of replicas) {
        await get(`${one.url}/v2/library/app/tags/list`);
        await get(`${one.url}/v2/library/app/referrers/${made.digest}`);
      }
      const [tag, signature] = [`v${n}`, `${made.digest.replace(':', '-')}.sig`];
      const sbom = buildArtifact(made, { content: `sbom ${n}` });
      registry.putImage('library/app', tag, made);
      registry.putImage('library/app', signature, buildArtifact(made, { content: `signature ${n}` }));
      registry.putImage('library/app', undefined, sbom);
      const isSigned = ({ repositories }: SyncReport) =>
        repositories[0]?.tags.some((one) => one.tag === signature);
      const [byDigest] = await app.administration.sync(['digests'], {});
      assert.ok(isSigned(byDigest!), 'a run over digests');
      const change = { image: 'docker.io/library/app', tag: parseTag(tag)!, digest: made.digest } as const;
      const event = { ...change, change: 'updated', at: clock.now(), sender: 'test' } as const;
      await app.jobs.add(replicateJob(event));
      await eventually('the event is followed', async () =>
        (await app.jobs.list({ limit: 1 })).every(({ state }) => state === 'done'),
      );
      const rows = await Array.fromAsync(app.administration.replicas.tags({}));
      assert.ok(
        rows.some((row) => row.sync === 'app' && row.tag === signature),
        'an event',
      );
      const { body } = await get(`${url}/v2/library/app/referrers/${made.digest}`);
      assert.ok(body.includes(sbom.digest), 'what is attached');
      registry.putImage('library/app', `after-${n}`, made);
      const [run] = await app.administration.sync(['app'], {});
      assert.ok(run?.repositories[0]?.tags.some((one) => one.tag === `after-${n}`));
    }
    await clock.advance(61_000);
    registry.on({ kind: 'tags' }, status(503));
    for (const { app } of replicas) {
      const [run] = await app.administration.sync(['app'], {});
      assert.match(run?.repositories[0]?.problem ?? '', /^its tags could not be listed: /);
    }
  });
});

/** Whether the replica has the layer on its own disk. */
async function cached({ data }: Replica): Promise<boolean> {
  // A client has the last byte before the transfer ends.
  await eventually('no transfer is under way', () => readdirSync(join(data, 'incoming')).length === 0);
  const hex = digestHex(layer.digest);
  return existsSync(join(data, 'content-v1', 'sha256', hex.slice(0, 2), hex));
}
