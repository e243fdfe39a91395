/** What clusters meet: clients that pretend, secrets that differ, machines that are gone, members that do not agree. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import type { EndpointStatus } from '../../src/admin/status/status.ts';
import { ranked, scoreOf } from '../../src/cluster/ownership.ts';
import { peerAt } from '../../src/cluster/peer.ts';
import { createPeerProof, ownerHeader, peerHeader } from '../../src/cluster/peer-proof.ts';
import { shardOf } from '../../src/cluster/shards.ts';
import { type Clock, systemClock } from '../../src/lib/clock.ts';
import type { Tag } from '../../src/oci/reference.ts';
import { startBlackHole } from '../support/black-hole.ts';
import { blobOf } from '../support/byte-source.ts';
import { createCertificateAuthority } from '../support/certificates.ts';
import { createManualClock, type ManualClock } from '../support/clock.ts';
import { clusterSecret, type Replica, startCluster } from '../support/cluster.ts';
import { certsFor, entry, readError, startRegistry } from '../support/endpoints.ts';
import { eventually } from '../support/eventually.ts';
import { holdHeaders } from '../support/fake-registry-faults.ts';
import { gate } from '../support/gate.ts';
import { get } from '../support/http-client.ts';
import { buildImage } from '../support/images.ts';

const MiB = 1024 * 1024;
const image = buildImage({ layers: [2 * MiB] });
const layer = image.layers[0]!;

async function hub(t: TestContext) {
  const registry = await startRegistry(t);
  registry.putImage('library/app', '1', image);
  return { registry, registries: entry('docker.io', { source: registry.host }) };
}

const blobPath = `/v2/library/app/blobs/${layer.digest}`;
const blobUrl = ({ url }: Replica) => url + blobPath;
const tagUrl = ({ url }: Replica, tag = '1') => `${url}/v2/library/app/manifests/${tag}`;

/** The mark that a replica of the cluster would send. */
function markOf(
  from: Replica,
  to: Replica,
  path: string,
  { secret = clusterSecret, clock = systemClock }: { secret?: string; clock?: Clock } = {},
): string {
  const proof = createPeerProof({
    clock,
    secret: () => secret,
    self: () => peerAt(from.url),
    members: () => [],
    onRefused: () => assert.fail(),
  });
  return proof.headersFor(to, 'GET', path)[peerHeader] ?? '';
}

describe('a client that says that it is a peer', () => {
  const access = '[access]\nhtpasswd = "users"\nanonymous = []\n';
  const prepare = (folder: string): void => writeFileSync(join(folder, 'users'), '# none yet\n');

  it('is one like any other without the proof', async (t) => {
    const { registry, registries } = await hub(t);
    const { replicas } = await startCluster(t, { registries, size: 2, toml: access, prepare });
    const [first, second] = replicas;
    const path = '/v2/library/app/manifests/1?ns=docker.io';
    const marks = [
      'yes',
      `id=${second!.id}; to=${first!.id}`,
      markOf(second!, first!, path, { secret: 'a secret of my own choice' }),
      markOf(second!, first!, '/v2/library/app/manifests/2?ns=docker.io'),
      markOf(first!, second!, path),
    ];
    for (const mark of marks) {
      const answer = await get(`${first!.url}${path}`, { headers: { [peerHeader]: mark } });
      assert.equal(answer.status, 401, mark);
      assert.equal(answer.headers[peerHeader], undefined);
    }
    assert.equal(registry.requests.length, 0);
    const { body } = await get(`${first!.url}/metrics`);
    assert.match(body.toString(), /^entrepot_cluster_refused_total 5$/m);
    assert.equal(first!.log.filter(({ event }) => event === 'cluster.peerRefused').length, 1);
  });

  it('may read with the proof, but not push', async (t) => {
    const { registries } = await hub(t);
    const push = '[[push]]\nmatch = "docker.io/**"\nmode = "overlay"\n';
    const { replicas } = await startCluster(t, { registries, size: 2, toml: access + push, prepare });
    const [first, second] = replicas;
    const path = '/v2/library/app/manifests/1?ns=docker.io';
    const mark = markOf(second!, first!, path);
    const read = await get(`${first!.url}${path}`, { headers: { [peerHeader]: mark } });
    assert.deepEqual([read.status, read.headers[peerHeader]], [200, first!.id]);
    const written = await get(`${first!.url}/v2/library/app/blobs/uploads/`, {
      method: 'POST',
      headers: { [peerHeader]: mark },
    });
    assert.equal(written.status, 401);
    const upload = `/v2/library/app/blobs/uploads/${randomUUID()}?ns=docker.io`;
    const looked = await get(`${first!.url}${upload}`, {
      headers: { [peerHeader]: markOf(second!, first!, upload) },
    });
    assert.equal(looked.status, 404, 'no upload is that of a peer');
    assert.equal((await get(tagUrl(first!))).status, 401);
  });
});

describe('the secret of a cluster', () => {
  it('is in no log, no error and no metric, and no other host is sent a mark', async (t) => {
    const { registry, registries } = await hub(t);
    const { replicas } = await startCluster(t, { registries, size: 3 });
    for (const replica of replicas) await get(blobUrl(replica));
    const missing = await get(tagUrl(replicas[0]!, 'none'));
    const metrics = await get(`${replicas[0]!.url}/metrics`);
    const texts = [missing.body, metrics.body, JSON.stringify(replicas.map(({ log }) => log))].map(String);
    for (const text of texts) assert.doesNotMatch(text, /a secret of the replicas|mac=/);
    for (const { headers } of registry.requests) assert.equal(headers[peerHeader], undefined);
  });

  it('that differs makes each side ask upstream, and the answer is right', async (t) => {
    const { registry, registries } = await hub(t);
    const { replicas, ofDigest } = await startCluster(t, { registries, size: 2 });
    const [owner, other] = ofDigest(layer.digest);
    writeFileSync(join(other!.folder, 'secret'), 'a secret that nobody else has');
    const answer = await eventually('the file is read again', async () => {
      const missing = await get(`${other!.url}/v2/library/app/blobs/${blobOf(String(Math.random())).digest}`);
      assert.equal(missing.status, 404, 'the registry has said so to each of them');
      return readError(missing).outline.some((line) => line.endsWith('denied')) && get(blobUrl(other!));
    });
    assert.ok(answer.body.equals(layer.bytes()));
    assert.equal((await get(blobUrl(owner!))).status, 200);
    assert.equal(registry.count({ kind: 'blob', method: 'GET', digest: layer.digest }), 2);
    assert.ok(!other!.log.some(({ event }) => event === 'upstream.skipped'));
    assert.equal(replicas.length, 2);
  });
});

/** A registry with a private layer, and an image of another repository whose manifest names it. */
async function robbed(t: TestContext) {
  const registry = await startRegistry(t);
  const secret = blobOf('a private layer');
  registry.putImage('library/app', '1', image);
  registry.putBlob(secret, ['team/private']);
  const config = {
    mediaType: 'application/vnd.oci.image.config.v1+json',
    digest: layer.digest,
    size: layer.size,
  };
  const mediaType = 'application/vnd.oci.image.manifest.v1+json';
  const layers = [
    { mediaType: 'application/vnd.oci.image.layer.v1.tar', digest: secret.digest, size: secret.size },
  ];
  const bytes = JSON.stringify({ schemaVersion: 2, mediaType, config, layers });
  return { registry, secret, thief: registry.putManifest('library/thief', '1', { mediaType, bytes }) };
}

describe('content of one image', () => {
  it('is not given to another whose manifest names it, by way of a peer', async (t) => {
    const { registry, secret, thief } = await robbed(t);
    const registries = entry('docker.io', { source: registry.host });
    const { replicas } = await startCluster(t, { registries });
    for (const { url } of replicas) {
      assert.equal((await get(`${url}/v2/team/private/blobs/${secret.digest}`)).status, 200);
      assert.equal((await get(`${url}/v2/library/thief/manifests/${thief}`)).status, 200);
    }
    for (const { url } of replicas) {
      const stolen = `${url}/v2/library/thief/blobs/${secret.digest}`;
      assert.equal((await get(stolen)).status, 404, 'GET');
      assert.equal((await get(stolen)).status, 404, 'GET once more');
    }
  });

  it('is no proof for a peer before an endpoint has given it, however long that takes', async (t) => {
    const { registry, secret, thief } = await robbed(t);
    const clock = createManualClock();
    const registries = entry('docker.io', { source: registry.host });
    const { replicas, ofDigest } = await startCluster(t, { registries, of: () => ({ deps: { clock } }) });
    const [owner] = ofDigest(secret.digest);
    const other = replicas.find((replica) => replica !== owner);
    await get(`${owner!.url}/v2/library/thief/manifests/${thief}`);
    const hold = gate();
    registry.on({ kind: 'blob', repository: 'library/thief' }, holdHeaders(hold));
    const path = `/v2/library/thief/blobs/${secret.digest}?ns=docker.io`;
    const headers = { [peerHeader]: markOf(other!, owner!, path, { clock }) };
    const asking = get(`${owner!.url}${path}`, { headers });
    await hold.arrived;
    await clock.advance(12_000);
    hold.release();
    assert.equal((await asking).status, 404);
  });
});

describe('an owner that is gone', () => {
  it('costs a second, once: the next replica is asked', async (t) => {
    const { registry, registries } = await hub(t);
    const hole = await startBlackHole({ accepts: false });
    t.after(() => hole.stop());
    const clock = createManualClock();
    const { replicas } = await startCluster(t, {
      registries,
      size: 2,
      also: [`http://${hole.host}`],
      of: () => ({ deps: { clock } }),
    });
    const members = [...replicas.map(({ url }) => peerAt(url)), peerAt(`http://${hole.host}`)];
    const tag = Array.from({ length: 1000 }, (_, at) => `t${at}`).find((one) => {
      const shard = shardOf({ registry: 'docker.io', repository: 'library/app' as never, tag: one as Tag });
      const order = ranked(shard, members).map(({ id }) => id);
      return order[0] === hole.host && order[1] === replicas[0]!.id;
    });
    registry.putImage('library/app', tag, image);
    const asking = get(tagUrl(replicas[1]!, tag));
    await clock.armed(1000);
    await clock.advance(1050);
    const answer = await during(clock, asking);
    assert.equal(answer.status, 200);
    assert.equal(registry.count({ kind: 'manifest', method: 'GET' }), 1);
    assert.ok(replicas[1]!.log.some(({ event, host }) => event === 'upstream.skipped' && host === hole.host));
  });
});

/** Time goes on until `work` is done. */
async function during<T>(clock: ManualClock, work: Promise<T>): Promise<T> {
  let isOver = false;
  const over = (): void => {
    isOver = true;
  };
  work.then(over, over);
  while (!isOver) {
    await clock.advance(10);
    await new Promise((turn) => setTimeout(turn, 1));
  }
  return work;
}

describe('members that do not agree', () => {
  it('answer all the same, when each takes the other for the owner', async (t) => {
    const { registry, registries } = await hub(t);
    // The first one calls itself by a name that the other does not know.
    const alias = (id: string) => id.replace(/^127/, '126');
    const { replicas } = await startCluster(t, {
      registries,
      size: 2,
      of: (index, ids) =>
        index === 0
          ? {
              cluster: [
                `peers = ["http://${alias(ids[0]!)}", "http://${ids[1]}"]`,
                `self = "http://${alias(ids[0]!)}"`,
                'secret_file = "SECRET"',
              ].join('\n'),
            }
          : {},
    });
    const [first, second] = replicas;
    const tag = Array.from({ length: 1000 }, (_, at) => `t${at}`).find((one) => {
      const shard = shardOf({ registry: 'docker.io', repository: 'library/app' as never, tag: one as Tag });
      const score = (id: string) => scoreOf(shard, id);
      return score(first!.id) > score(second!.id) && score(second!.id) > score(alias(first!.id));
    });
    registry.putImage('library/app', tag, image);
    const answers = await Promise.all(replicas.map((replica) => get(tagUrl(replica, tag))));
    for (const answer of answers) assert.equal(answer.status, 200);
    assert.ok(registry.count({ kind: 'manifest', method: 'GET' }) <= 2);
  });

  it('from DNS come and go, and the last known ones stay', async (t) => {
    const { registries } = await hub(t);
    const clock = createManualClock();
    let known: readonly string[] | undefined = ['127.0.0.1', '127.0.0.7'];
    const { replicas } = await startCluster(t, {
      registries,
      size: 1,
      of: (_, ids) => ({
        cluster: `dns = "entrepot-peers:5000"\nself = "http://${ids[0]}"\nsecret_file = "SECRET"`,
        deps: {
          clock,
          resolve: (_hostname, _options, callback) =>
            known
              ? callback(
                  null,
                  known.map((address) => ({ address, family: 4 })),
                )
              : callback(Object.assign(new Error('no DNS'), { code: 'EAI_AGAIN' }), []),
        },
      }),
    });
    const [replica] = replicas;
    const members = async () =>
      /^entrepot_cluster_members (\d+)$/m.exec((await get(`${replica!.url}/metrics`)).body.toString())?.[1];
    assert.equal(await members(), '3');
    await get(`${replica!.url}/v2/docker.io/library/absent/manifests/1`);
    const endpoints = JSON.parse((await get(`${replica!.url}/api/v1/endpoints`)).body.toString());
    const named = (endpoints as readonly EndpointStatus[]).find(({ host }) => host === 'entrepot-peers:5000');
    assert.deepEqual(named?.roles, ['peer']);
    assert.notDeepEqual(named?.requests, {}, 'what all of them were asked is counted under their name');
    known = undefined;
    await clock.advance(30_000);
    assert.equal(await members(), '3');
    known = ['127.0.0.1'];
    await clock.advance(5000);
    assert.equal(await members(), '2');
    const events = replica!.log
      .map(({ event }) => event)
      .filter((event) => String(event).startsWith('cluster.'));
    assert.deepEqual(events, ['cluster.membersChanged', 'cluster.lookupFailed', 'cluster.membersChanged']);
  });
});

describe('peers with certificates', () => {
  async function certified(t: TestContext) {
    const { registry, registries } = await hub(t);
    const authority = createCertificateAuthority();
    const client = authority.issue({ client: true, commonName: 'node-7' });
    const running = await startCluster(t, {
      registries,
      size: 2,
      scheme: 'https',
      prepare(folder, host, ids) {
        const server = authority.issue({ hosts: [host] });
        const own = authority.issue({ client: true, hosts: [host], commonName: host });
        writeFileSync(join(folder, 'tls.crt'), server.cert);
        writeFileSync(join(folder, 'tls.key'), server.key);
        writeFileSync(join(folder, 'ca.crt'), authority.cert);
        for (const id of ids) {
          certsFor(folder, id, { 'ca.crt': authority.cert, 'client.cert': own.cert, 'client.key': own.key });
        }
      },
      toml: `[tls]\ncertificate = "tls.crt"\nkey = "tls.key"\nclient_ca = "ca.crt"\n${pushes}`,
      of: (index, ids) => ({
        cluster: `peers = ${JSON.stringify(ids.map((id) => `https://${id}`))}\nself = "https://${ids[index]}"`,
      }),
    });
    return { ...running, registry, options: { ca: authority.cert, client } };
  }
  const pushes =
    '[access]\nanonymous = ["pull", "push"]\n[[push]]\nmatch = "images.local/**"\nmode = "local"\n';

  it('pass uploads on by them, and take none from a client with a certificate of another name', async (t) => {
    const { replicas, options } = await certified(t);
    const [home, other] = replicas;
    const begun = await get(`${home!.url}/v2/images.local/app/blobs/uploads/`, {
      ...options,
      method: 'POST',
      headers: { 'content-length': '0' },
    });
    const location = String(begun.headers.location);
    const send = (method: string, to: string, headers = {}, body = '') =>
      get(to, {
        ...options,
        method,
        headers: { 'content-length': String(body.length), ...headers },
        body,
      });
    const sent = await send('PATCH', `${other!.url}${location}`, {}, 'a layer');
    assert.deepEqual([sent.status, sent.headers.range], [202, '0-6'], sent.body.toString());
    const mark = { [peerHeader]: `id=${other!.id}; to=${home!.id}`, [ownerHeader]: 'anonymous:anonymous' };
    const owner = await send('GET', `${home!.url}${location}`, { ...mark, [ownerHeader]: 'account:ci' });
    assert.equal(
      owner.status,
      204,
      'the upload of the client itself: what it says of another counts for nothing',
    );
    assert.equal(owner.headers[peerHeader], undefined);
    const digest = blobOf('a layer').digest;
    const done = await send('PUT', `${other!.url}${location}?digest=${digest}`);
    assert.equal(done.status, 201, done.body.toString());
  });

  it('trust each other by them, and no client with a certificate of another name', async (t) => {
    const { replicas, ofDigest, registry, options } = await certified(t);
    for (const replica of replicas) {
      const answer = await get(blobUrl(replica), options);
      assert.ok(answer.body.equals(layer.bytes()));
    }
    assert.equal(registry.count({ kind: 'blob', method: 'GET' }), 1);
    const [owner, other] = ofDigest(layer.digest);
    const pretended = await get(blobUrl(owner!), {
      ...options,
      headers: { [peerHeader]: `id=${other!.id}; to=${owner!.id}` },
    });
    assert.deepEqual([pretended.status, pretended.headers[peerHeader]], [200, undefined]);
  });
});
