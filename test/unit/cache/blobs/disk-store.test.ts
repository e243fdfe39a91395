import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { UnreadableContent } from '../../../../src/cache/blobs/blob-store.ts';
import { DiskStore } from '../../../../src/cache/blobs/disk-store.ts';
import { IncomingFolder } from '../../../../src/cache/incoming/incoming-folder.ts';
import type { Digest } from '../../../../src/oci/digest.ts';
import { blobStoreContract } from '../../../contract/blob-store.ts';
import { buffers, dataFolder, digestOf } from '../data-folder-fixture.ts';

function setUp(t: TestContext) {
  const data = dataFolder(t);
  const [content, incoming] = [join(data, 'content-v1'), join(data, 'incoming')];
  mkdirSync(content);
  mkdirSync(incoming);
  const store = new DiskStore({ buffers, content, incoming: new IncomingFolder(incoming) });
  t.after(() => store.close());
  const pathOf = (digest: Digest) => {
    const [algorithm = '', hex = ''] = digest.split(':');
    return join(content, algorithm, hex.slice(0, 2), hex);
  };
  const plant = (digest: Digest, bytes: Uint8Array) => {
    mkdirSync(dirname(pathOf(digest)), { recursive: true });
    // Another file, as a copy made by hand would be.
    rmSync(pathOf(digest), { force: true });
    writeFileSync(pathOf(digest), bytes);
  };
  return { store, content, incoming, plant, pathOf };
}

blobStoreContract('the disk store', setUp);

test('a content is a file by its digest, and nothing is left in incoming', async (t) => {
  const { store, incoming, pathOf } = setUp(t);
  const bytes = randomBytes(1234);
  const digest = digestOf(bytes);
  await store.put(digest, bytes);
  assert.deepEqual(readFileSync(pathOf(digest)), bytes);
  assert.deepEqual(readdirSync(incoming), []);
});

test('a file that cannot be opened is told from an error that passes', async (t) => {
  const { store, plant, pathOf } = setUp(t);
  const digest = digestOf(randomBytes(8));
  plant(digest, randomBytes(8));
  rmSync(pathOf(digest));
  symlinkSync(pathOf(digest), pathOf(digest));
  await assert.rejects(store.open(digest), UnreadableContent);
  await assert.rejects(store.read(digest), UnreadableContent);
  await assert.rejects(store.verify(digest, 8).next(), UnreadableContent);
});

test('a write that fails leaves no file, neither under the digest nor in incoming', async (t) => {
  const { store, content, incoming } = setUp(t);
  rmSync(content, { recursive: true });
  writeFileSync(content, 'no folder');
  const bytes = randomBytes(10);
  await assert.rejects(store.put(digestOf(bytes), bytes), { code: 'ENOTDIR' });
  assert.deepEqual(readdirSync(incoming), []);
});

test('files are listed by the first byte of their digest, foreign ones are only counted', async (t) => {
  const { store, content } = setUp(t);
  const bytes = randomBytes(10);
  const digest = digestOf(bytes, 'sha512');
  await store.put(digest, bytes);
  const first = Number.parseInt(digest.slice(7, 9), 16);
  const folder = join(content, 'sha512', digest.slice(7, 9));
  writeFileSync(join(folder, 'README'), '');
  writeFileSync(join(folder, (first === 0 ? 'ff' : '00').repeat(64)), 'in the wrong folder');
  assert.deepEqual(await store.list('sha512', first), { digests: [digest], foreign: 2 });
  assert.deepEqual(await store.list('sha256', first), { digests: [], foreign: 0 });
});
