import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createSqliteJobs } from '../../../../src/cache/index/jobs/sqlite-jobs.ts';
import { openIndex } from '../../../../src/cache/index/open-index.ts';
import { lostRun } from '../../../../src/jobs/job-store.ts';
import { testJobStore } from '../../../contract/job-store.ts';

testJobStore(async (t) => {
  const { index } = openIndex(':memory:', 0);
  t.after(() => index.close());
  return createSqliteJobs(index);
});

test('an index that is opened anew hands back the runs of the process before it', async (t) => {
  const { index } = openIndex(':memory:', 0);
  t.after(() => index.close());
  const jobs = createSqliteJobs(index);
  const job = { kind: 'sync', key: 'a', arguments: null, priority: 0, notBefore: 5, cause: 'manual' };
  const id = await jobs.add(job, 5);
  await jobs.claim(['sync'], 'one', 1000, 5);
  assert.equal(index.loseRuns(6), 1);
  const found = await jobs.find(id);
  assert.deepEqual([found?.state, found?.reason, found?.notBefore], ['pending', lostRun, 6]);
});
