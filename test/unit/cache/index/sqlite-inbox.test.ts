import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createSqliteInbox } from '../../../../src/cache/index/jobs/sqlite-inbox.ts';
import { createSqliteJobs } from '../../../../src/cache/index/jobs/sqlite-jobs.ts';
import { openIndex } from '../../../../src/cache/index/open-index.ts';
import { testJobInbox } from '../../../contract/job-inbox.ts';

testJobInbox(async (t) => {
  const { index } = openIndex(':memory:', 0);
  t.after(() => index.close());
  return { store: createSqliteJobs(index), inbox: createSqliteInbox(index) };
});

test('a notice whose job cannot be added is not remembered either', async (t) => {
  const { index } = openIndex(':memory:', 0);
  t.after(() => index.close());
  const inbox = createSqliteInbox(index);
  const job = { kind: 'replicate', key: 'a', arguments: null, priority: 0, notBefore: 5, cause: 'event:a' };
  const broken = { ...job, key: null as never };
  const bounds = { waiting: 1, age: 1000, remembered: 10 };
  const notices = [
    { fingerprint: 'one', jobs: [job] },
    { fingerprint: 'two', jobs: [broken] },
  ] as const;
  await assert.rejects(inbox.take(notices, bounds, 5), /NOT NULL/);
  assert.deepEqual(await inbox.take([notices[0]], bounds, 5), ['added'], 'neither was kept');
});
