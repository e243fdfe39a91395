/** What every `JobStore` does (`src/jobs/job-store.ts`): tests that each implementation runs. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { type Job, type JobId, type JobState, jobPriorities, type NewJob } from '../../src/jobs/job.ts';
import { type JobStore, lostRun, succeededReason } from '../../src/jobs/job-store.ts';

const now = 1_700_000_000_000;
const lease = 120_000;
const owner = 'this process';
const kinds = ['sync', 'event'];

function job(key: string, changes: Partial<NewJob> = {}): NewJob {
  return { kind: 'sync', key, arguments: null, priority: 10, notBefore: now, cause: 'manual', ...changes };
}

/** Registers the tests. `open` gives an empty store; undefined where what it needs is missing, and the test is skipped. */
export function testJobStore(open: (t: TestContext) => Promise<JobStore | undefined>): void {
  const claim = (store: JobStore, at = now, by = owner) => store.claim(kinds, by, lease, at);
  const stateOf = async (store: JobStore, id: JobId) => (await store.find(id))?.state;
  async function claimed(store: JobStore, at = now): Promise<Job> {
    const one = await claim(store, at);
    assert.ok(one, 'a job is due');
    return one;
  }

  describe('a job store', () => {
    it('keeps a job with all that was said of it', async (t) => {
      const store = await open(t);
      if (!store) return;
      const added = job('alpine', { arguments: { tags: ['a', 1, null] } });
      const id = await store.add(added, now + 5);
      assert.deepEqual(await store.find(id), {
        ...added,
        id,
        state: 'pending',
        created: now + 5,
        attempts: 0,
        failures: 0,
        reason: undefined,
        progress: undefined,
        started: undefined,
        ended: undefined,
      });
      assert.equal(await store.find((id + 1) as JobId), undefined);
    });

    it('gives jobs by priority, then the one that has been due the longest, of the kinds that are asked for', async (t) => {
      const store = await open(t);
      if (!store) return;
      await store.add(job('backfill', { priority: jobPriorities.backfill, notBefore: now - 9 }), now);
      await store.add(job('later', { notBefore: now + 1 }), now);
      await store.add(job('second'), now);
      await store.add(job('first', { kind: 'event', notBefore: now - 1 }), now);
      await store.add(job('other', { kind: 'unknown', priority: 0 }), now);
      const keys: string[] = [];
      for (let one = await claim(store); one; one = await claim(store)) keys.push(one.key);
      assert.deepEqual(keys, ['first', 'second', 'backfill']);
      assert.equal((await claim(store, now + 1))?.key, 'later');
    });

    it('joins a job that waits: the earlier time, the higher priority and the newer arguments hold', async (t) => {
      const store = await open(t);
      if (!store) return;
      const scheduled = { notBefore: now + 50, priority: 20, arguments: 1, cause: 'schedule' };
      const id = await store.add(job('a', scheduled), now);
      await store.add(job('b'), now);
      assert.equal(
        await store.add(job('a', { notBefore: now + 90, priority: 30, arguments: 2, cause: 'event' }), now),
        id,
      );
      const { notBefore, priority, arguments: args, cause } = (await store.find(id))!;
      assert.deepEqual([notBefore, priority, args, cause], [now + 50, 20, 2, 'event']);
      await store.add(job('a', { notBefore: now, priority: 0 }), now);
      assert.equal((await claimed(store)).id, id, 'it comes before what was due already');
    });

    it('keeps what a person asked for a request of a person when others join it, until it has failed', async (t) => {
      const store = await open(t);
      if (!store) return;
      const id = await store.add(job('a', { arguments: 1 }), now);
      const event = job('a', { arguments: 2, cause: 'event' });
      assert.equal(await store.add(event, now), id);
      const { cause, arguments: args } = (await store.find(id))!;
      assert.deepEqual([cause, args], ['manual', 2]);
      await claimed(store);
      await store.settle({ id, owner }, { outcome: { kind: 'failed', reason: 'HTTP 503' } }, now);
      assert.equal(await store.add(event, now), id);
      assert.equal((await store.find(id))?.cause, 'event');
    });

    it('keeps a job that comes while one of its key runs until that is over', async (t) => {
      const store = await open(t);
      if (!store) return;
      const first = await store.add(job('a'), now);
      const running = await claimed(store);
      const second = await store.add(job('a'), now);
      assert.notEqual(second, first);
      assert.equal(await store.add(job('a'), now), second, 'the next one joins');
      assert.equal(await claim(store), undefined);
      assert.equal(await store.nextDue(kinds), now + lease);
      assert.equal(
        await store.settle({ id: running.id, owner }, { outcome: { kind: 'done', report: 7 } }, now),
        'done',
      );
      assert.equal((await claimed(store)).id, second);
      const { state, progress } = (await store.find(first))!;
      assert.deepEqual([state, progress], ['done', 7]);
    });

    it('cancels a run without success when a later job of its key waits', async (t) => {
      const store = await open(t);
      if (!store) return;
      for (const outcome of [
        { kind: 'again', reason: 'HTTP 503' },
        { kind: 'failed', reason: 'HTTP 503' },
      ] as const) {
        const id = await store.add(job(outcome.kind), now);
        await claimed(store);
        const later = await store.add(job(outcome.kind), now);
        assert.equal(await store.settle({ id, owner }, { outcome }, now), 'cancelled');
        assert.equal((await store.find(id))?.reason, succeededReason('HTTP 503'));
        assert.equal((await claimed(store)).id, later);
      }
    });

    it('runs a job again at the time that it is told, and counts attempts and failures', async (t) => {
      const store = await open(t);
      if (!store) return;
      const id = await store.add(job('a'), now);
      for (const failures of [1, 2]) {
        const at = now + failures * 1000;
        await claimed(store, at);
        const again = { outcome: { kind: 'again', reason: 'HTTP 429' }, notBefore: at + 1000 } as const;
        assert.equal(await store.settle({ id, owner }, again, at), 'pending');
        const one: Job = (await store.find(id))!;
        assert.deepEqual([one.attempts, one.failures, one.reason], [failures, failures, 'HTTP 429']);
        assert.equal(await claim(store, at + 999), undefined);
        assert.equal(await store.nextDue(kinds), at + 1000);
      }
      await store.add(job('a', { notBefore: now + 1 }), now);
      assert.equal((await store.find(id))?.failures, 0, 'asked for again: the backoff begins anew');
    });

    it('lets a job go on later without counting a failure', async (t) => {
      const store = await open(t);
      if (!store) return;
      const id = await store.add(job('a'), now);
      await claimed(store);
      const later = {
        outcome: { kind: 'later', reason: 'closed', at: now + 5000 },
        notBefore: now + 5000,
      } as const;
      assert.equal(await store.settle({ id, owner }, later, now), 'pending');
      const one = (await store.find(id))!;
      assert.deepEqual([one.attempts, one.failures, one.reason], [1, 0, 'closed']);
      assert.equal(await claim(store, now + 4999), undefined);
      assert.equal((await claim(store, now + 5000))?.id, id);
    });

    it('keeps a failed job until it is asked for again, by retry or by the same job', async (t) => {
      const store = await open(t);
      if (!store) return;
      const id = await store.add(job('a', { priority: 0 }), now);
      await claimed(store);
      const failed = { outcome: { kind: 'failed', reason: 'HTTP 404', report: { tags: 0 } } } as const;
      assert.equal(await store.settle({ id, owner }, failed, now + 7), 'failed');
      const one = (await store.find(id))!;
      assert.deepEqual([one.reason, one.progress, one.ended], ['HTTP 404', { tags: 0 }, now + 7]);
      assert.equal(await store.oldestFailure(), now + 7);
      assert.equal(await claim(store, now + 1e9), undefined);
      assert.equal(await store.retry({ states: ['failed'] }, now + 9), 1);
      assert.equal(await store.oldestFailure(), undefined);
      await claimed(store, now + 9);
      await store.settle({ id, owner }, failed, now);
      assert.equal(await store.add(job('a', { priority: 30, notBefore: now + 50 }), now), id);
      const { state, priority, notBefore } = (await store.find(id))!;
      assert.deepEqual([state, priority, notBefore], ['pending', 30, now + 50]);
    });

    it('extends a lease, and keeps progress', async (t) => {
      const store = await open(t);
      if (!store) return;
      const id = await store.add(job('a'), now);
      await claimed(store);
      assert.equal(await store.beat({ id, owner }, lease, { bytes: 5 }, now + 100_000), true);
      assert.equal(await store.beat({ id, owner }, lease, undefined, now + 100_000), true);
      assert.deepEqual((await store.find(id))?.progress, { bytes: 5 });
      assert.equal(await claim(store, now + lease, 'another process'), undefined, 'it still runs');
      assert.equal(await stateOf(store, id), 'running');
    });

    it('gives a job to another process when its lease has ended', async (t) => {
      const store = await open(t);
      if (!store) return;
      const id = await store.add(job('a'), now);
      await claimed(store);
      assert.equal(await claim(store, now + lease - 1, 'another process'), undefined);
      const taken = await claim(store, now + lease, 'another process');
      assert.deepEqual([taken?.id, taken?.attempts, taken?.reason], [id, 2, lostRun]);
      assert.equal(await store.beat({ id, owner }, lease, 1, now + lease), false);
      const done = { outcome: { kind: 'done', report: null } } as const;
      assert.equal(await store.settle({ id, owner }, done, now + lease), undefined);
      await store.release({ id, owner }, now + lease);
      assert.equal(await stateOf(store, id), 'running');
      assert.equal(await store.settle({ id, owner: 'another process' }, done, now + lease), 'done');
    });

    it('waits longer each time a run of the same job is lost', async (t) => {
      const store = await open(t);
      if (!store) return;
      await store.add(job('a'), now);
      await claimed(store);
      let at = now + lease;
      await claimed(store, at);
      at += lease;
      assert.equal(await claim(store, at), undefined);
      assert.equal(await store.nextDue(kinds), at + 60_000);
      await claimed(store, at + 60_000);
    });

    it('takes a job back as if it had not run', async (t) => {
      const store = await open(t);
      if (!store) return;
      const id = await store.add(job('a'), now);
      await claimed(store);
      await store.release({ id, owner }, now + 1);
      const { state, attempts, failures } = (await store.find(id))!;
      assert.deepEqual([state, attempts, failures], ['pending', 0, 0]);
      assert.equal((await claimed(store)).attempts, 1);
      await store.add(job('a'), now);
      await store.release({ id, owner }, now + 1);
      assert.equal(await stateOf(store, id), 'cancelled', 'a later job of its key waits');
    });

    it('makes jobs due at once that wait for their time, and those only', async (t) => {
      const store = await open(t);
      if (!store) return;
      const waiting = await store.add(job('waiting', { notBefore: now + 9e6 }), now);
      await store.add(job('due'), now);
      assert.equal(await store.retry({ states: ['failed'] }, now), 0);
      assert.equal(await store.retry({ states: ['failed', 'pending'] }, now), 1);
      assert.equal((await store.find(waiting))?.notBefore, now);
      assert.equal((await store.find(waiting))?.cause, 'retry');
    });

    it('makes more jobs due than fit in one slice', async (t) => {
      const store = await open(t);
      if (!store) return;
      for (let n = 0; n < 1200; n++) await store.add(job(`tag ${n}`, { notBefore: now + 9e6 }), now);
      assert.equal(await store.retry({ states: ['pending'] }, now), 1200);
    });

    it('recalls what was put off, or added for later, at a time that is still to come', async (t) => {
      const store = await open(t);
      if (!store) return;
      const waiting = await store.add(job('waiting', { notBefore: now + 9000 }), now);
      const added = await store.add(job('added', { notBefore: now + 9e9 }), now + 8e9);
      const postponed = await store.add(job('postponed'), now - 1);
      await claimed(store);
      const later = {
        outcome: { kind: 'later', reason: 'HTTP 429', at: now + 9e9 },
        notBefore: now + 9e9,
      } as const;
      await store.settle({ id: postponed, owner }, later, now + 8e9);
      assert.equal(await store.recall(now), 2);
      const times = [waiting, added, postponed].map(async (id) => (await store.find(id))?.notBefore);
      assert.deepEqual(await Promise.all(times), [now + 9000, now, now]);
      assert.equal(await store.recall(now), 0);
    });

    it('retries one job by its number, a cancelled one as well', async (t) => {
      const store = await open(t);
      if (!store) return;
      const id = await store.add(job('a'), now);
      assert.equal(await store.cancel(id, now), true);
      const other = await store.add(job('a'), now);
      assert.equal(await store.retry({ id }, now), 0, 'another job of its key waits');
      await claimed(store);
      await store.settle({ id: other, owner }, { outcome: { kind: 'done', report: null } }, now);
      assert.equal(await store.retry({ id: other }, now), 0, 'it is done');
      assert.equal(await store.retry({ id }, now), 1);
      assert.equal(await stateOf(store, id), 'pending');
      assert.equal(await store.retry({ id: 999 as JobId }, now), 0);
    });

    it('cancels what waits, runs or has failed', async (t) => {
      const store = await open(t);
      if (!store) return;
      const id = await store.add(job('a'), now);
      await claimed(store);
      assert.equal(await store.cancel(id, now), true);
      assert.equal(await store.beat({ id, owner }, lease, undefined, now), false);
      const done = { outcome: { kind: 'done', report: null } } as const;
      assert.equal(await store.settle({ id, owner }, done, now), undefined);
      assert.equal(await stateOf(store, id), 'cancelled');
      assert.equal(await store.cancel(id, now), false);
      const failing = await store.add(job('b'), now);
      await claimed(store);
      await store.settle({ id: failing, owner }, { outcome: { kind: 'failed', reason: 'x' } }, now);
      assert.equal(await store.cancel(failing, now), true);
      assert.equal(await store.oldestFailure(), undefined);
      assert.equal(await store.cancel(999 as JobId, now), false);
    });

    it('lists jobs, newest first, by state and kind, a page at a time', async (t) => {
      const store = await open(t);
      if (!store) return;
      const a = await store.add(job('a'), now);
      const b = await store.add(job('b', { kind: 'event', notBefore: now + 1 }), now);
      const c = await store.add(job('c', { notBefore: now + 1 }), now);
      await claimed(store);
      const ids = async (filter: Partial<Parameters<JobStore['list']>[0]>) =>
        (await store.list({ limit: 10, ...filter })).map(({ id }) => id);
      assert.deepEqual(await ids({}), [c, b, a]);
      assert.deepEqual(await ids({ limit: 2 }), [c, b]);
      assert.deepEqual(await ids({ before: b }), [a]);
      assert.deepEqual(await ids({ kind: 'sync' }), [c, a]);
      assert.deepEqual(await ids({ states: ['pending'] }), [c, b]);
      assert.deepEqual(await ids({ states: ['running', 'pending'], kind: 'sync' }), [c, a]);
      assert.deepEqual(await ids({ states: ['failed'] }), []);
    });

    it('finds the newest job of a kind and key', async (t) => {
      const store = await open(t);
      if (!store) return;
      const id = await store.add(job('a'), now);
      assert.equal((await store.last('sync', 'a'))?.id, id);
      assert.equal(await store.last('event', 'a'), undefined);
      await claimed(store);
      const next = await store.add(job('a'), now);
      assert.equal((await store.last('sync', 'a'))?.id, next);
    });

    it('counts jobs by kind and state', async (t) => {
      const store = await open(t);
      if (!store) return;
      await store.add(job('a'), now);
      await store.add(job('b', { notBefore: now + 1 }), now);
      await store.add(job('c', { kind: 'event', notBefore: now + 1 }), now);
      await claimed(store);
      const sorted = (await store.counts()).map((one) => `${one.kind} ${one.state} ${one.jobs}`).toSorted();
      assert.deepEqual(sorted, ['event pending 1', 'sync pending 1', 'sync running 1']);
    });

    it('knows when it will next have something to do', async (t) => {
      const store = await open(t);
      if (!store) return;
      assert.equal(await store.nextDue(kinds), undefined);
      await store.add(job('other', { kind: 'unknown' }), now);
      assert.equal(await store.nextDue(kinds), undefined);
      await store.add(job('a', { priority: 0, notBefore: now + 500 }), now);
      await store.add(job('b', { priority: 30, notBefore: now + 400 }), now);
      assert.equal(await store.nextDue(kinds), now + 400);
    });

    it('forgets jobs that were over long ago, and the oldest of too many; those that wait or run stay', async (t) => {
      const store = await open(t);
      if (!store) return;
      const ended: Record<string, JobId> = {};
      for (const [n, state] of (['done', 'failed', 'cancelled', 'done'] satisfies JobState[]).entries()) {
        const id = await store.add(job(`${n}`), now);
        ended[n] = id;
        await claimed(store);
        if (state === 'cancelled') await store.cancel(id, now + n);
        else {
          const outcome =
            state === 'done' ? { kind: state, report: null } : { kind: state, reason: 'HTTP 404' };
          await store.settle({ id, owner }, { outcome }, now + n);
        }
      }
      await store.add(job('running'), 1);
      await claimed(store);
      await store.add(job('waiting'), 1);
      const left = async () => (await store.list({ limit: 10 })).map(({ key }) => key);
      assert.equal(await store.forget({ since: now, most: 4 }, 10), 0);
      assert.equal(await store.forget({ since: now + 1, most: 4 }, 10), 1);
      assert.deepEqual(await left(), ['waiting', 'running', '3', '2', '1']);
      assert.equal(await store.forget({ since: 0, most: 1 }, 1), 1, 'at most so many at once');
      assert.equal(await store.forget({ since: 0, most: 1 }, 10), 1);
      assert.deepEqual(await left(), ['waiting', 'running', '3']);
      assert.equal(await store.find(ended[0]!), undefined);
      const id = await store.add(job('new', { notBefore: now + 9 }), now);
      assert.ok(
        Object.values(ended).every((old) => old < id),
        'no number is used twice',
      );
    });
  });
}
