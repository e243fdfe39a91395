import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Digest } from '../../../../src/oci/digest.ts';
import {
  addBlob,
  collectLog,
  dataFolder,
  digestOf,
  image,
  manifestOf,
  open,
  tagOf,
} from '../data-folder-fixture.ts';

function pathOf(data: string, digest: Digest): string {
  const [algorithm = '', hex = ''] = digest.split(':');
  return join(data, 'content-v1', algorithm, hex.slice(0, 2), hex);
}

function place(data: string, digest: Digest, bytes: Uint8Array): string {
  const path = pathOf(data, digest);
  mkdirSync(join(path, '..'), { recursive: true });
  writeFileSync(path, bytes);
  return path;
}

test('rows without a file are no longer stored, and their tags wait for them to come back', async (t) => {
  const data = dataFolder(t);
  const first = await open(t, data);
  const gone = await addBlob(first);
  const kept = await addBlob(first);
  const manifest = manifestOf([{ digest: kept, size: 1000 }]);
  await first.putManifest(image, manifest);
  await first.setTag(image, tagOf('a'), { digest: manifest.digest, endpoint: 'e.test/x' });
  await first.close();
  unlinkSync(pathOf(data, gone));
  unlinkSync(pathOf(data, manifest.digest));

  const second = await open(t, data, { quotas: [{ match: image, maxSize: 1e9 }] });
  assert.deepEqual(await second.admin.reconciled, {
    added: 0,
    dropped: 2,
    removed: 0,
    foreign: 0,
    unreadable: 0,
  });
  assert.equal(second.admin.usage().quotas[0]!.bytes, 1000);
  assert.equal(await second.isStored(gone), false);
  assert.equal(await second.isStored(kept), true);
  assert.equal(await second.manifest(image, manifest.digest), undefined);
  assert.equal(second.admin.usage().bytes, 1000);
  await second.putManifest('a.test/other', manifest);
  assert.equal((await second.tag(image, tagOf('a')))?.digest, manifest.digest);
  assert.ok(await second.manifest(image, manifest.digest));
});

test('hosted content without a file is told of, each by itself; cached content is counted', async (t) => {
  const data = dataFolder(t);
  const first = await open(t, data);
  const cached = await addBlob(first);
  const bytes = randomBytes(1000);
  const hosted = digestOf(bytes);
  const file = join(first.incoming.path, 'upload');
  writeFileSync(file, bytes);
  await first.hosted.commitBlob('images.local/app', hosted, bytes.length, file, { hosted: true });
  await first.close();
  for (const digest of [cached, hosted]) unlinkSync(pathOf(data, digest));

  const told: string[] = [];
  const log = collectLog();
  const second = await open(t, data, {}, { log, onDamaged: (what) => told.push(what) });
  assert.equal((await second.admin.reconciled)?.dropped, 2);
  assert.deepEqual(told, ['content']);
  assert.deepEqual(
    log.lines.filter(({ level }) => level !== 'info').map(({ fields }) => [fields.event, fields.digest]),
    [['cache.hostedDamaged', hosted]],
  );
});

test('files without a row get one when their bytes are right, are removed when not, and stay when they are not ours', async (t) => {
  const data = dataFolder(t);
  const right = randomBytes(300_000);
  place(data, digestOf(right), right);
  const wrong = place(data, digestOf(Buffer.from('promised')), Buffer.from('given'));
  const foreign = join(wrong, '..', 'notes.txt');
  writeFileSync(foreign, 'mine');
  const unlabelled = Buffer.from(
    JSON.stringify({ schemaVersion: 2, manifests: [{ digest: digestOf(right), size: right.length }] }),
  );
  place(data, digestOf(unlabelled), unlabelled);

  const cache = await open(t, data);
  assert.deepEqual(await cache.admin.reconciled, {
    added: 2,
    dropped: 0,
    removed: 1,
    foreign: 1,
    unreadable: 0,
  });
  assert.equal(await cache.isStored(digestOf(right)), true);
  assert.equal(existsSync(wrong), false);
  assert.equal(existsSync(foreign), true);
  assert.equal(cache.admin.usage().manifests, 1, 'an index that does not bear its type is recognised');
});

test('what arrives while it runs is neither dropped nor counted as found', async (t) => {
  const cache = await open(t, dataFolder(t));
  const digests = await Promise.all(Array.from({ length: 40 }, () => addBlob(cache)));
  assert.deepEqual(await cache.admin.reconciled, {
    added: 0,
    dropped: 0,
    removed: 0,
    foreign: 0,
    unreadable: 0,
  });
  for (const digest of digests) assert.equal(await cache.isStored(digest), true);
});

test('what a killed process left half-written in incoming is removed, a transfer is left alone', async (t) => {
  const data = dataFolder(t);
  mkdirSync(join(data, 'incoming'));
  writeFileSync(join(data, 'incoming', 'put-abc-1'), 'half');
  writeFileSync(join(data, 'incoming', 'sha256-abc'), 'transfer');
  await open(t, data);
  assert.equal(existsSync(join(data, 'incoming', 'put-abc-1')), false);
  assert.equal(existsSync(join(data, 'incoming', 'sha256-abc')), true);
});
