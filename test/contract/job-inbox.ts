/** What every `JobInbox` does (`src/jobs/job-inbox.ts`): tests that each implementation runs. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import type { NewJob } from '../../src/jobs/job.ts';
import type { InboxBounds, JobInbox, Notice } from '../../src/jobs/job-inbox.ts';
import type { JobStore } from '../../src/jobs/job-store.ts';

const now = 1_700_000_000_000;
const bounds: InboxBounds = { waiting: 3, age: 1000, remembered: 10 };

function job(key: string, changes: Partial<NewJob> = {}): NewJob {
  return {
    kind: 'replicate',
    key,
    arguments: key,
    priority: 10,
    notBefore: now,
    cause: 'event:a',
    ...changes,
  };
}

/** A notice with the jobs TAG, REPOSITORY and `all`. */
function notice(fingerprint: string | undefined, tag: string, cause = 'event:a'): Notice {
  const [repository = ''] = tag.split(':');
  return {
    fingerprint,
    jobs: [job(tag, { cause }), job(repository, { cause }), job('all', { kind: 'registry', cause })],
  };
}

/**
 * Registers the tests. `open` gives an inbox and the store that its jobs are in, both empty; undefined where what they need is missing,
 * and the test is skipped.
 */
export function testJobInbox(
  open: (t: TestContext) => Promise<{ inbox: JobInbox; store: JobStore } | undefined>,
): void {
  const keys = async (store: JobStore) =>
    (await store.list({ limit: 1000 })).map((one) => one.key).toSorted();

  describe('an inbox of jobs', () => {
    it('adds the job of a notice as it is', async (t) => {
      const opened = await open(t);
      if (!opened) return;
      const { inbox, store } = opened;
      assert.deepEqual(await inbox.take([notice('one', 'a:1')], bounds, now), ['added']);
      const [found] = await store.list({ limit: 2 });
      const { kind, key, arguments: args, state, created, cause, priority, notBefore } = found!;
      assert.deepEqual({ kind, key, arguments: args, priority, notBefore, cause }, job('a:1'));
      assert.deepEqual([state, created], ['pending', now]);
    });

    it('takes the same notice once, also in one call, and while and after its job ran', async (t) => {
      const opened = await open(t);
      if (!opened) return;
      const { inbox, store } = opened;
      assert.deepEqual(await inbox.take([notice('one', 'a:1'), notice('one', 'a:1')], bounds, now), [
        'added',
        'known',
      ]);
      const claimed = await store.claim(['replicate'], 'me', 1000, now);
      assert.deepEqual(await inbox.take([notice('one', 'a:1')], bounds, now), ['known']);
      await store.settle({ id: claimed!.id, owner: 'me' }, { outcome: { kind: 'done', report: null } }, now);
      assert.deepEqual(await inbox.take([notice('one', 'a:1')], bounds, now), ['known']);
      assert.equal(await store.claim(['replicate'], 'me', 1000, now), undefined);
    });

    it('counts a notice without a fingerprint each time, and joins the job that waits', async (t) => {
      const opened = await open(t);
      if (!opened) return;
      const { inbox, store } = opened;
      for (let n = 0; n < 5; n++)
        assert.deepEqual(await inbox.take([notice(undefined, 'a:1')], bounds, now), ['added']);
      assert.deepEqual(await keys(store), ['a:1']);
    });

    it('adds another job while one of its key runs', async (t) => {
      const opened = await open(t);
      if (!opened) return;
      const { inbox, store } = opened;
      await inbox.take([notice('one', 'a:1')], bounds, now);
      await store.claim(['replicate'], 'me', 1000, now);
      await inbox.take([notice('two', 'a:1')], bounds, now);
      assert.equal((await store.list({ states: ['pending'], limit: 9 })).length, 1);
    });

    it('gathers the notices of a cause that has many jobs waiting, step by step, and loses none', async (t) => {
      const opened = await open(t);
      if (!opened) return;
      const { inbox, store } = opened;
      const tags = ['a:1', 'a:2', 'a:3', 'a:4', 'a:5', 'b:1', 'c:1', 'd:1', 'e:1', 'a:1', 'a:9', 'b:2'];
      const taken = await inbox.take(
        tags.map((tag) => notice(undefined, tag)),
        bounds,
        now,
      );
      assert.deepEqual(await keys(store), ['a', 'a:1', 'a:2', 'a:3', 'all', 'b', 'c']);
      const [added, gathered] = ['added', 'gathered'];
      assert.deepEqual(taken, [
        ...[added, added, added, gathered, gathered, gathered, gathered, gathered, gathered],
        // It waits already; the others join coarser jobs.
        ...[added, gathered, gathered],
      ]);
    });

    it('gathers for the cause that has many, and for no other', async (t) => {
      const opened = await open(t);
      if (!opened) return;
      const { inbox, store } = opened;
      for (const tag of ['a:1', 'a:2', 'a:3']) await inbox.take([notice(undefined, tag)], bounds, now);
      assert.deepEqual(await inbox.take([notice(undefined, 'b:1', 'event:b')], bounds, now), ['added']);
      assert.deepEqual(await inbox.take([notice(undefined, 'b:2')], bounds, now), ['gathered']);
      const claimed = await store.claim(['replicate'], 'me', 1000, now);
      assert.equal(claimed?.key, 'a:1');
      await store.claim(['replicate'], 'me', 1000, now);
      assert.deepEqual(await inbox.take([notice(undefined, 'b:3')], bounds, now), ['added'], 'two wait');
    });

    it('forgets a notice after its time', async (t) => {
      const opened = await open(t);
      if (!opened) return;
      const { inbox } = opened;
      await inbox.take([notice('one', 'a:1')], bounds, now);
      assert.deepEqual(await inbox.take([notice('one', 'a:1')], bounds, now + 1000), ['known']);
      await inbox.take([notice('two', 'a:2')], bounds, now + 1001);
      assert.deepEqual(await inbox.take([notice('one', 'a:1')], bounds, now + 1001), ['added']);
    });

    it('remembers a bounded number of notices, the newest', async (t) => {
      const opened = await open(t);
      if (!opened) return;
      const { inbox } = opened;
      for (let n = 0; n < 40; n++) await inbox.take([notice(`${n}`, 'a:1')], bounds, now);
      assert.deepEqual(await inbox.take([notice('39', 'a:1')], bounds, now), ['known']);
      assert.deepEqual(await inbox.take([notice('31', 'a:1')], bounds, now), ['known']);
      assert.deepEqual(await inbox.take([notice('25', 'a:1')], bounds, now), ['added']);
    });

    it('takes nothing from an empty list', async (t) => {
      const opened = await open(t);
      if (!opened) return;
      const { inbox, store } = opened;
      assert.deepEqual(await inbox.take([], bounds, now), []);
      assert.deepEqual(await keys(store), []);
    });
  });
}
