/** What was pushed is recorded twice: whichever of the two files is lost or damaged, every hosted tag, link and referrer is served. */
import assert from 'node:assert/strict';
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import SqliteDatabase from 'better-sqlite3';
import type { OpenCache } from '../../../src/cache/open-cache.ts';
import type { Digest } from '../../../src/oci/digest.ts';
import {
  addBlob,
  dataFolder,
  digestOf,
  image,
  manifestOf,
  open,
  readAll,
  tagOf,
} from './data-folder-fixture.ts';

const ours = 'images.local/app';
const hosted = { hosted: true };
const layer = Buffer.from('a layer');
const pushed = manifestOf([{ digest: digestOf(layer), size: layer.length }]);
const attached = {
  ...manifestOf([{ digest: digestOf(layer), size: layer.length }], 'attached'),
};
const referrer = (() => {
  const json = {
    ...JSON.parse(attached.bytes.toString()),
    subject: { digest: pushed.digest, size: 1, mediaType: 'a/b' },
  };
  const bytes = Buffer.from(JSON.stringify(json));
  return {
    ...attached,
    bytes,
    digest: digestOf(bytes),
    manifest: { ...attached.manifest, subject: pushed.digest },
  };
})();

async function push(cache: OpenCache): Promise<void> {
  const file = join(cache.incoming.path, 'upload');
  writeFileSync(file, layer);
  await cache.hosted.commitBlob(ours, digestOf(layer), layer.length, file, hosted);
  await cache.hosted.putManifest(ours, pushed, [tagOf('1'), tagOf('gone')], hosted);
  await cache.hosted.putManifest(ours, referrer, [], hosted);
  await cache.hosted.mountBlob('images.local/other', digestOf(layer), hosted);
  assert.equal(await cache.hosted.removeTag(ours, tagOf('gone')), true);
}

async function assertServed(cache: OpenCache): Promise<void> {
  await cache.admin.reconciled;
  assert.deepEqual(await cache.hosted.tags(ours), ['1'], 'and the tag that was deleted stays away');
  assert.equal((await cache.tag(ours, tagOf('1')))?.digest, pushed.digest);
  assert.deepEqual(Buffer.from((await cache.manifest(ours, pushed.digest))!.bytes), pushed.bytes);
  assert.deepEqual(await cache.hosted.referrersOf(ours, pushed.digest, undefined, 10), [referrer.digest]);
  for (const name of [ours, 'images.local/other']) {
    const blob = await cache.open(name, digestOf(layer));
    assert.ok(blob, name);
    assert.deepEqual(await readAll(blob.stream(0, blob.size)), layer);
    blob.close();
  }
  assert.equal(cache.admin.usage().hosted.contents, 3);
}

const index = (data: string) => join(data, 'index-v1.sqlite');
const copy = (data: string) => join(data, 'hosted-v1.sqlite');

function damageFirstPage(file: string): void {
  const bytes = readFileSync(file);
  bytes.fill(0x55, 0, 4096);
  writeFileSync(file, bytes);
  for (const suffix of ['-wal', '-shm']) rmSync(file + suffix, { force: true });
}

function damageTables(file: string, names: readonly string[]): void {
  const db = new SqliteDatabase(file);
  const size = Number(db.pragma('page_size', { simple: true }));
  const pageOf = db.prepare<[string], number>('SELECT rootpage FROM sqlite_schema WHERE name = ?').pluck();
  const pages = names.map((name) => pageOf.get(name)!);
  db.close();
  const bytes = readFileSync(file);
  for (const page of pages) bytes.fill(0xff, (page - 1) * size, page * size);
  writeFileSync(file, bytes);
}

async function pushedFolder(t: TestContext): Promise<string> {
  const data = dataFolder(t);
  const cache = await open(t, data);
  await push(cache);
  await cache.close();
  return data;
}

/** As the process leaves it that is killed after a push. */
async function killedFolder(t: TestContext): Promise<string> {
  const data = dataFolder(t);
  const cache = await open(t, data);
  await push(cache);
  const left = join(dataFolder(t), 'left');
  cpSync(data, left, { recursive: true });
  await cache.close();
  return left;
}

describe('hosted content', () => {
  it('is served as before when the first page of the index is damaged, again and again', async (t) => {
    const data = await pushedFolder(t);
    for (let times = 0; times < 3; times += 1) {
      damageFirstPage(index(data));
      const cache = await open(t, data);
      await assertServed(cache);
      await cache.close();
    }
  });

  it('is there at once, not only after all files were looked at', async (t) => {
    const data = await pushedFolder(t);
    damageFirstPage(index(data));
    const cache = await open(t, data);
    assert.deepEqual(await cache.hosted.tags(ours), ['1']);
  });

  it('is served as before when the index is removed', async (t) => {
    const data = await pushedFolder(t);
    for (const suffix of ['', '-wal', '-shm']) rmSync(index(data) + suffix, { force: true });
    await assertServed(await open(t, data));
  });

  it('is served as before when the process was killed and then the index is damaged', async (t) => {
    const left = await killedFolder(t);
    damageFirstPage(index(left));
    await assertServed(await open(t, left));
  });

  it('is served as before when the process was killed and then the tables of links and tags are damaged', async (t) => {
    const left = await killedFolder(t);
    damageTables(index(left), ['links', 'links_content', 'tags', 'tags_content']);
    await assertServed(await open(t, left));
  });

  for (const [what, spoil] of [
    [
      'was removed',
      (data: string) => ['', '-wal', '-shm'].map((suffix) => rmSync(index(data) + suffix, { force: true })),
    ],
    ['is damaged in its first page', (data: string) => damageFirstPage(index(data))],
  ] as const) {
    it(`is served as before when the index ${what} and the first start after that fails half-way`, async (t) => {
      const data = await pushedFolder(t);
      spoil(data);
      const db = new SqliteDatabase(copy(data));
      db.exec(
        "CREATE TRIGGER failing BEFORE DELETE ON hosted_links BEGIN SELECT raise(ABORT, 'the disk is full'); END",
      );
      await assert.rejects(open(t, data), /the disk is full/);
      db.exec('DROP TRIGGER failing');
      db.close();
      await assertServed(await open(t, data));
    });
  }

  it('needs no copy while the index is whole: one that is damaged, lost or of another day is written anew', async (t) => {
    const data = await pushedFolder(t);
    const spoil: (() => void)[] = [
      () => damageFirstPage(copy(data)),
      () => rmSync(copy(data)),
      () => {
        const db = new SqliteDatabase(copy(data));
        db.exec("DELETE FROM hosted_tags; UPDATE hosted_state SET token = 'of another day'");
        db.close();
      },
    ];
    for (const one of spoil) {
      one();
      const first = await open(t, data);
      await assertServed(first);
      await first.close();
      damageFirstPage(index(data));
      const second = await open(t, data);
      await assertServed(second);
      await second.close();
    }
  });

  it('has nothing of the cache in its copy', async (t) => {
    const data = dataFolder(t);
    const cache = await open(t, data);
    const cached: Digest = await addBlob(cache);
    await cache.putManifest(image, manifestOf([{ digest: cached, size: 1000 }]));
    await push(cache);
    await cache.close();
    const db = new SqliteDatabase(copy(data));
    const rows = (table: string) =>
      db.prepare(`SELECT DISTINCT image FROM ${table} ORDER BY image`).pluck().all();
    assert.deepEqual(rows('hosted_links'), [ours, 'images.local/other']);
    assert.deepEqual(rows('hosted_tags'), [ours]);
    db.close();
  });
});
