/**
 * The plug of the only bucket is pulled, over real connections: what is on the disk, what is in the bucket alone, what is nowhere yet, and
 * pushes. Rows of the table in docs/operations.md. Two buckets are in buckets.test.ts, faults of single requests in test/unit/stores.
 */
import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import type { Digest } from '../../src/oci/digest.ts';
import { contentKey } from '../../src/stores/content-key.ts';
import { type RunningApp, startApp } from '../support/app.ts';
import { startBlackHole } from '../support/black-hole.ts';
import { eventually } from '../support/eventually.ts';
import { type FakeRegistry, startFakeRegistry } from '../support/fake-registry.ts';
import { type FakeS3, type S3Mischief, type S3RequestSeen, startFakeS3 } from '../support/fake-s3.ts';
import { errorAnswer } from '../support/fake-s3-bucket.ts';
import { get } from '../support/http-client.ts';
import { buildImage, type Image } from '../support/images.ts';
import { createLeapingClock, type LeapingClock } from '../support/leaping-clock.ts';
import { cacheOf, insecureRegistry } from '../support/mirrored-registry.ts';
import { imageManifest, pusher, sha256 } from '../support/pusher.ts';
import { smallDisk } from '../support/small-disk.ts';
import { storedFile } from '../support/stored-files.ts';
import { tempFolder } from '../support/temp-folder.ts';

const KiB = 1024;
const minute = 60_000;
const hosted = 'images.local/team/app';
const hostedLayer = 'h'.repeat(50 * KiB);

interface Site {
  readonly app: RunningApp;
  readonly bucket: FakeS3;
  readonly registry: FakeRegistry;
  readonly clock: LeapingClock;
  /** Status and cache of a pull of all of the image; the bytes are right where it is 200. */
  pull(repository: string, image: Image): Promise<string>;
  /** Status of a pull of the layer that was pushed; `cut` where the answer broke off. */
  pullHosted(): Promise<number | 'cut'>;
  /** Status of a push of a layer. */
  push(layer: string): Promise<{ status: number; retryAfter: string | undefined; body: string }>;
  /** The same on the same folder, with another endpoint. */
  again(endpoint: string): Promise<Site>;
  metric(wanted: string): Promise<number>;
  events(): readonly unknown[];
  has(digest: string): boolean;
}

interface Wanted {
  readonly folder?: string;
  readonly toml?: string;
  readonly endpoint?: string;
  readonly parts?: Pick<Site, 'bucket' | 'registry' | 'clock'>;
}

async function start(t: TestContext, wanted: Wanted = {}): Promise<Site> {
  const { bucket, registry, clock } = wanted.parts ?? (await parts(t));
  const secrets = tempFolder(t);
  const [key] = bucket.keys;
  writeFileSync(join(secrets, 'id'), key?.accessKey ?? '');
  writeFileSync(join(secrets, 'key'), key?.secretKey ?? '');
  const toml = `
[access]
anonymous = ["pull", "push"]
[[push]]
match = "images.local/**"
mode = "local"
[freshness]
tag = "24h"
[[store]]
name = "eu"
kind = "s3"
bucket = "${bucket.bucket}"
region = "${bucket.region}"
endpoint = "${wanted.endpoint ?? bucket.endpoint}"
connect_timeout = "1s"
header_timeout = "1s"
stall_timeout = "1s"
proxy = "direct"
access_key_file = "${join(secrets, 'id')}"
secret_key_file = "${join(secrets, 'key')}"
${wanted.toml ?? ''}`;
  const { folder } = wanted;
  const files = { registries: insecureRegistry(registry.host), toml };
  const app = await startApp(t, { ...files, ...(folder !== undefined && { folder }) }, { clock });
  const client = pusher(app.url, hosted);
  const at = (repository: string, path: string) => `${app.url}/v2/${repository}/${path}?ns=${registry.host}`;
  return {
    ...{ app, bucket, registry, clock },
    async pull(repository, image) {
      const manifest = await get(at(repository, 'manifests/v1'));
      if (manifest.status !== 200) return `${manifest.status}`;
      const caches = new Set([cacheOf(manifest)]);
      for (const blob of image.blobs) {
        const answer = await get(at(repository, `blobs/${blob.digest}`));
        if (answer.status !== 200) return `${answer.status}`;
        assert.ok(answer.body.equals(blob.bytes()), 'the bytes are right');
        caches.add(cacheOf(answer));
      }
      return `200 ${[...caches].toSorted().join(' ')}`;
    },
    async pullHosted() {
      const url = `${app.url}/v2/${hosted}/blobs/${sha256(hostedLayer)}`;
      const answer = await get(url).catch((error: Error) => {
        assert.match(error.message, /hang up|ECONNRESET/);
      });
      if (!answer?.complete) return 'cut';
      if (answer.status === 200) assert.equal(answer.body.toString(), hostedLayer);
      return answer.status;
    },
    async push(layer) {
      const location = await client.begin();
      const target = `${location}${location.includes('?') ? '&' : '?'}digest=${sha256(layer)}`;
      const { status, headers, body } = await client.send('PUT', target, layer);
      return { status, retryAfter: headers['retry-after'] as string | undefined, body: body.toString() };
    },
    async again(endpoint) {
      await app.stop();
      return start(t, { ...wanted, folder: app.folder, endpoint, parts: { bucket, registry, clock } });
    },
    async metric(wantedOne) {
      const { body } = await get(`${app.url}/metrics`);
      const escaped = wantedOne.replaceAll(/[{}]/g, '\\$&');
      return Number(new RegExp(`^${escaped} (.+)$`, 'm').exec(body.toString())?.[1] ?? 0);
    },
    events: () => app.log.map(({ event }) => event),
    has: (digest) => bucket.objects.has(contentKey(digest as Digest)),
  };
}

async function parts(t: TestContext) {
  const clock = createLeapingClock();
  const bucket = await startFakeS3();
  t.after(() => bucket.close());
  const registry = await startFakeRegistry();
  t.after(() => registry.stop());
  return { bucket, registry, clock };
}

const onDisk = buildImage({ seed: 'disk', layers: [50 * KiB] });
const inBucket = buildImage({ seed: 'bucket', layers: [50 * KiB] });
const cold = buildImage({ seed: 'cold', layers: [50 * KiB] });

/** One image is on the disk, one and a pushed layer are in the bucket alone, one is in the registry alone. */
async function prepared(t: TestContext, wanted: Wanted = {}): Promise<Site> {
  const site = await start(t, wanted);
  const { app, registry } = site;
  const images = { 'team/disk': onDisk, 'team/bucket': inBucket };
  for (const [repository, image] of Object.entries({ ...images, 'team/cold': cold }))
    registry.putImage(repository, 'v1', image);
  for (const [repository, image] of Object.entries(images)) await site.pull(repository, image);
  const client = pusher(app.url, hosted);
  for (const blob of ['{}', hostedLayer]) await client.blob(blob);
  assert.equal((await client.manifest('1', imageManifest(['{}', hostedLayer]))).status, 201);
  const all = [onDisk, inBucket].flatMap(({ digest, blobs }) => [digest, ...blobs.map((one) => one.digest)]);
  await eventually('all is in the bucket', async () => {
    const placed = await site.metric('entrepot_store_contents{store="eu",state="placed"}');
    return placed >= all.length + 3 && all.every(site.has);
  });
  for (const { digest } of inBucket.blobs) rmSync(storedFile(app.data, digest));
  rmSync(storedFile(app.data, sha256(hostedLayer) as Digest));
  return site;
}

/** Pauses are over now and then; in between, what was begun comes to its end. */
async function leapUntil(site: Site, what: string, look: () => boolean | Promise<boolean>): Promise<void> {
  const { clock, bucket } = site;
  let looks = 0;
  await eventually(what, async () => {
    if (await look()) return true;
    looks += 1;
    if (looks % 300 !== 1) return false;
    clock.leap(2 * minute);
    bucket.skew = clock.ahead;
    return false;
  });
}

/** Until the bucket has what it missed, and is read again. */
async function assertCaughtUp(site: Site): Promise<void> {
  const hasMissed = () => cold.blobs.every(({ digest }) => site.has(digest));
  await leapUntil(
    site,
    'the bucket has caught up',
    async () => hasMissed() && (await site.pullHosted()) === 200,
  );
  assert.equal((await site.push('after the fault')).status, 201);
  assert.ok(site.has(sha256('after the fault')));
}

type Mischief = (request: S3RequestSeen) => S3Mischief | undefined;
const onGet =
  (what: S3Mischief, otherwise?: S3Mischief): Mischief =>
  ({ method }) =>
    method === 'GET' ? what : otherwise;

const dead: Readonly<Record<string, Mischief>> = {
  'answers 503': () => errorAnswer(503, 'ServiceUnavailable'),
  'asks to slow down': () => errorAnswer(503, 'SlowDown'),
  'takes requests and says nothing': () => 'hang',
  'closes each connection': () => 'reset',
  'breaks off in the middle, and takes nothing': onGet({ cut: 1000 }, 'reset'),
  'stops in the middle, and takes nothing': onGet({ stallAfter: 1000 }, 'hang'),
  'takes the credentials for expired': () => errorAnswer(403, 'ExpiredToken'),
  'does not know the account any more': () => errorAnswer(403, 'InvalidAccessKeyId'),
};

async function assertDead(site: Site, pushed: 503 | 'cut' = 503): Promise<void> {
  assert.equal(await site.pull('team/disk', onDisk), '200 hit');
  assert.match(await site.pull('team/bucket', inBucket), /^200 fetched/, 'upstream has it');
  assert.equal(await site.pullHosted(), pushed, 'it is in the bucket alone');
  assert.equal(await site.pull('team/cold', cold), '200 fetched');
  const { status, retryAfter, body } = await site.push('a push into a dead bucket');
  assert.deepEqual([status, retryAfter], [503, '30'], body);
  assert.match(body, /has to be in 1; store \\"eu\\": /);
  await eventually('the log says it', () => site.events().includes('placement.bucketFails'));
  await eventually(
    'metrics say it',
    async () => (await site.metric('entrepot_placements_total{store="eu",result="failed"}')) > 0,
  );
  assert.equal(await site.pull('team/disk', onDisk), '200 hit');
}

describe('the only bucket', () => {
  for (const [name, mischief] of Object.entries(dead))
    it(`${name}: the disk and upstream serve, pushes wait, and it catches up`, async (t) => {
      const site = await prepared(t);
      site.bucket.mischief = mischief;
      await assertDead(site, /in the middle/.test(name) ? 'cut' : 503);
      site.bucket.mischief = () => undefined;
      await assertCaughtUp(site);
      assert.ok(site.events().includes('placement.bucketWorks'));
    });

  it('has no address any more: the same', async (t) => {
    const before = await prepared(t);
    const site = await before.again('http://bucket.invalid');
    await assertDead(site);
    await assertCaughtUp(await site.again(before.bucket.endpoint));
  });

  it('is behind a firewall that drops packets: the same', async (t) => {
    const before = await prepared(t);
    const hole = await startBlackHole({ accepts: false });
    t.after(() => hole.stop());
    const site = await before.again(hole.url);
    await assertDead(site);
    await assertCaughtUp(await site.again(before.bucket.endpoint));
  });

  for (const [status, code] of [
    [403, 'QuotaExceeded'],
    [507, 'XMinioStorageFull'],
  ] as const)
    it(`is full (${code}): it is read, pushes wait, and it catches up`, async (t) => {
      const site = await prepared(t);
      const { bucket, registry } = site;
      bucket.mischief = ({ method }) =>
        method === 'GET' || method === 'HEAD' ? undefined : errorAnswer(status, code);
      const [layer] = inBucket.blobs.slice(-1).map((blob) => blob.digest);
      assert.ok(layer);
      const before = registry.count({ method: 'GET', digest: layer });
      assert.equal(await site.pull('team/disk', onDisk), '200 hit');
      assert.match(await site.pull('team/bucket', inBucket), /^200 /);
      assert.equal(registry.count({ method: 'GET', digest: layer }), before, 'the bucket gives it');
      assert.equal(await site.pullHosted(), 200);
      assert.equal(await site.pull('team/cold', cold), '200 fetched');
      const { status: answer, body } = await site.push('a push into a full bucket');
      assert.equal(answer, 503, body);
      assert.match(body, new RegExp(code));
      bucket.mischief = () => undefined;
      await assertCaughtUp(site);
    });

  it('has wrong bytes: no client gets them, and its objects are replaced', async (t) => {
    const site = await prepared(t);
    const { bucket } = site;
    const keys = [...inBucket.blobs.map(({ digest }) => digest), sha256(hostedLayer)].map((digest) =>
      contentKey(digest as Digest),
    );
    const right = new Map(keys.map((key) => [key, bucket.objects.get(key)!]));
    for (const [key, { bytes }] of right)
      bucket.objects.set(key, { bytes: Buffer.alloc(bytes.length, 1), modified: Date.now() });
    assert.equal(await site.pull('team/disk', onDisk), '200 hit');
    assert.match(await site.pull('team/bucket', inBucket), /^200 /, 'upstream has it');
    assert.notEqual(await site.pullHosted(), 200);
    assert.equal(await site.pull('team/cold', cold), '200 fetched');
    assert.equal((await site.push('a push')).status, 201);
    const isRight = ({ digest }: { readonly digest: Digest }) => {
      const key = contentKey(digest);
      return bucket.objects.get(key)?.bytes.equals(right.get(key)!.bytes) === true;
    };
    await leapUntil(site, 'its objects are replaced', () => inBucket.blobs.every(isRight));
    assert.equal((await site.push(hostedLayer)).status, 201);
    assert.ok(isRight({ digest: sha256(hostedLayer) as Digest }), 'a push replaces it before its answer');
    for (const event of ['placement.wrongBytes', 'placement.replaced'])
      assert.ok(site.events().includes(event), event);
  });
});

describe('the only bucket and all registries', () => {
  it('are away at once: the disk serves, the rest is refused at once, and all comes back by itself', async (t) => {
    const site = await prepared(t);
    const { bucket, registry } = site;
    await registry.refuse();
    bucket.mischief = () => errorAnswer(503, 'ServiceUnavailable');
    assert.equal(await site.pull('team/disk', onDisk), '200 hit');
    assert.match(await site.pull('team/bucket', inBucket), /^50[23]$/);
    assert.equal(await site.pullHosted(), 503);
    assert.equal(await site.pull('team/cold', cold), '502');
    assert.equal((await site.push('a push')).status, 503);
    await registry.restart();
    bucket.mischief = () => undefined;
    await leapUntil(site, 'all comes back', async () => {
      const pulls = [await site.pull('team/bucket', inBucket), await site.pull('team/cold', cold)];
      return pulls.every((pull) => pull.startsWith('200'));
    });
    await assertCaughtUp(site);
  });
});

describe('a full disk beside a bucket', () => {
  it('serves what it has, passes on what the bucket and the registry have, and takes pushes once there is room', async (t) => {
    const disk = smallDisk(t, 16);
    if (!disk) return t.skip('needs root');
    const made = await parts(t);
    const folder = tempFolder(t);
    writeFileSync(join(folder, 'events'), 'a secret of events');
    const events = `[[events.in]]\nname = "gitlab"\nformat = "distribution"\nregistry = "${made.registry.host}"\nsecret_file = "${join(folder, 'events')}"\n`;
    const site = await prepared(t, {
      parts: made,
      folder: disk.path,
      toml: `[cache]\nmin_free = "0B"\n${events}`,
    });
    disk.fill();
    assert.equal(await site.pull('team/disk', onDisk), '200 hit');
    assert.match(await site.pull('team/bucket', inBucket), /^200 /);
    assert.equal(await site.pullHosted(), 200);
    assert.match(await site.pull('team/cold', cold), /^200 /);
    const { status, body } = await site.push('p'.repeat(400 * KiB));
    assert.equal(status, 403, body);
    const told = await get(`${site.app.url}/events/gitlab`, {
      method: 'POST',
      headers: { authorization: 'a secret of events' },
      body: JSON.stringify({ events: [eventOf(onDisk)] }),
    });
    assert.equal(told.status, 202);
    assert.equal((await site.app.app.jobs.list({ limit: 9 })).length, 1, 'the index keeps its job');
    disk.empty();
    assert.equal((await site.push('p'.repeat(400 * KiB))).status, 201);
  });
});

function eventOf({ digest }: Image) {
  const mediaType = 'application/vnd.oci.image.manifest.v1+json';
  return { id: 'e1', action: 'push', target: { mediaType, digest, repository: 'team/disk', tag: 'v1' } };
}
