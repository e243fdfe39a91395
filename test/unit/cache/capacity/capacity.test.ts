import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import type { OpenCache } from '../../../../src/cache/open-cache.ts';
import type { Digest } from '../../../../src/oci/digest.ts';
import { flipByte, storedFile } from '../../../support/stored-files.ts';
import {
  addBlob,
  collectLog,
  dataFolder,
  digestOf,
  image,
  manifestOf,
  movableClock,
  open,
  readAll,
  tagOf,
} from '../data-folder-fixture.ts';

/** Waits for what goes on behind: bounded by the test's own timeout. */
async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await turn();
}

const isFile = (data: string, digest: Digest) =>
  existsSync(join(data, 'content-v1', 'sha256', digest.slice(7, 9), digest.slice(7)));

async function addImage(cache: OpenCache, name: string, layerSize: number) {
  const layer = await addBlob(cache, randomBytes(layerSize), { image: name });
  const manifest = manifestOf([{ digest: layer, size: layerSize }], name);
  await cache.putManifest(name, manifest);
  return { layer, digest: manifest.digest };
}

test('room is made for a reservation by what was used least lately, and its file goes', async (t) => {
  const data = dataFolder(t);
  const clock = movableClock();
  const cache = await open(t, data, { maxSize: 3000 }, { clock });
  const digests: Digest[] = [];
  for (const _ of [1, 2, 3]) {
    digests.push(await addBlob(cache));
    clock.advance(1000);
  }
  (await cache.open(image, digests[0]!))!.close();
  assert.ok(await cache.reserve(900));
  assert.deepEqual(await Promise.all(digests.map(cache.isStored)), [true, false, true]);
  await until(() => !isFile(data, digests[1]!));
});

test('what is reserved counts until it is released', async (t) => {
  const cache = await open(t, dataFolder(t), { maxSize: 1000 });
  const first = await cache.reserve(600);
  assert.ok(first);
  assert.equal(await cache.reserve(500), undefined);
  assert.equal(cache.admin.usage().reserved, 600);
  first.release();
  first.release();
  assert.ok(await cache.reserve(1000));
});

test('what can never fit is refused and evicts nothing', async (t) => {
  const cache = await open(t, dataFolder(t), { maxSize: 5000 });
  const digest = await addBlob(cache);
  assert.equal(await cache.reserve(5001), undefined);
  assert.equal(await cache.isStored(digest), true);
});

test('free space on the disk is looked at, with what must be left', async (t) => {
  let free = 10_000;
  const cache = await open(t, dataFolder(t), { minFree: 4000 }, { freeBytes: () => free });
  const digest = await addBlob(cache);
  assert.ok(await cache.reserve(6000));
  assert.equal(await cache.isStored(digest), true);
  assert.ok(await cache.reserve(500), 'by eviction');
  assert.equal(await cache.isStored(digest), false);
  free = 0;
  assert.equal(await cache.reserve(1), undefined);
});

test('what is reserved and on the disk by now is not missed there a second time', async (t) => {
  const cache = await open(t, dataFolder(t), {}, { freeBytes: () => 10_000 - written });
  const digest = await addBlob(cache);
  let written = 0;
  assert.ok(await cache.reserve(6000, [], () => written));
  written = 5000;
  assert.ok(await cache.reserve(4000));
  assert.equal(await cache.isStored(digest), true);
  assert.ok(await cache.reserve(500), 'by eviction');
  assert.equal(await cache.isStored(digest), false);
});

test('an open blob is neither evicted nor disturbed', async (t) => {
  const cache = await open(t, dataFolder(t), { maxSize: 1_000_000 });
  const bytes = randomBytes(900_000);
  const digest = await addBlob(cache, bytes);
  const blob = (await cache.open(image, digest))!;
  const stream = blob.stream(0, bytes.length);
  assert.equal(await cache.reserve(500_000), undefined);
  assert.deepEqual(await readAll(stream), bytes);
  blob.close();
  assert.ok(await cache.reserve(500_000));
  assert.equal(await cache.isStored(digest), false);
});

test('more than max_size is brought down in the background, whole images at once', async (t) => {
  const data = dataFolder(t);
  const clock = movableClock();
  const first = await open(t, data, {}, { clock });
  const images = [];
  for (const name of ['a.test/1', 'a.test/2', 'a.test/3', 'a.test/4']) {
    images.push(await addImage(first, name, 10_000));
    clock.advance(1000);
  }
  await first.close();
  const second = await open(t, data, { maxSize: 25_000 }, { clock });
  await until(() => second.admin.usage().bytes <= 25_000);
  assert.deepEqual(await Promise.all(images.map(({ layer }) => second.isStored(layer))), [
    false,
    false,
    true,
    true,
  ]);
  assert.deepEqual(await Promise.all(images.map(({ digest }) => second.isStored(digest))), [
    false,
    false,
    true,
    true,
  ]);
});

test('pins protect an image by name or by tag, layers included, until the pin is taken out', async (t) => {
  const data = dataFolder(t);
  const clock = movableClock();
  const pinned = await open(
    t,
    data,
    { maxSize: 100_000, pins: ['a.test/base/*', 'a.test/app:stable'] },
    { clock },
  );
  const base = await addImage(pinned, 'a.test/base/os', 10_000);
  const app = await addImage(pinned, 'a.test/app', 10_000);
  await pinned.setTag('a.test/app', tagOf('stable'), { digest: app.digest, endpoint: 'e.test/x' });
  clock.advance(1000);
  const other = await addImage(pinned, 'a.test/other', 10_000);
  const kept = () => Promise.all([base, app, other].map(({ layer }) => pinned.isStored(layer)));
  assert.equal(await pinned.reserve(95_000), undefined);
  assert.deepEqual(await kept(), [true, true, true]);
  (await pinned.reserve(75_000))?.release();
  assert.deepEqual(await kept(), [true, true, false]);
  await pinned.close();

  const free = await open(t, data, { maxSize: 100_000 }, { clock });
  assert.ok(await free.reserve(99_999));
});

test('a quota evicts within its own images only, and what others share is not charged', async (t) => {
  const data = dataFolder(t);
  const clock = movableClock();
  const quotas = [{ match: 'a.test/team/**', maxSize: 25_000 }];
  const cache = await open(t, data, { quotas }, { clock });
  const outside = await addImage(cache, 'a.test/other', 10_000);
  clock.advance(1000);
  const shared = await addBlob(cache, randomBytes(90_000), { image: 'a.test/team/x' });
  await cache.link('a.test/other', shared, 'e.test/x');
  const team = [];
  for (const name of ['a.test/team/1', 'a.test/team/2', 'a.test/team/3']) {
    clock.advance(1000);
    team.push(await addImage(cache, name, 10_000));
  }
  const used = () => cache.admin.usage().quotas[0]!.bytes;
  await until(() => used() <= 25_000);
  assert.deepEqual(await Promise.all([outside, ...team].map(({ layer }) => cache.isStored(layer))), [
    true,
    false,
    true,
    true,
  ]);
  assert.equal(await cache.isStored(shared), true);
  const bytes = used();
  await cache.close();

  const again = await open(t, data, { quotas }, { clock });
  await again.admin.reconciled;
  assert.equal(again.admin.usage().quotas[0]!.bytes, bytes, 'counted anew after a start');
});

test('what a manifest listed that is lost can be evicted for its quota', async (t) => {
  const data = dataFolder(t);
  const clock = movableClock();
  const quotas = [{ match: 'a.test/team/**', maxSize: 25_000 }];
  const cache = await open(t, data, { quotas }, { clock });
  await cache.admin.reconciled;
  const lost = await addImage(cache, 'a.test/team/1', 10_000);
  clock.advance(1000);
  const kept = await addImage(cache, 'a.test/team/2', 10_000);
  await cache.close();
  flipByte(storedFile(data, lost.digest), 0);

  const again = await open(t, data, { quotas }, { clock });
  await again.admin.reconciled;
  const before = again.admin.usage().quotas[0]!.bytes;
  assert.equal(await again.manifest('a.test/team/1', lost.digest), undefined);
  assert.ok(again.admin.usage().quotas[0]!.bytes < before, 'a lost content is charged to nobody');
  (await again.reserve(10_000, ['a.test/team/3']))?.release();
  assert.deepEqual(await Promise.all([lost.layer, kept.layer].map(again.isStored)), [false, true]);
});

test('a blob that comes back while its old file is still to be removed is not lost', async (t) => {
  const data = dataFolder(t);
  const cache = await open(t, data, { maxSize: 200_000 }, { clock: movableClock() });
  const contents = Array.from({ length: 50 }, () => randomBytes(1000));
  for (let round = 0; round < 5; round += 1) {
    const digests = await Promise.all(contents.map((bytes) => addBlob(cache, bytes)));
    if (round === 4) {
      await cache.admin.reconciled;
      for (const digest of digests) assert.ok(isFile(data, digest) && (await cache.isStored(digest)));
    } else {
      (await cache.reserve(200_000))?.release();
      assert.equal(cache.admin.usage().bytes, 0);
    }
  }
});

test('a quota holds over many images, and the latest ones are there', async (t) => {
  const clock = movableClock();
  const quotas = [{ match: 'a.test/team/**', maxSize: 50_000 }];
  const cache = await open(t, dataFolder(t), { quotas }, { clock });
  const used = () => cache.admin.usage().quotas[0]!.bytes;
  const layers = [];
  for (let n = 0; n < 30; n += 1) {
    clock.advance(1000);
    layers.push((await addImage(cache, `a.test/team/${n}`, 10_000)).layer);
    await addImage(cache, `a.test/other/${n}`, 10);
    await until(() => used() <= 50_000);
  }
  const here = await Promise.all(layers.map(cache.isStored));
  assert.deepEqual(here.slice(-4), [true, true, true, true]);
  assert.equal(here.filter(Boolean).length, 4);
  const others = (await cache.admin.images('', 100)).filter((one) => one.image.startsWith('a.test/other/'));
  assert.ok(others.length === 30 && others.every(({ contents }) => contents === 2));
});

test('under writing, reading and evicting at once every read is right and nothing is ever found broken', async (t) => {
  const log = collectLog();
  const cache = await open(t, dataFolder(t), { maxSize: 600_000 }, { log });
  const contents = Array.from({ length: 60 }, () => randomBytes(1 + Math.floor(Math.random() * 40_000)));
  const any = () => contents[Math.floor(Math.random() * contents.length)]!;
  let [hits, misses] = [0, 0];

  async function write(): Promise<void> {
    const bytes = any();
    const reservation = await cache.reserve(bytes.length);
    if (reservation) await addBlob(cache, bytes);
    reservation?.release();
  }
  async function read(): Promise<void> {
    const bytes = any();
    const blob = await cache.open(image, digestOf(bytes));
    if (!blob) {
      misses += 1;
      return;
    }
    assert.ok((await readAll(blob.stream(0, bytes.length))).equals(bytes));
    blob.close();
    hits += 1;
  }
  let writers = 3;
  const writeMany = async () => {
    for (let n = 0; n < 150; n += 1) await write();
    writers -= 1;
  };
  const readOn = async () => {
    for (; writers > 0; await turn()) await read();
  };
  await Promise.all([writeMany(), writeMany(), writeMany(), readOn(), readOn(), readOn(), readOn()]);
  assert.ok(hits > 50 && misses > 50, `${hits} hits, ${misses} misses`);
  assert.deepEqual(
    log.lines.filter(({ level }) => level !== 'info'),
    [],
  );
  await until(() => cache.admin.usage().bytes <= 600_000);
});

test('reservations that come at the same time do not take the same space', async (t) => {
  const clock = movableClock();
  const cache = await open(t, dataFolder(t), { maxSize: 3000 }, { clock });
  for (const _ of [1, 2, 3]) {
    await addBlob(cache);
    clock.advance(1000);
  }
  const reserved = await Promise.all([1000, 1500, 500, 1].map((bytes) => cache.reserve(bytes)));
  assert.deepEqual(
    reserved.map((one) => one !== undefined),
    [true, true, true, false],
  );
  const usage = cache.admin.usage();
  assert.deepEqual([usage.bytes, usage.reserved], [0, 3000]);
});
