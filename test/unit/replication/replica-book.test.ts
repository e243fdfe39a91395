import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createReplicaBook } from '../../../src/replication/replicas/replica-book.ts';
import { replica } from '../../contract/replica-store.ts';
import { createManualClock } from '../../support/clock.ts';
import { createMemoryReplicas } from '../../support/memory-replicas.ts';

const image = 'quay.io/team/app';
const noWork = { digest: null, bytes: 0, seconds: 0, hasReferrers: false };

function book() {
  const store = createMemoryReplicas();
  const lags: number[] = [];
  const log = { error: (fields: object) => assert.fail(JSON.stringify(fields)) };
  const clock = createManualClock();
  const made = createReplicaBook({ store, clock, log, caughtUp: (seconds) => lags.push(seconds) });
  const states = async () =>
    (await store.ofImage(image)).map(({ tag, sync, state }) => `${tag} ${sync} ${state}`);
  return { ...made, store, lags, states, clock };
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

  it('keeps a tag done for which its registry could not be asked, with the reason, for a quarter of an hour', async () => {
    const { store, ended, states, clock } = book();
    const place = { image, tag: '1', sync: 'team' };
    await store.put([replica(image, '1')]);
    const unknown = { ...noWork, state: 'unknown', reason: 'HTTP 503' } as const;
    await ended(place, unknown);
    const first = (await store.find(place)) ?? assert.fail('none');
    assert.deepEqual([first.state, first.reason, first.failedAt], ['done', 'HTTP 503', clock.now()]);
    await clock.advance(15 * 60_000 - 1);
    await ended(place, unknown);
    assert.deepEqual(await states(), ['1 team done']);
    await clock.advance(1);
    await ended(place, unknown);
    assert.deepEqual(await states(), ['1 team failed']);
    await ended(place, { ...noWork, state: 'done', reason: null });
    const last = (await store.find(place)) ?? assert.fail('none');
    assert.deepEqual([last.state, last.reason, last.failedAt], ['done', undefined, undefined]);
  });

  it('calls a tag failed at once that is not done, and leaves one as it was that a stopped run did not reach', async () => {
    const { store, ended, states } = book();
    await store.put([
      replica(image, '1', { state: 'pending' }),
      replica(image, '2'),
      replica(image, '3', { state: 'partial' }),
      replica(image, '4', { state: 'running', bytes: 7, seconds: 1 }),
    ]);
    await ended({ image, tag: '1', sync: 'team' }, { ...noWork, state: 'unknown', reason: 'HTTP 503' });
    for (const tag of ['2', '3', '4']) {
      const stopped = { ...noWork, state: 'pending', reason: 'the server stops', bytes: 5 } as const;
      await ended({ image, tag, sync: 'team' }, stopped);
    }
    assert.deepEqual(await states(), ['1 team failed', '2 team done', '3 team partial', '4 team pending']);
    const { bytes, failedAt } = (await store.find({ image, tag: '4', sync: 'team' })) ?? assert.fail('none');
    assert.deepEqual([bytes, failedAt], [12, undefined]);
  });
});
