import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createReplicaBook } from '../../../src/replication/replicas/replica-book.ts';
import { replica } from '../../contract/replica-store.ts';
import { createManualClock } from '../../support/clock.ts';
import { createMemoryReplicas } from '../../support/memory-replicas.ts';

const image = 'quay.io/team/app';

function book() {
  const store = createMemoryReplicas();
  const lags: number[] = [];
  const log = { error: (fields: object) => assert.fail(JSON.stringify(fields)) };
  const clock = createManualClock();
  const made = createReplicaBook({ store, clock, log, caughtUp: (seconds) => lags.push(seconds) });
  const states = async () =>
    (await store.ofImage(image)).map(({ tag, sync, state }) => `${tag} ${sync} ${state}`);
  return { ...made, store, lags, states };
}

describe('a replica book', () => {
  it('has no row of a tag that was removed, whatever blocks wanted it', async () => {
    const { store, removed, states } = book();
    await store.put([replica(image, '1'), replica(image, '1', { sync: 'other' }), replica(image, '2')]);
    await removed({ image, tag: '1' });
    assert.deepEqual(await states(), ['2 team done']);
  });

  it('calls what a person asks for pending, but not what runs', async () => {
    const { store, asked, states } = book();
    const failed = replica(image, '1', { state: 'failed', reason: 'HTTP 503', nextAttempt: 9, failedAt: 4 });
    await store.put([failed, replica(image, '2', { state: 'running' }), replica(image, '3')]);
    await asked(image, null);
    assert.deepEqual(await states(), ['1 team pending', '2 team running', '3 team pending']);
    const { nextAttempt, reason, failedAt } = (await store.ofImage(image))[0] ?? assert.fail('none');
    assert.deepEqual(
      { nextAttempt, reason, failedAt },
      { nextAttempt: undefined, reason: undefined, failedAt: 4 },
    );
  });

  it('keeps what a block says of a tag when another block does its work', async () => {
    const { store, planned, ended, states } = book();
    await store.put([replica(image, '1', { sync: 'other', state: 'failed' })]);
    await planned(image, { sync: 'team', wanted: new Set(['1']), coming: [], changedAt: 1 });
    const end = {
      digest: null,
      reason: null,
      bytes: 0,
      seconds: 0,
      hasReferrers: false,
      state: 'done',
    } as const;
    await ended({ image, tag: '1', sync: 'team' }, end);
    assert.deepEqual(await states(), ['1 other failed', '1 team done']);
    await planned(image, { sync: 'team', wanted: new Set(), coming: [], changedAt: 1 });
    assert.deepEqual(await states(), ['1 other failed']);
  });
});
