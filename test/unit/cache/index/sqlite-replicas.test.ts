import assert from 'node:assert/strict';
import { test } from 'node:test';
import { noFacts } from '../../../../src/cache/index/facts/fact-recorder.ts';
import { openIndex } from '../../../../src/cache/index/open-index.ts';
import { interrupted } from '../../../../src/cache/index/replicas/replica-store.ts';
import {
  createSqliteReplicas,
  interruptReplicas,
} from '../../../../src/cache/index/replicas/sqlite-replicas.ts';
import { replica, testReplicaStore } from '../../../contract/replica-store.ts';

testReplicaStore(async (t) => {
  const { index } = openIndex(':memory:', 0);
  t.after(() => index.close());
  return createSqliteReplicas(index);
});

test('an index that is opened anew calls no tag running', async (t) => {
  const { index } = openIndex(':memory:', 0);
  t.after(() => index.close());
  const replicas = createSqliteReplicas(index);
  await replicas.put([
    replica('quay.io/team/app', '1', { state: 'running' }),
    replica('quay.io/team/app', '2'),
  ]);
  interruptReplicas(index, noFacts, () => true);
  const found = await replicas.find({ image: 'quay.io/team/app', tag: '1', sync: 'team' });
  assert.deepEqual([found?.state, found?.reason], ['pending', interrupted]);
  assert.equal((await replicas.find({ image: 'quay.io/team/app', tag: '2', sync: 'team' }))?.state, 'done');
});
