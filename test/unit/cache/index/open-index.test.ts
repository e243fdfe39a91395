import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { closeSync, existsSync, openSync, readdirSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import SqliteDatabase from 'better-sqlite3';
import { openIndex } from '../../../../src/cache/index/open-index.ts';
import type { OpenCache } from '../../../../src/cache/open-cache.ts';
import { EntrepotError } from '../../../../src/errors.ts';
import type { Digest } from '../../../../src/oci/digest.ts';
import {
  addBlob,
  collectLog,
  dataFolder,
  digestOf,
  endpoint,
  image,
  indexOf,
  manifestOf,
  open,
  tagOf,
} from '../data-folder-fixture.ts';

test('an index of a newer version is refused and left as it is', async (t) => {
  const data = dataFolder(t);
  await (await open(t, data)).close();
  const path = join(data, 'index-v1.sqlite');
  const db = new SqliteDatabase(path);
  db.pragma('user_version = 99');
  db.close();
  await assert.rejects(open(t, data), (error: unknown) => {
    assert.ok(error instanceof EntrepotError);
    assert.equal(error.code, 'INDEX_TOO_NEW');
    assert.equal(error.file, path);
    assert.match(error.message, /version 99/);
    return true;
  });
  assert.deepEqual(
    readdirSync(data).filter((name) => name.includes('damaged')),
    [],
  );
  await assert.rejects(open(t, data), { code: 'INDEX_TOO_NEW' }, 'the lock was given back');
});

for (const [name, ruin] of [
  ['deleted', (path: string) => ['', '-wal', '-shm'].map((suffix) => rmSync(path + suffix, { force: true }))],
  ['overwritten with garbage', (path: string) => writeFileSync(path, randomBytes(20_000))],
] as const) {
  test(`an index that was ${name} is rebuilt from the content: manifests, what they list, and blobs`, async (t) => {
    const data = dataFolder(t);
    const first = await open(t, data);
    const layerBytes = randomBytes(700);
    const layer = await addBlob(first, layerBytes);
    const manifest = manifestOf([{ digest: layer, size: 700 }]);
    const top = indexOf([manifest]);
    await first.putManifest(image, manifest);
    await first.putManifest(image, top);
    const usage = first.admin.usage();
    await first.close();
    ruin(join(data, 'index-v1.sqlite'));

    const log = collectLog();
    const second = await open(t, data, {}, { log });
    assert.deepEqual(await second.admin.reconciled, {
      added: 3,
      dropped: 0,
      removed: 0,
      foreign: 0,
      unreadable: 0,
    });
    assert.deepEqual(second.admin.usage(), usage);
    assert.equal(log.lines.filter(({ message }) => message === 'index and content agree').length, 1);
    assert.equal(await second.open(image, layer), undefined, 'nobody knows what linked it');
    await second.link(image, layer, endpoint);
    assert.ok(await second.open(image, layer));
    await second.putManifest(image, manifest);
    await second.setTag(image, tagOf('1'), { digest: manifest.digest, endpoint });
    assert.equal((await second.admin.children(manifest.digest))[0]?.size, 700);
    const aside = readdirSync(data).filter((file) => file.includes('.damaged-'));
    assert.equal(aside.length, name === 'deleted' ? 0 : 1);
  });
}

/** Overwrites every page that holds rows of `table`, but for its first. */
function damage(path: string, table: string): void {
  const db = new SqliteDatabase(path);
  const pages = db
    .prepare<[string], { pageno: number }>("SELECT pageno FROM dbstat WHERE name = ? AND pagetype = 'leaf'")
    .all(table);
  const size = Number(db.pragma('page_size', { simple: true }));
  db.close();
  const file = openSync(path, 'r+');
  for (const { pageno } of pages) writeSync(file, Buffer.alloc(size, 0xff), 0, size, (pageno - 1) * size);
  closeSync(file);
}

test('an index that turns out to be damaged is replaced while the cache serves; links and tags are taken over', async (t) => {
  const data = dataFolder(t);
  const first = await open(t, data);
  const blobs = await Promise.all(Array.from({ length: 30 }, () => addBlob(first)));
  for (const [n, digest] of blobs.entries()) {
    const manifest = manifestOf([{ digest, size: 1000 }], String(n));
    await first.putManifest(image, manifest);
    await first.setTag(image, tagOf(`v${n}`), { digest: manifest.digest, endpoint });
  }
  await first.close();
  damage(join(data, 'index-v1.sqlite'), 'sqlite_autoindex_contents_1');

  const log = collectLog();
  const second = await open(t, data, {}, { log });
  assert.equal(await second.open(image, blobs[0]!), undefined, 'absent, not an error');
  while (!log.lines.some(({ message }) => message === 'index and content agree')) await turn();
  for (const digest of blobs) assert.ok(await second.open(image, digest));
  for (const tag of await second.tags(image)) {
    assert.ok(await second.manifest(image, (await second.tag(image, tagOf(tag)))!.digest));
  }
  assert.equal((await second.tags(image)).length, 30);
  assert.equal(log.lines.filter(({ level }) => level === 'error').length, 1);
  assert.equal(readdirSync(data).filter((file) => file.endsWith('Z')).length, 1);
});

/** Every table of the index, and where it begins. */
function tablesOf(path: string): { name: string; page: number; pageSize: number }[] {
  const db = new SqliteDatabase(path);
  try {
    const pageSize = Number(db.pragma('page_size', { simple: true }));
    const rows = db.prepare<[], { name: string; page: number }>(
      "SELECT name, rootpage AS page FROM sqlite_schema WHERE type = 'table' AND rootpage > 0",
    );
    return rows.all().map((row) => ({ ...row, pageSize }));
  } finally {
    db.close();
  }
}

function overwritePage(path: string, page: number, pageSize: number): void {
  const file = openSync(path, 'r+');
  writeSync(file, Buffer.alloc(pageSize, 0xff), 0, pageSize, (page - 1) * pageSize);
  closeSync(file);
}

const ours = 'images.local/app';
const pushedLayer = Buffer.from('a pushed layer');
const pushed = manifestOf([{ digest: digestOf(pushedLayer), size: pushedLayer.length }], 'pushed');

/** One image that clients have pushed, and that nothing else has. */
async function push(cache: OpenCache): Promise<void> {
  const file = join(cache.incoming.path, 'pushed');
  writeFileSync(file, pushedLayer);
  const [layer] = pushed.manifest.children;
  await cache.hosted.commitBlob(ours, layer!.digest, pushedLayer.length, file, { hosted: true });
  await cache.hosted.putManifest(ours, pushed, [tagOf('1')], { hosted: true });
}

/** Some images of one repository, each with a layer and a tag. */
async function fill(t: TestContext, data: string): Promise<Digest[]> {
  const cache = await open(t, data);
  const layers: Digest[] = [];
  for (let n = 0; n < 8; n += 1) {
    const layer = await addBlob(cache);
    const manifest = manifestOf([{ digest: layer, size: 1000 }], String(n));
    await cache.putManifest(image, manifest);
    await cache.setTag(image, tagOf(`v${n}`), { digest: manifest.digest, endpoint });
    layers.push(layer);
  }
  await push(cache);
  await cache.admin.pins.add('quay.io/**');
  await cache.close();
  return layers;
}

/** All of it can be pulled again. */
async function assertWhole(cache: OpenCache, layers: readonly Digest[]): Promise<void> {
  assert.equal((await cache.tags(image)).length, layers.length);
  for (const [n, layer] of layers.entries()) {
    const blob = await cache.open(image, layer);
    assert.ok(blob, `the link of layer ${n}`);
    blob.close();
    const tag = await cache.tag(image, tagOf(`v${n}`));
    assert.ok(tag && (await cache.manifest(image, tag.digest)), `the image of tag ${n}`);
  }
  assert.equal((await cache.tag(ours, tagOf('1')))?.endpoint, 'push', 'a hosted tag stays hosted');
  assert.ok(await cache.manifest(ours, pushed.digest));
  const { bytes } = pushed;
  const hosted = { bytes: pushedLayer.length + bytes.length, contents: 2 };
  assert.deepEqual(cache.admin.usage().hosted, hosted, 'hosted content stays hosted');
}

describe('an index whose damage is in the first page of a table gives its tags and links back', () => {
  // Without a page of rows in it a table takes no harm: `fill` writes to each of these.
  const tables = ['names', 'contents', 'children', 'tags', 'links', 'meta', 'totals'];

  it('whichever tables there are', (t) => {
    const path = join(dataFolder(t), 'index');
    openIndex(path, 0).index.close();
    const outbox = ['outbox_events', 'outbox_deliveries', 'outbox_lanes', 'outbox_counts'];
    const replicas = ['replicas', 'replica_counts', 'selections'];
    const placements = ['placements', 'placement_counts', 'stores'];
    const untouched = [
      'lists',
      'facts',
      'verdicts',
      'jobs',
      'job_counts',
      'inbox',
      'sqlite_sequence',
      ...outbox,
      ...replicas,
      ...placements,
    ];
    const all = tablesOf(path).map(({ name }) => name);
    assert.deepEqual(all.toSorted(), [...tables, ...untouched].toSorted());
  });

  for (const table of tables) {
    it(`in ${table}`, async (t) => {
      const data = dataFolder(t);
      const layers = await fill(t, data);
      const path = join(data, 'index-v1.sqlite');
      const { page, pageSize } = tablesOf(path).find(({ name }) => name === table)!;
      overwritePage(path, page, pageSize);

      const log = collectLog();
      const second = await open(t, data, {}, { log });
      // The start itself meets what it reads; a request meets the rest.
      await second.admin.reconciled;
      await second.tags(image);
      await second.admin.children(layers[0]!);
      (await second.open(image, layers[0]!))?.close();
      while (!log.lines.some(({ message }) => message.startsWith('links and tags'))) await turn();
      await second.admin.collect();
      await assertWhole(second, layers);
      assert.equal(log.lines.filter(({ message }) => message.startsWith('the index was damaged')).length, 1);
      await second.close();

      const third = await open(t, data);
      await third.admin.reconciled;
      await assertWhole(third, layers);
      assert.equal(readdirSync(data).filter((file) => file.endsWith('Z')).length, 1);
      assert.equal(existsSync(`${path}.salvaging`), false, 'it was read to its end');
    });
  }

  it('in the schema: it starts, and the content is there once it is linked again', async (t) => {
    const data = dataFolder(t);
    const layers = await fill(t, data);
    const path = join(data, 'index-v1.sqlite');
    const file = openSync(path, 'r+');
    writeSync(file, Buffer.alloc(3996, 0xff), 0, 3996, 100);
    closeSync(file);
    const second = await open(t, data);
    await second.admin.reconciled;
    await second.link(image, layers[0]!, endpoint);
    assert.ok(await second.open(image, layers[0]!));
  });
});

test('a process that ends before all was read from a damaged index leaves that to the next one', async (t) => {
  const data = dataFolder(t);
  const layers = await fill(t, data);
  const path = join(data, 'index-v1.sqlite');
  const { page, pageSize } = tablesOf(path).find(({ name }) => name === 'meta')!;
  overwritePage(path, page, pageSize);
  const second = await open(t, data);
  await second.close();
  assert.ok(existsSync(`${path}.salvaging`), 'it was closed before it began');

  const log = collectLog();
  const third = await open(t, data, {}, { log });
  await third.admin.reconciled;
  await assertWhole(third, layers);
  assert.equal(log.lines.filter(({ level }) => level === 'error').length, 0, 'it was told before');
});

test('what is purged stays so, however often it is started after a damage', async (t) => {
  const data = dataFolder(t);
  await fill(t, data);
  const path = join(data, 'index-v1.sqlite');
  const { page, pageSize } = tablesOf(path).find(({ name }) => name === 'meta')!;
  overwritePage(path, page, pageSize);
  const second = await open(t, data);
  await second.admin.reconciled;
  await second.admin.purge({ image });
  await second.close();
  const third = await open(t, data);
  await third.admin.reconciled;
  assert.deepEqual(await third.tags(image), []);
});
