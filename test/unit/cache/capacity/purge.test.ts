import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addBlob, dataFolder, endpoint, open } from '../data-folder-fixture.ts';

test('what a purge takes is no longer charged to a quota, and what it leaves to others is charged anew', async (t) => {
  const quotas = ['a.test/team/**', 'a.test/**'].map((match) => ({ match, maxSize: 1e6 }));
  const cache = await open(t, dataFolder(t), { quotas });
  await cache.admin.reconciled;
  await addBlob(cache, Buffer.alloc(1000, 1), { image: 'a.test/team/x' });
  const shared = await addBlob(cache, Buffer.alloc(500, 2), { image: 'a.test/team/y' });
  await cache.link('b.test/other', shared, endpoint);
  const bytes = () => cache.admin.usage().quotas.map((quota) => quota.bytes);
  assert.deepEqual(bytes(), [1000, 1000]);
  await cache.admin.purge({ image: 'a.test/team/x' });
  assert.deepEqual(bytes(), [0, 0]);
  await cache.admin.purge({ image: 'b.test/other' });
  assert.deepEqual(bytes(), [500, 500]);
});
