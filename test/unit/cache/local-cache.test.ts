import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, truncateSync, unlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { openIndex } from '../../../src/cache/index/open-index.ts';
import type { Digest } from '../../../src/oci/digest.ts';
import { cacheContract } from '../../contract/cache.ts';
import { flipByte } from '../../support/stored-files.ts';
import {
  addBlob,
  collectLog,
  dataFolder,
  digestOf,
  endpoint,
  image,
  manifestOf,
  movableClock,
  open,
  readAll,
  tagOf,
} from './data-folder-fixture.ts';

cacheContract('the local cache', (t) => open(t, dataFolder(t)));

const other = 'quay.io/team/app';
const latest = tagOf('latest');

function contentPath(data: string, digest: Digest): string {
  const [algorithm = '', hex = ''] = digest.split(':');
  return join(data, 'content-v1', algorithm, hex.slice(0, 2), hex);
}

test('a committed blob is read back whole and in parts, and its file has left incoming', async (t) => {
  const data = dataFolder(t);
  const cache = await open(t, data);
  const bytes = randomBytes(3_000_001);
  const digest = await addBlob(cache, bytes);

  const blob = await cache.open(image, digest);
  assert.equal(blob?.size, bytes.length);
  assert.deepEqual(await readAll(blob.stream(0, bytes.length)), bytes);
  assert.deepEqual(await readAll(blob.stream(2_999_990, bytes.length)), bytes.subarray(2_999_990));
  assert.deepEqual(await readAll(blob.stream(5, 5)), Buffer.alloc(0));
  blob.close();
  assert.deepEqual(readdirSync(cache.incoming.path), []);
  assert.deepEqual(readFileSync(contentPath(data, digest)), bytes);
});

test('every digest algorithm has its own folder', async (t) => {
  const data = dataFolder(t);
  const cache = await open(t, data);
  for (const algorithm of ['sha256', 'sha384', 'sha512']) {
    const digest = await addBlob(cache, Buffer.from(algorithm), { algorithm });
    assert.equal(readFileSync(contentPath(data, digest), 'utf8'), algorithm);
    assert.ok(await cache.open(image, digest));
  }
});

test('a blob is invisible in an image that does not link it, though the content is here', async (t) => {
  const cache = await open(t, dataFolder(t));
  const digest = await addBlob(cache);
  assert.equal(await cache.open(other, digest), undefined);
  assert.equal((await cache.find(other, digest)).linked, false);
  assert.equal(await cache.isStored(digest), true);
  await cache.link(other, digest, endpoint);
  assert.ok(await cache.open(other, digest));
});

test('a link is remembered before the blob is here', async (t) => {
  const cache = await open(t, dataFolder(t));
  const bytes = randomBytes(10);
  const digest = digestOf(bytes);
  await cache.link(other, digest, endpoint);
  assert.equal((await cache.find(other, digest)).linked, true);
  assert.equal(await cache.isStored(digest), false);
  assert.equal(await cache.open(other, digest), undefined);
  await addBlob(cache, bytes);
  assert.ok(await cache.open(other, digest));
});

test('committing what is here already drops the new file, also when both come at once', async (t) => {
  const cache = await open(t, dataFolder(t));
  const bytes = randomBytes(50_000);
  const digests = await Promise.all([1, 2, 3, 4].map(() => addBlob(cache, bytes)));
  await addBlob(cache, bytes);
  const blob = await cache.open(image, digests[0]!);
  assert.deepEqual(await readAll(blob!.stream(0, bytes.length)), bytes);
  assert.deepEqual(readdirSync(cache.incoming.path), []);
  assert.equal(cache.admin.usage().bytes, bytes.length);
});

test('a file of another size than announced is not committed', async (t) => {
  const cache = await open(t, dataFolder(t));
  const digest = digestOf(Buffer.from('abc'));
  const file = join(cache.incoming.path, 'x');
  writeFileSync(file, 'ab');
  await assert.rejects(cache.commit(digest, 3, file), /has 2 bytes/);
  assert.equal(await cache.isStored(digest), false);
});

test('a manifest is served by memory and by disk, where its image links it', async (t) => {
  const data = dataFolder(t);
  const manifest = manifestOf([{ digest: digestOf(Buffer.from('c')), size: 1 }]);
  const first = await open(t, data);
  await first.putManifest(image, manifest);
  const expected = { digest: manifest.digest, mediaType: manifest.mediaType, bytes: manifest.bytes };
  assert.deepEqual(await first.manifest(image, manifest.digest), expected);
  assert.equal(await first.manifest(other, manifest.digest), undefined);
  await first.close();

  const second = await open(t, data);
  assert.deepEqual(await second.manifest(image, manifest.digest), expected);
});

test('a manifest that memory keeps takes no more than its bytes, however it came', async (t) => {
  const cache = await open(t, dataFolder(t));
  const { bytes, ...manifest } = manifestOf([{ digest: digestOf(Buffer.from('c')), size: 1 }]);
  const slice = new Uint8Array(64 * 1024).subarray(0, bytes.length);
  slice.set(bytes);
  await cache.putManifest(image, { ...manifest, bytes: slice });
  const kept = (await cache.manifest(image, manifest.digest))!.bytes;
  assert.deepEqual(Buffer.from(kept), Buffer.from(bytes));
  assert.equal(kept.buffer.byteLength, bytes.length);
});

test('one manifest put by several images at once is linked by each', async (t) => {
  const cache = await open(t, dataFolder(t));
  const manifest = manifestOf([{ digest: digestOf(Buffer.from('c')), size: 1 }]);
  const images = ['a.test/x', 'b.test/x', 'c.test/x'];
  await Promise.all(images.map((name) => cache.putManifest(name, manifest)));
  for (const name of images) assert.ok(await cache.manifest(name, manifest.digest));
  assert.equal(cache.admin.usage().manifests, 1);
});

test('a tag points to a manifest, moves, is listed in byte order, and is dropped', async (t) => {
  const clock = movableClock();
  const cache = await open(t, dataFolder(t), {}, { clock });
  const [one, two] = [
    manifestOf([{ digest: digestOf(Buffer.from('1')), size: 1 }]),
    manifestOf([{ digest: digestOf(Buffer.from('2')), size: 1 }]),
  ];
  await cache.putManifest(image, one);
  await cache.putManifest(image, two);
  assert.equal(await cache.tag(image, latest), undefined);
  await cache.setTag(image, latest, { digest: one.digest, endpoint });
  clock.advance(5000);
  await cache.setTag(image, latest, { digest: two.digest, endpoint: 'source.test/x' });
  assert.deepEqual(await cache.tag(image, latest), {
    digest: two.digest,
    endpoint: 'source.test/x',
    checkedAt: clock.now(),
  });
  for (const name of ['v10', 'V2', '_a', 'v9'])
    await cache.setTag(image, tagOf(name), { digest: one.digest, endpoint });
  assert.deepEqual(await cache.tags(image), ['V2', '_a', 'latest', 'v10', 'v9']);
  await cache.dropTag(image, latest);
  assert.equal(await cache.tag(image, latest), undefined);
  assert.ok(await cache.manifest(image, two.digest), 'the content stays');
  assert.deepEqual(await cache.tags(other), []);
});

test('what the manifests of an image say of a blob is known before the blob is here', async (t) => {
  const cache = await open(t, dataFolder(t));
  const layer = digestOf(Buffer.from('layer'));
  const manifest = manifestOf([
    { digest: digestOf(Buffer.from('c')), size: 1 },
    { digest: layer, size: 77 },
  ]);
  assert.equal((await cache.find(image, layer)).described, undefined);
  await cache.putManifest(image, manifest);
  const mediaType = 'application/vnd.oci.image.layer.v1.tar+gzip';
  assert.deepEqual((await cache.find(image, layer)).described, {
    size: 77,
    mediaType,
    endpoint,
    isElsewhere: false,
    imageBytes: manifest.manifest.children.reduce((sum, { size }) => sum + size, 0),
  });
  assert.equal((await cache.find(other, layer)).described, undefined, 'not in another image');
  assert.equal((await cache.find(image, layer)).linked, false, 'and no link follows from it');
});

test('lists are kept with the time when they were given', async (t) => {
  const clock = movableClock();
  const cache = await open(t, dataFolder(t), {}, { clock });
  await cache.setList(image, 'tags', '', Buffer.from('["a"]'));
  await cache.setList(image, 'referrers', 'sha256:1', Buffer.from('{}'));
  assert.deepEqual(await cache.list(image, 'tags', ''), {
    bytes: Buffer.from('["a"]'),
    checkedAt: clock.now(),
  });
  assert.equal(await cache.list(image, 'referrers', ''), undefined);
  await cache.dropList(image, 'tags', '');
  assert.equal(await cache.list(image, 'tags', ''), undefined);
  assert.ok(await cache.list(image, 'referrers', 'sha256:1'));
});

test('a blob whose file is gone or has another size is absent from then on, and can be committed again', async (t) => {
  const data = dataFolder(t);
  const log = collectLog();
  const cache = await open(t, data, {}, { log });
  await cache.admin.reconciled;
  const bytes = randomBytes(500);
  const digest = await addBlob(cache, bytes);
  for (const damage of [unlinkSync, (path: string) => truncateSync(path, 100)]) {
    damage(contentPath(data, digest));
    assert.equal(await cache.open(image, digest), undefined);
    assert.equal(await cache.isStored(digest), false);
    await addBlob(cache, bytes);
    const blob = await cache.open(image, digest);
    assert.deepEqual(await readAll(blob!.stream(0, 500)), bytes);
    blob!.close();
  }
  assert.equal(log.lines.filter(({ level }) => level === 'warn').length, 2);
});

test('a blob that is cut short while it is read makes the stream fail, not end', async (t) => {
  const data = dataFolder(t);
  const cache = await open(t, data);
  const bytes = randomBytes(2_000_000);
  const digest = await addBlob(cache, bytes);
  const blob = (await cache.open(image, digest))!;
  const stream = blob.stream(0, bytes.length);
  await stream.next();
  truncateSync(contentPath(data, digest), 300_000);
  await assert.rejects(async () => {
    while (await stream.next());
  }, /ends at 300000, before 2000000/);
  stream.close();
  blob.close();
  assert.equal(await cache.isStored(digest), false, 'it will be fetched again');
});

test('a reader of a damaged file who comes to its end late does not take away what has come back', async (t) => {
  const data = dataFolder(t);
  const bytes = randomBytes(3_000_000);
  const first = await open(t, data);
  const digest = await addBlob(first, bytes);
  await first.close();
  const cache = await open(t, data);
  const blobs = [await cache.open(image, digest), await cache.open(image, digest)];
  const [early, late] = blobs.map((blob) => blob!.stream(0, bytes.length));
  await late!.next();
  flipByte(contentPath(data, digest), 2_999_999);
  await assert.rejects(readAll(early!), /have changed/);
  assert.equal(await cache.isStored(digest), false);
  await addBlob(cache, bytes);
  await assert.rejects(readAll(late!), /have changed/);
  assert.equal(await cache.isStored(digest), true);
  for (const blob of blobs) blob!.close();
});

test('a manifest whose file has other bytes is not served, and has its tags again when it comes back', async (t) => {
  const data = dataFolder(t);
  const manifest = manifestOf([{ digest: digestOf(Buffer.from('c')), size: 1 }]);
  const first = await open(t, data);
  await first.putManifest(image, manifest);
  await first.setTag(image, latest, { digest: manifest.digest, endpoint });
  await first.close();
  const path = contentPath(data, manifest.digest);
  writeFileSync(path, readFileSync(path, 'utf8').replace('note', 'nope'));

  const second = await open(t, data);
  assert.equal(await second.manifest(image, manifest.digest), undefined);
  await second.putManifest('a.test/other', manifest);
  assert.deepEqual((await second.tag(image, latest))?.digest, manifest.digest);
  assert.ok(await second.manifest(image, manifest.digest), 'linked as before');
});

test('all is there again after a restart', async (t) => {
  const data = dataFolder(t);
  const manifest = manifestOf([{ digest: digestOf(Buffer.from('c')), size: 1 }]);
  const first = await open(t, data);
  const digest = await addBlob(first);
  await first.putManifest(image, manifest);
  await first.setTag(image, latest, { digest: manifest.digest, endpoint });
  await first.close();
  await first.close();

  const second = await open(t, data);
  assert.equal((await second.tag(image, latest))?.digest, manifest.digest);
  assert.ok(await second.open(image, digest));
  assert.deepEqual(await second.admin.reconciled, {
    added: 0,
    dropped: 0,
    removed: 0,
    foreign: 0,
    unreadable: 0,
  });
});

test('closing waits for what is being written', async (t) => {
  const data = dataFolder(t);
  const first = await open(t, data);
  const bytes = randomBytes(200_000);
  const manifest = manifestOf([{ digest: digestOf(bytes), size: bytes.length }]);
  const writes = [addBlob(first, bytes), first.putManifest(image, manifest)];
  await first.close();
  await Promise.all(writes.map((write) => write.catch(() => undefined)));

  const second = await open(t, data);
  assert.equal(await second.isStored(digestOf(bytes)), true);
  assert.ok(await second.manifest(image, manifest.digest));
  assert.deepEqual(await second.admin.reconciled, {
    added: 0,
    dropped: 0,
    removed: 0,
    foreign: 0,
    unreadable: 0,
  });
});

test('usage and images are told', async (t) => {
  const cache = await open(t, dataFolder(t), {
    maxSize: 1e6,
    quotas: [{ match: 'docker.io/**', maxSize: 5e5 }],
  });
  await cache.admin.reconciled;
  const layer = await addBlob(cache);
  const manifest = manifestOf([{ digest: layer, size: 1000 }]);
  await cache.putManifest(image, manifest);
  await cache.setTag(image, latest, { digest: manifest.digest, endpoint });
  const reservation = await cache.reserve(50);
  const bytes = 1000 + manifest.bytes.length;
  assert.deepEqual(cache.admin.usage(), {
    bytes,
    contents: 2,
    manifests: 1,
    hosted: { bytes: 0, contents: 0 },
    reserved: 50,
    maxSize: 1e6,
    quotas: [{ match: 'docker.io/**', maxSize: 5e5, bytes }],
  });
  reservation?.release();
  assert.deepEqual(await cache.admin.images('', 10), [{ image, tags: 1, contents: 2, bytes }]);
});

test('a blob that eviction forgot while it was on its way is linked when it comes', async (t) => {
  const data = dataFolder(t);
  const cache = await open(t, data, { maxSize: 5000 });
  const bytes = Buffer.alloc(3000, 'b');
  const digest = digestOf(bytes);
  await cache.link(image, digest, endpoint);
  const other = await addBlob(cache, Buffer.alloc(3000, 'a'));
  (await cache.reserve(4000))?.release();
  assert.equal(await cache.isStored(other), false);
  assert.equal((await cache.find(image, digest)).linked, false);
  const file = join(cache.incoming.path, 'blob');
  writeFileSync(file, bytes);
  await cache.commit(digest, bytes.length, file);
  assert.equal((await cache.find(image, digest)).linked, true);
});

test('gc forgets names and referrers lists of images of which nothing was ever here', async (t) => {
  const data = dataFolder(t);
  const cache = await open(t, data);
  const list = Buffer.from('{}');
  for (let n = 0; n < 50; n += 1) await cache.setList(`made.up/name${n}`, 'referrers', 'sha256:0', list);
  const blob = await addBlob(cache);
  await cache.setList(image, 'referrers', blob, list);
  await cache.setList('quay.io/team/app', 'tags', '', list);
  assert.equal((await cache.admin.collect()).forgotten, 50);
  assert.equal((await cache.admin.collect()).forgotten, 0);
  assert.equal(await cache.list('made.up/name1', 'referrers', 'sha256:0'), undefined);
  assert.ok(
    (await cache.list(image, 'referrers', blob)) && (await cache.list('quay.io/team/app', 'tags', '')),
  );
  assert.ok((await cache.find(image, blob)).linked);
  // A number that became free goes to another name.
  await cache.setList('new.io/name', 'tags', '', list);
  assert.ok(await cache.list('new.io/name', 'tags', ''));
  assert.equal(await cache.list('made.up/name1', 'tags', ''), undefined);
});

test('gc removes what an unfinished push left, whatever it has to leave of an image with a lost manifest', async (t) => {
  const data = dataFolder(t);
  const clock = movableClock();
  await (await open(t, data)).close();
  const { index } = openIndex(join(data, 'index-v1.sqlite'), 0);
  index.transaction(() => {
    for (let n = 0; n <= 500; n += 1) {
      const bytes = Buffer.from(`blob ${n}`);
      const digest = digestOf(bytes);
      mkdirSync(dirname(contentPath(data, digest)), { recursive: true });
      writeFileSync(contentPath(data, digest), bytes);
      index.addBlob(digest, bytes.length, n);
      index.link(n < 500 ? other : image, digest, 'push', n);
    }
    index.link(other, digestOf(Buffer.from('lost')), 'push', 0, 'application/vnd.oci.image.manifest.v1+json');
  });
  index.close();
  const cache = await open(t, data, {}, { clock });
  assert.equal((await cache.admin.collect()).unlisted, 1);
});

test('gc keeps the type under which one image alone knows a manifest', async (t) => {
  const cache = await open(t, dataFolder(t));
  const layer = await addBlob(cache, Buffer.from('layer'));
  const manifest = manifestOf([{ digest: layer, size: 5 }]);
  const ownType = 'application/vnd.example.of.one.image+json';
  await cache.putManifest(image, manifest);
  await cache.putManifest(other, { ...manifest, mediaType: ownType });
  await cache.admin.collect();
  // A number that had become free would go to this name.
  await cache.setList('new.io/name', 'tags', '', Buffer.from('{}'));
  assert.equal((await cache.manifest(other, manifest.digest))?.mediaType, ownType);
  assert.equal((await cache.manifest(image, manifest.digest))?.mediaType, manifest.mediaType);
});
