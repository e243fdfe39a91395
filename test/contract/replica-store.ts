/** What every `ReplicaStore` does (`src/cache/index/replicas/replica-store.ts`): tests that each implementation runs. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import type { Replica, ReplicaState, ReplicaStore } from '../../src/cache/index/replicas/replica-store.ts';
import { named } from './index-fixture.ts';

const now = 1_700_000_000_000;
const app = 'quay.io/team/app';
const tool = 'quay.io/team/tool';

/** A tag with everything that a row can say. */
export function replica(image: string, tag: string, changes: Partial<Replica> = {}): Replica {
  return {
    image,
    tag,
    sync: 'team',
    state: 'done',
    wanted: named('new'),
    here: named('old'),
    attempts: 2,
    nextAttempt: undefined,
    reason: undefined,
    bytes: 5,
    seconds: 0.25,
    verifiedAt: now,
    changedAt: now - 9,
    doneAt: now,
    failedAt: undefined,
    referrersAt: now,
    ...changes,
  };
}

/** Registers the tests. `open` gives an empty store. */
export function testReplicaStore(open: (t: TestContext) => Promise<ReplicaStore>): void {
  const at = (image: string, tag: string, sync = 'team') => ({ image, tag, sync });
  const tagsOf = (all: readonly Replica[]) => all.map(({ image, tag }) => `${image}:${tag}`);

  describe('a replica store', () => {
    it('keeps what is said of a tag, and takes what is said later', async (t) => {
      const store = await open(t);
      const nothing = { wanted: undefined, here: undefined, verifiedAt: undefined, changedAt: undefined };
      const first = replica(app, '1', { ...nothing, doneAt: undefined, referrersAt: undefined });
      await store.put([first, replica(app, '2')]);
      assert.deepEqual(await store.find(at(app, '1')), first);
      const later = replica(app, '1', { state: 'failed', reason: 'HTTP 503', nextAttempt: 7, failedAt: 6 });
      await store.put([later]);
      assert.deepEqual(await store.find(at(app, '1')), later);
      assert.deepEqual(await store.find(at(app, '2')), replica(app, '2'));
      assert.equal(await store.find(at(tool, '1')), undefined);
    });

    it('lists the tags of one image, and removes those that are named', async (t) => {
      const store = await open(t);
      await store.put([replica(tool, '1'), replica(app, 'b'), replica(app, 'B'), replica(app, 'a')]);
      assert.deepEqual(tagsOf(await store.ofImage(app)), [`${app}:B`, `${app}:a`, `${app}:b`]);
      await store.remove(app, ['a', 'B', 'never was']);
      assert.deepEqual(tagsOf(await store.list(undefined, 10)), [`${app}:b`, `${tool}:1`]);
    });

    it('has a row for each block that wants a tag, and removes it for one of them or for all', async (t) => {
      const store = await open(t);
      const other = replica(app, '1', { sync: 'other', state: 'failed', reason: 'HTTP 503' });
      await store.put([replica(app, '1'), other, replica(app, '2')]);
      assert.deepEqual(await store.find(at(app, '1', 'other')), other);
      assert.deepEqual(await store.find(at(app, '1')), replica(app, '1'));
      const syncs = (all: readonly Replica[]) => all.map(({ tag, sync }) => `${tag} ${sync}`);
      assert.deepEqual(syncs(await store.ofImage(app)), ['1 other', '1 team', '2 team']);
      const [first] = await store.list(undefined, 1);
      assert.deepEqual(syncs(await store.list(first, 9)), ['1 team', '2 team']);
      await store.remove(app, ['1', '2'], 'other');
      assert.deepEqual(syncs(await store.ofImage(app)), ['1 team', '2 team']);
      await store.put([other]);
      await store.remove(app, ['1']);
      assert.deepEqual(syncs(await store.ofImage(app)), ['2 team']);
    });

    it('counts a tag that two blocks want once, and as the worse of the two', async (t) => {
      const store = await open(t);
      await store.put([
        replica(app, '1'),
        replica(app, '1', { sync: 'other', state: 'partial', reason: 'HTTP 500' }),
        replica(app, '2'),
        replica(app, '2', { sync: 'other' }),
      ]);
      const [{ state, tags, done, reason } = assert.fail('none')] = await store.repositories('', 9);
      assert.deepEqual(
        { state, tags, done, reason },
        { state: 'partial', tags: 2, done: 1, reason: 'HTTP 500' },
      );
    });

    it('lists all tags, a page at a time', async (t) => {
      const store = await open(t);
      await store.put([replica(tool, '1'), replica(app, '2'), replica(app, '1')]);
      const page = await store.list(undefined, 2);
      assert.deepEqual(tagsOf(page), [`${app}:1`, `${app}:2`]);
      assert.deepEqual(tagsOf(await store.list(page.at(-1), 2)), [`${tool}:1`]);
    });

    it('knows a repository by the worst of its tags', async (t) => {
      const store = await open(t);
      const bad = { state: 'failed', reason: 'HTTP 404', failedAt: 7, nextAttempt: 9 } as const;
      await store.put([
        replica(app, '1'),
        replica(app, '2', bad),
        replica(app, '3', { state: 'partial', reason: 'HTTP 500', failedAt: 5, verifiedAt: 3 }),
        replica(tool, '1', { state: 'pending' }),
      ]);
      const [first, second] = await store.repositories('', 10);
      assert.deepEqual(first, {
        image: app,
        state: 'failed',
        tags: 3,
        done: 1,
        bytes: 15,
        failedAt: 5,
        nextAttempt: 9,
        verifiedAt: 3,
        reason: 'HTTP 404',
      });
      assert.deepEqual([second?.image, second?.state, second?.reason], [tool, 'pending', undefined]);
      assert.deepEqual(
        (await store.repositories(app, 10)).map(({ image }) => image),
        [tool],
      );
      assert.equal((await store.repositories('', 1)).length, 1);
    });

    it('counts no tag for the list of tags that could not be had', async (t) => {
      const store = await open(t);
      await store.put([replica(app, '1'), replica(app, '', { state: 'failed', reason: 'HTTP 500' })]);
      const [first] = await store.repositories('', 10);
      assert.deepEqual([first?.state, first?.reason, first?.tags, first?.done], ['failed', 'HTTP 500', 1, 1]);
    });

    it('takes done for better than running, running than pending, pending than partial, partial than failed', async (t) => {
      const store = await open(t);
      const states: readonly ReplicaState[] = ['done', 'running', 'pending', 'partial', 'failed'];
      for (const state of states) {
        await store.put([replica(app, state, { state })]);
        assert.equal((await store.repositories('', 1))[0]?.state, state);
      }
    });

    it('says when the failed tags of a block, or one of them, are tried again', async (t) => {
      const store = await open(t);
      await store.put([
        replica(app, '1'),
        replica(app, '2', { state: 'failed' }),
        replica(app, '3', { state: 'partial', nextAttempt: 5 }),
        replica(tool, '1', { state: 'failed', sync: 'other' }),
      ]);
      const times = async () => (await store.list(undefined, 9)).map(({ nextAttempt }) => nextAttempt);
      await store.postpone({ sync: 'team' }, 8);
      assert.deepEqual(await times(), [undefined, 8, 8, undefined]);
      await store.postpone({ image: app, tag: '2' }, 9);
      await store.postpone({ image: app, tag: '1' }, 9);
      await store.postpone({ sync: 'other' }, 7);
      assert.deepEqual(await times(), [undefined, 9, 8, 7]);
      await store.postpone({ sync: 'team' }, undefined);
      assert.deepEqual(await times(), [undefined, undefined, undefined, 7]);
    });

    it('counts tags by state, and finds the oldest failure', async (t) => {
      const store = await open(t);
      const counts = async () =>
        (await store.counts()).map(({ state, tags }) => `${tags} ${state}`).toSorted();
      assert.deepEqual([await counts(), await store.oldestFailure()], [[], undefined]);
      await store.put([replica(app, '1'), replica(app, '2', { state: 'failed', failedAt: 9 })]);
      await store.put([replica(tool, '1', { state: 'partial', failedAt: 4 }), replica(tool, '2')]);
      assert.deepEqual(await counts(), ['1 failed', '1 partial', '2 done']);
      assert.equal(await store.oldestFailure(), 4);
      await store.put([replica(tool, '1')]);
      await store.remove(app, ['1']);
      assert.deepEqual(await counts(), ['1 failed', '2 done']);
      assert.equal(await store.oldestFailure(), 9);
    });

    it('forgets blocks that are no more, and images that a block names no more', async (t) => {
      const store = await open(t);
      await store.put([replica(app, '1'), replica(tool, '1'), replica(tool, '2', { sync: 'other' })]);
      assert.equal(await store.forget({ sync: 'team', images: [app] }), 1);
      assert.deepEqual(tagsOf(await store.list(undefined, 9)), [`${app}:1`, `${tool}:2`]);
      assert.equal(await store.forget({ syncs: ['team'] }), 1);
      assert.deepEqual(tagsOf(await store.list(undefined, 9)), [`${app}:1`]);
      assert.equal(await store.forget({ syncs: [] }), 1);
      assert.deepEqual(await store.counts(), []);
    });
  });
}
