import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { ByteStream } from '../../../src/lib/bytes/byte-stream.ts';
import { flipByte, storedFile } from '../../support/stored-files.ts';
import { addBlob, dataFolder, digestOf, image, open } from './data-folder-fixture.ts';

const hosting = 'images.local/team/app';
const bytes = randomBytes(70_000);
const digest = digestOf(bytes);

async function cacheWithHosted(t: TestContext) {
  const data = dataFolder(t);
  const cache = await open(t, data);
  const file = join(cache.incoming.path, 'pushed');
  writeFileSync(file, bytes);
  await cache.hosted.commitBlob(hosting, digest, bytes.length, file, { hosted: true });
  return { data, cache };
}

async function bytesOf(stream: ByteStream): Promise<Buffer> {
  const parts: Buffer[] = [];
  for (let part = await stream.next(); part; part = await stream.next()) parts.push(Buffer.from(part));
  return Buffer.concat(parts);
}

test('a file that a snapshot names stays until the snapshot is released, though its content is deleted', async (t) => {
  const { data, cache } = await cacheWithHosted(t);
  const cached = await addBlob(cache, randomBytes(1000));
  const snapshot = await cache.snapshots.take('hosted');
  assert.deepEqual([...snapshot.contents], [[digest, bytes.length]]);
  await cache.admin.purge({ image: hosting });
  await cache.admin.purge({ image });
  assert.equal(await cache.hosted.serves(hosting, digest), false);
  assert.equal(existsSync(storedFile(data, cached)), false, 'what the snapshot does not name is removed');
  const opened = await snapshot.open(digest);
  assert.ok(opened && (await bytesOf(opened.stream)).equals(bytes));
  opened.close();
  await snapshot.release();
  await cache.admin.collect();
  assert.equal(existsSync(storedFile(data, digest)), false);
  assert.deepEqual(readdirSync(join(data, 'incoming')), []);
});

test('content that is pushed again under a snapshot stays when that is released', async (t) => {
  const { data, cache } = await cacheWithHosted(t);
  const snapshot = await cache.snapshots.take('hosted');
  await cache.admin.purge({ image: hosting });
  const file = join(cache.incoming.path, 'again');
  writeFileSync(file, bytes);
  await cache.hosted.commitBlob(hosting, digest, bytes.length, file, { hosted: true });
  await snapshot.release();
  await cache.admin.collect();
  assert.ok(existsSync(storedFile(data, digest)));
});

test('damage is found although the file was right before, and the next snapshot calls the content lost', async (t) => {
  const { data, cache } = await cacheWithHosted(t);
  const opened = await cache.open(hosting, digest);
  await bytesOf(opened!.stream(0, bytes.length));
  opened!.close();
  flipByte(storedFile(data, digest), 60_000);
  const snapshot = await cache.snapshots.take('all');
  const read = await snapshot.open(digest);
  await assert.rejects(bytesOf(read!.stream), /have changed/);
  read!.close();
  await snapshot.release();
  const next = await cache.snapshots.take('all');
  assert.deepEqual([[...next.contents], next.lost], [[], [digest]]);
  await next.release();
});

test('hosted content that a bucket has, and this disk has not, is not lost', async (t) => {
  const { data, cache } = await cacheWithHosted(t);
  await cache.placements.storesAre(['eu']);
  await cache.placements.placed({ digest, store: 'eu' }, bytes.length, 1);
  await cache.configure({ maxSize: 1, minFree: 0, quotas: [], pins: [] });
  await cache.admin.collect();
  assert.equal(existsSync(storedFile(data, digest)), false);
  const snapshot = await cache.snapshots.take('all');
  assert.deepEqual([snapshot.contents.size, snapshot.lost, snapshot.inBuckets], [0, [], 1]);
  await snapshot.release();
});
