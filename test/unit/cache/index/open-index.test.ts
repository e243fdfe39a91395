import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { closeSync, openSync, readdirSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import SqliteDatabase from 'better-sqlite3';
import { EntrepotError } from '../../../../src/errors.ts';
import {
  addBlob,
  collectLog,
  dataFolder,
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
    assert.equal(await second.blob(image, layer), undefined, 'nobody knows what linked it');
    second.link(image, layer, endpoint);
    assert.ok(await second.blob(image, layer));
    await second.putManifest(image, manifest);
    second.setTag(image, tagOf('1'), { digest: manifest.digest, endpoint });
    assert.equal(second.descriptor(image, layer)?.size, 700);
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
    first.setTag(image, tagOf(`v${n}`), { digest: manifest.digest, endpoint });
  }
  await first.close();
  damage(join(data, 'index-v1.sqlite'), 'sqlite_autoindex_contents_1');

  const log = collectLog();
  const second = await open(t, data, {}, { log });
  assert.equal(await second.blob(image, blobs[0]!), undefined, 'absent, not an error');
  while (!log.lines.some(({ message }) => message === 'index and content agree')) await turn();
  for (const digest of blobs) assert.ok(await second.blob(image, digest));
  for (const tag of second.tags(image)) {
    assert.ok(await second.manifest(image, second.tag(image, tagOf(tag))!.digest));
  }
  assert.equal(second.tags(image).length, 30);
  assert.equal(log.lines.filter(({ level }) => level === 'error').length, 1);
  assert.equal(readdirSync(data).filter((file) => file.endsWith('Z')).length, 1);
});
