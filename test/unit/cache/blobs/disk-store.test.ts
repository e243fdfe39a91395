import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { createDiskStore } from '../../../../src/cache/blobs/disk-store.ts';
import { IncomingFolder } from '../../../../src/cache/incoming/incoming-folder.ts';
import { buffers, dataFolder, digestOf, readAll } from '../data-folder-fixture.ts';

function setUp(t: TestContext) {
  const data = dataFolder(t);
  const [content, incoming] = [join(data, 'content-v1'), join(data, 'incoming')];
  mkdirSync(content);
  mkdirSync(incoming);
  const faults: string[] = [];
  const store = createDiskStore({
    buffers,
    content,
    incoming: new IncomingFolder(incoming),
    onFault: (digest) => faults.push(digest),
  });
  return { store, content, incoming, faults };
}

const never = () => false;

test('what was written is there whole, by its digest, and nothing is left in incoming', async (t) => {
  const { store, content, incoming } = setUp(t);
  const bytes = randomBytes(1234);
  const digest = digestOf(bytes);
  assert.equal(await store.open(digest), undefined);
  assert.equal(await store.read(digest), undefined);
  assert.equal(await store.has(digest), false);
  await store.write(digest, bytes);
  assert.deepEqual(await store.read(digest), bytes);
  assert.equal(await store.has(digest), true);
  const hex = digest.slice(7);
  assert.deepEqual(readFileSync(join(content, 'sha256', hex.slice(0, 2), hex)), bytes);
  assert.deepEqual(readdirSync(incoming), []);
});

test('a file that is open can be read to its end after it was removed or replaced', async (t) => {
  const { store, incoming } = setUp(t);
  const bytes = randomBytes(900_000);
  const digest = digestOf(bytes);
  await store.write(digest, bytes);
  const file = (await store.open(digest))!;
  const stream = file.stream(0, file.size);
  await store.remove(digest, never);
  assert.equal(await store.open(digest), undefined);
  writeFileSync(join(incoming, 'new'), bytes);
  await store.adopt(digest, bytes.length, join(incoming, 'new'));
  file.close();
  assert.deepEqual(await readAll(stream), bytes);
});

test('several streams of one file do not disturb each other', async (t) => {
  const { store } = setUp(t);
  const bytes = randomBytes(3_000_000);
  const digest = digestOf(bytes);
  await store.write(digest, bytes);
  const file = (await store.open(digest))!;
  const starts = [0, 1, 500_000, 2_999_999];
  const all = await Promise.all(starts.map((start) => readAll(file.stream(start, file.size))));
  file.close();
  for (const [n, start] of starts.entries()) assert.ok(all[n]!.equals(bytes.subarray(start)));
});

test('a removal whose content has come back in the meantime does nothing', async (t) => {
  const { store } = setUp(t);
  const bytes = randomBytes(10);
  const digest = digestOf(bytes);
  await Promise.all([store.write(digest, bytes), store.remove(digest, () => true)]);
  assert.equal(await store.has(digest), true);
  await Promise.all([store.remove(digest, never), store.write(digest, bytes)]);
  assert.equal(await store.has(digest), true, 'what is asked for later happens later');
  await store.remove(digest, never);
  await store.remove(digest, never);
  assert.equal(await store.has(digest), false);
});

test('a write that fails leaves no file, neither under the digest nor in incoming', async (t) => {
  const { store, content, incoming } = setUp(t);
  rmSync(content, { recursive: true });
  writeFileSync(content, 'no folder');
  const bytes = randomBytes(10);
  await assert.rejects(store.write(digestOf(bytes), bytes), { code: 'ENOTDIR' });
  assert.deepEqual(readdirSync(incoming), []);
});

test('files are listed by the first byte of their digest, foreign ones are only counted', async (t) => {
  const { store, content } = setUp(t);
  const bytes = randomBytes(10);
  const digest = digestOf(bytes, 'sha512');
  await store.write(digest, bytes);
  const first = Number.parseInt(digest.slice(7, 9), 16);
  const folder = join(content, 'sha512', digest.slice(7, 9));
  writeFileSync(join(folder, 'README'), '');
  writeFileSync(join(folder, (first === 0 ? 'ff' : '00').repeat(64)), 'in the wrong folder');
  assert.deepEqual(await store.filesIn('sha512', first), { digests: [digest], foreign: 2 });
  assert.deepEqual(await store.filesIn('sha256', first), { digests: [], foreign: 0 });
});
