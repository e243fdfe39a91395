/** An index of each earlier version is brought up to date, with all that it knows. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { describe, it, test } from 'node:test';
import SqliteDatabase from 'better-sqlite3';
import { digestKey } from '../../../../src/cache/index/digest-key.ts';
import { migrations } from '../../../../src/cache/index/migrations.ts';
import type { Digest } from '../../../../src/oci/digest.ts';
import { firstContents, firstImage, hostedImage, writeOldDataFolder } from '../../../support/first-index.ts';
import { sha256 } from '../../../support/pusher.ts';
import { dataFolder, open, tagOf } from '../data-folder-fixture.ts';

/** SHA-256 of each step that a program has run somewhere, first characters. Only a line at the end may come. */
const frozen = [
  'a3912c10',
  '431ee0da',
  '2fbd1aab',
  'bee7944c',
  '2c367cb6',
  '9eb8b2ed',
  '07d95cc9',
  '0f0b800a',
  '1c997692',
];

test('steps that were run somewhere are what they were', () => {
  const now = migrations.map((sql) => createHash('sha256').update(sql).digest('hex').slice(0, 8));
  assert.deepEqual(now.slice(0, frozen.length), frozen);
});

function schemaOf(data: string): unknown[] {
  const db = new SqliteDatabase(join(data, 'index-v1.sqlite'), { readonly: true });
  try {
    assert.equal(db.pragma('integrity_check', { simple: true }), 'ok');
    assert.deepEqual(db.pragma('foreign_key_check'), []);
    assert.equal(db.pragma('user_version', { simple: true }), migrations.length);
    return db.prepare('SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type, name').all();
  } finally {
    db.close();
  }
}

/** The last one in which a subject was a reference to a row. */
const subjectRows = 11;

it('what a manifest is attached to is known after the step that keeps it by its digest', async (t) => {
  const data = dataFolder(t);
  writeOldDataFolder(data, subjectRows);
  const db = new SqliteDatabase(join(data, 'index-v1.sqlite'));
  const id = 'SELECT id FROM contents WHERE digest = ?';
  const { manifest, index } = firstContents;
  const [attached, subject] = [manifest, index].map((content) => digestKey(sha256(content) as Digest));
  db.prepare(`UPDATE contents SET subject = (${id}) WHERE digest = ?`).run(subject, attached);
  db.close();
  const cache = await open(t, data);
  const found = await cache.hosted.referrersOf(firstImage, sha256(index) as Digest, undefined, 10);
  assert.deepEqual(found, [sha256(manifest)]);
});

describe('an index is brought up to date', () => {
  for (const version of migrations.keys()) {
    if (version === 0) continue;
    it(`from version ${version}`, async (t) => {
      const data = dataFolder(t);
      writeOldDataFolder(data, version);
      const cache = await open(t, data);
      const { layer, config, manifest, index, hosted } = firstContents;
      for (const tag of ['3', 'latest']) {
        const found = await cache.tag(firstImage, tagOf(tag));
        assert.deepEqual(
          [found?.digest, found?.endpoint, found?.checkedAt],
          [sha256(index), 'mirror.test/library/alpine', 1_760_000_000_000],
        );
      }
      for (const content of [manifest, index]) {
        const kept = await cache.manifest(firstImage, sha256(content) as Digest);
        assert.equal(Buffer.from(kept!.bytes).toString(), content);
      }
      for (const content of [layer, config]) {
        const blob = await cache.open(firstImage, sha256(content) as Digest);
        assert.equal(blob?.size, content.length);
        blob?.close();
      }
      const hosts = version >= 3;
      const bytes = 748 + (hosts ? hosted.length : 0);
      const usage = cache.admin.usage();
      assert.deepEqual([usage.bytes, usage.contents, usage.manifests], [bytes, hosts ? 5 : 4, 2]);
      assert.equal(usage.hosted.contents, hosts ? 1 : 0);
      assert.equal(await cache.hosted.serves(hostedImage, sha256(hosted) as Digest), hosts);
      assert.deepEqual(await cache.admin.reconciled, {
        added: 0,
        dropped: 0,
        removed: 0,
        foreign: 0,
        unreadable: 0,
      });
      await cache.close();
      const fresh = dataFolder(t);
      await (await open(t, fresh)).close();
      assert.deepEqual(schemaOf(data), schemaOf(fresh));
    });
  }
});
