import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { createSharedJobs } from '../../../../src/cache/shared/shared-jobs.ts';
import { Unavailable } from '../../../../src/cache/shared/unavailable.ts';
import type { JobId } from '../../../../src/jobs/job.ts';
import type { Notice } from '../../../../src/jobs/job-inbox.ts';
import { systemClock } from '../../../../src/lib/clock.ts';
import { testJobInbox } from '../../../contract/job-inbox.ts';
import { testJobStore } from '../../../contract/job-store.ts';
import { createManualClock } from '../../../support/clock.ts';
import { eventually } from '../../../support/eventually.ts';
import { createMemoryInbox } from '../../../support/memory-inbox.ts';
import { createMemoryJobs } from '../../../support/memory-jobs.ts';

function storesOf(jobs = createMemoryJobs()) {
  return { jobs, inbox: createMemoryInbox(jobs) };
}

/** Methods of `target` that reject while `isGone()`; `lose` answers that get lost after the work was done. */
function behindNetwork<T extends object>(
  target: T,
  { isGone, loses = () => false }: { isGone: () => boolean; loses?: () => boolean },
): T {
  return new Proxy(target, {
    get(all, name) {
      const method = Reflect.get(all, name) as (...given: unknown[]) => Promise<unknown>;
      return async (...given: unknown[]) => {
        if (isGone()) throw new Unavailable('it is gone');
        const result = await method(...given);
        if (loses()) throw new Unavailable('its answer is lost');
        return result;
      };
    },
  });
}

function open(t: TestContext, clock = systemClock) {
  const network = { isGone: false, loses: 0 };
  const [local, kept] = [storesOf(), storesOf()];
  const options = { isGone: () => network.isGone, loses: () => network.loses-- > 0 };
  const shared = {
    jobs: behindNetwork(kept.jobs, { isGone: options.isGone }),
    inbox: behindNetwork(kept.inbox, options),
  };
  const lines: { event: string }[] = [];
  const write = (line: { event: string }) => void lines.push(line);
  let ring = () => {};
  const all = createSharedJobs({
    local,
    shared,
    listen(onChange) {
      ring = onChange;
      return () => {};
    },
    clock,
    log: { info: write, warn: write, error: write },
  });
  t.after(() => all.stop());
  const back = () => {
    network.isGone = false;
    ring();
  };
  return { ...all, local, kept, network, back, lines };
}

testJobStore(async (t) => open(t).jobs);
testJobInbox(async (t) => {
  const { inbox, jobs: store } = open(t);
  return { inbox, store };
});

const job = { kind: 'sync', key: 'a', arguments: 1, priority: 10, notBefore: 1, cause: 'manual' } as const;
const bounds = { waiting: 100, age: 1e6, remembered: 1000 };
const notice = (key: string): Notice => ({ fingerprint: key, jobs: [{ ...job, key, cause: 'event:a' }] });

describe('the jobs of a cluster', () => {
  it('take jobs and events while PostgreSQL is gone, and share each of them once', async (t) => {
    const { jobs, inbox, network, kept, back, lines } = open(t);
    network.isGone = true;
    const id = await jobs.add(job, 1);
    for (let n = 0; n < 250; n++) await inbox.take([notice(`e${n}`)], bounds, 1);
    assert.deepEqual(await inbox.take([notice('e7')], bounds, 1), ['known']);
    const waits = await jobs.find(id);
    assert.deepEqual([waits?.state, waits?.reason, waits?.id], ['pending', 'it waits for PostgreSQL', id]);
    assert.equal(await jobs.claim(['sync'], 'me', 10, 5), undefined);
    assert.equal(await jobs.nextDue(['sync']), undefined);
    assert.deepEqual(await jobs.counts(), [{ kind: 'sync', state: 'pending', jobs: 251 }]);
    // What is told is kept, and the answer is lost.
    network.loses = 2;
    back();
    await eventually('all are shared', async () => (await kept.jobs.list({ limit: 999 })).length === 251);
    back();
    await eventually('the index has none', async () =>
      (await jobs.counts()).every((count) => count.jobs === 251),
    );
    assert.equal((await kept.jobs.list({ limit: 999 })).length, 251);
    assert.deepEqual([(await jobs.find(id))?.key, (await jobs.find(id))?.reason], ['a', undefined]);
    assert.ok(lines.some(({ event }) => event === 'jobs.moved'));
  });

  it('wait for tables that are being restored; only one with values that PostgreSQL refuses fails', async (t) => {
    const { jobs, inbox, network, local, kept, back, lines } = open(t);
    network.isGone = true;
    for (const key of ['good', 'bad']) await inbox.take([notice(key)], bounds, 1);
    const take = kept.inbox.take;
    const refused = (code: string) => Object.assign(new Error('no'), { code });
    kept.inbox.take = async () => Promise.reject(refused('42P01'));
    back();
    await eventually('the failure is logged', async () =>
      lines.some(({ event }) => event === 'jobs.storeFailed'),
    );
    assert.deepEqual(await local.jobs.list({ limit: 9, states: ['failed'] }), []);
    kept.inbox.take = (some, ...rest) =>
      some.some((one) => one.jobs[0]?.key === 'bad') ? Promise.reject(refused('22021')) : take(some, ...rest);
    back();
    await eventually('the other is shared', async () => (await kept.jobs.list({ limit: 9 })).length === 1);
    await eventually('it has failed', async () => lines.some(({ event }) => event === 'jobs.notMoved'));
    assert.equal((await jobs.list({ limit: 9 })).find(({ key }) => key === 'good')?.state, 'pending');
  });

  it('answer the sender of an event though PostgreSQL does not', async (t) => {
    const frozen = open(t);
    frozen.kept.inbox.take = () => new Promise(() => {});
    assert.deepEqual(await frozen.inbox.take([notice('one')], bounds, 1), ['added']);
    const [found] = await frozen.local.jobs.list({ limit: 2 });
    assert.equal(found?.key, 'one');
  });

  it('let a run go on while PostgreSQL is gone, and keep its end', async (t) => {
    const { jobs, network, back, kept } = open(t);
    const id = await jobs.add(job, 1);
    await jobs.claim(['sync'], 'me', 1000, 1);
    network.isGone = true;
    assert.equal(await jobs.beat({ id, owner: 'me' }, 1000, 5, 2), true);
    const settled = jobs.settle({ id, owner: 'me' }, { outcome: { kind: 'done', report: 7 } }, 3);
    assert.equal((await kept.jobs.find(id))?.state, 'running');
    back();
    assert.equal(await settled, 'done');
    assert.equal((await jobs.find(id))?.progress, 7);
  });

  it('drop the end of a run that another replica has taken over meanwhile', async (t) => {
    const { jobs, network, back, kept } = open(t);
    const id = await jobs.add(job, 1);
    await jobs.claim(['sync'], 'me', 1000, 1);
    network.isGone = true;
    const settled = jobs.settle({ id, owner: 'me' }, { outcome: { kind: 'done', report: 7 } }, 3);
    assert.equal((await kept.jobs.claim(['sync'], 'other', 1000, 1001))?.id, id);
    back();
    assert.equal(await settled, undefined);
    assert.equal(await jobs.beat({ id, owner: 'me' }, 1000, 5, 1002), false);
  });

  it('say that they cannot be asked, and go on with the last counts for metrics', async (t) => {
    const { jobs, network } = open(t);
    const id = await jobs.add(job, 1);
    const counts = await jobs.counts();
    network.isGone = true;
    const refused = { code: 'FACTS_UNAVAILABLE', message: 'jobs cannot be asked now: it is gone' };
    await assert.rejects(jobs.list({ limit: 1 }), refused);
    await assert.rejects(jobs.find(id), refused);
    await assert.rejects(jobs.cancel(id, 2), refused);
    assert.deepEqual(await jobs.counts(), counts);
  });

  it('go on with the last counts after five seconds where PostgreSQL does not answer', async (t) => {
    const clock = createManualClock();
    const { jobs, kept } = open(t, clock);
    await jobs.add(job, 1);
    const counts = await jobs.counts();
    const silence = () => new Promise<never>(() => {});
    Object.assign(kept.jobs, { counts: silence, oldestFailure: silence });
    const asked = Promise.all([jobs.counts(), jobs.oldestFailure()]);
    await clock.armed(5000);
    await clock.advance(5000);
    assert.deepEqual(await asked, [counts, undefined]);
  });

  it('cancel and retry a job that waits in the index', async (t) => {
    const { jobs, network, back, kept } = open(t);
    network.isGone = true;
    const id = await jobs.add({ ...job, notBefore: 1e15 }, 1);
    assert.equal(await jobs.cancel(id, 2), true);
    assert.equal((await jobs.find(id))?.state, 'cancelled');
    const other = await jobs.add({ ...job, notBefore: 1e15, key: 'b' }, 1);
    assert.equal(await jobs.retry({ id: other }, 1), 1);
    back();
    await eventually('it is shared', async () => (await kept.jobs.list({ limit: 9 })).length === 1);
    assert.equal(await jobs.find(99 as JobId), undefined);
  });

  it('wait with what a schedule adds until PostgreSQL answers', async (t) => {
    const { patient, network, back, local, kept } = open(t);
    network.isGone = true;
    const last = patient.store.last('sync', 'a');
    const taken = patient.inbox.take([notice('one')], bounds, 1);
    assert.equal((await local.jobs.list({ limit: 9 })).length, 0);
    back();
    assert.equal(await last, undefined);
    assert.deepEqual(await taken, ['added']);
    assert.equal((await kept.jobs.list({ limit: 9 })).length, 1);
  });
});
