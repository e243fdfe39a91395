/** What every `PlacementStore` does (`src/cache/index/placements/placement-store.ts`): tests that each implementation runs. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import type { PlacementStore } from '../../src/cache/index/placements/placement-store.ts';
import type { Digest } from '../../src/oci/digest.ts';
import { named } from './index-fixture.ts';

/** Placements beside an index. */
export interface OpenedPlacements {
  readonly placements: PlacementStore;
  /** Stores a blob. `at`: epoch ms. */
  add(digest: Digest, size: number, at: number): Promise<void>;
  /** Lets one more image serve it. */
  link(digest: Digest): Promise<void>;
}

/** Registers the tests. `open` gives an empty index, and closes it after the test. */
export function testPlacementStore(open: (t: TestContext) => Promise<OpenedPlacements>): void {
  const blob = named('blob');
  const inEu = { digest: blob, store: 'eu' };

  async function placesOf(placements: PlacementStore, digest: Digest) {
    const found = await placements.of(digest);
    return found.map(({ store, state, size }) => `${store} ${state} ${size}`).sort();
  }
  const dueIn = async (placements: PlacementStore, store: string, now: number, limit = 10) =>
    (await placements.due(store, now, limit)).map(({ digest }) => digest);

  describe('placements', () => {
    it('are wanted in each bucket of the configuration for what is stored from then on', async (t) => {
      const { placements, add } = await open(t);
      await add(named('before'), 1, 1);
      await placements.storesAre(['eu', 'us']);
      await add(blob, 7, 5);
      assert.deepEqual(await placesOf(placements, named('before')), []);
      assert.deepEqual(await placesOf(placements, blob), ['eu wanted 7', 'us wanted 7']);
      assert.deepEqual(await dueIn(placements, 'eu', 5), [blob]);
      assert.equal(await placements.nextDue('us'), 5);
      assert.equal(await placements.isPlaced(blob), false);
    });

    it('are filled in for what was stored before, some at a time, and come after what has just come', async (t) => {
      const { placements, add } = await open(t);
      const old = ['a', 'b', 'c'].map(named).sort();
      for (const digest of old) await add(digest, 1, 1);
      await placements.storesAre(['eu']);
      await add(blob, 7, 50);
      const first = await placements.fill('eu', undefined, 3, 9);
      assert.ok(first);
      let last = first;
      for (let next = await placements.fill('eu', last, 3, 9); next; ) {
        last = next;
        next = await placements.fill('eu', last, 3, 9);
      }
      const due = await dueIn(placements, 'eu', 50);
      assert.equal(due[0], blob);
      assert.deepEqual([...due.slice(1)].sort(), old);
      assert.deepEqual(await dueIn(placements, 'eu', 9), due.slice(1), 'what is not due yet');
      assert.equal((await dueIn(placements, 'eu', 50, 2)).length, 2);
    });

    it('stay as they are when the content is stored again, and when it is filled in again', async (t) => {
      const { placements, add } = await open(t);
      await placements.storesAre(['eu']);
      await add(blob, 7, 5);
      await placements.placed(inEu, 7, 6);
      await add(blob, 7, 8);
      await placements.fill('eu', undefined, 10, 9);
      assert.deepEqual(await placesOf(placements, blob), ['eu placed 7']);
      assert.equal(await placements.nextDue('eu'), undefined);
      assert.equal(await placements.isPlaced(blob), true);
    });

    it('may be known before the content is', async (t) => {
      const { placements, add } = await open(t);
      await placements.storesAre(['eu']);
      await placements.placed(inEu, 7, 6);
      assert.deepEqual(await placesOf(placements, blob), ['eu placed 7']);
      await add(blob, 7, 8);
      assert.deepEqual(await placesOf(placements, blob), ['eu placed 7']);
      assert.equal(await placements.isPlaced(blob), true);
    });

    it('are tried again later after a failure, and count the failures', async (t) => {
      const { placements, add } = await open(t);
      await placements.storesAre(['eu']);
      await add(blob, 7, 5);
      await placements.failed(inEu, 'HTTP 503', 100);
      await placements.failed(inEu, 'HTTP 500', 200);
      assert.deepEqual(await dueIn(placements, 'eu', 199), []);
      assert.equal(await placements.nextDue('eu'), 200);
      const [placement] = await placements.due('eu', 200, 1);
      assert.deepEqual([placement?.tries, placement?.reason], [2, 'HTTP 500']);
      await placements.placed(inEu, 7, 201);
      const [placed] = await placements.of(blob);
      assert.deepEqual(placed, {
        ...inEu,
        ...{ state: 'placed', size: 7, since: 201, tries: 0, reason: undefined },
      });
    });

    it('are due at once where a reader found nothing, or wrong bytes', async (t) => {
      const { placements, add } = await open(t);
      await placements.storesAre(['eu']);
      await add(blob, 7, 5);
      await placements.placed(inEu, 7, 6);
      await placements.repair(inEu, 'doubted', 7, 30);
      assert.deepEqual(await placesOf(placements, blob), ['eu doubted 7']);
      assert.deepEqual(await dueIn(placements, 'eu', 30), [blob]);
      assert.equal(await placements.isPlaced(blob), false);
      await placements.repair({ digest: blob, store: 'other' }, 'wanted', 7, 30);
      assert.deepEqual(await dueIn(placements, 'other', 30), [], 'a bucket that is not configured');
    });

    it('are skipped until another image links the content', async (t) => {
      const { placements, add, link } = await open(t);
      await placements.storesAre(['eu']);
      await add(blob, 7, 5);
      await placements.skip(inEu, 6);
      assert.equal(await placements.nextDue('eu'), undefined);
      await link(blob);
      assert.deepEqual(await dueIn(placements, 'eu', 6), [blob]);
      await placements.forget(inEu);
      assert.deepEqual(await placesOf(placements, blob), []);
    });

    it('count for nothing while their bucket is not configured', async (t) => {
      const { placements, add } = await open(t);
      await placements.storesAre(['eu', 'us']);
      await add(blob, 7, 5);
      await placements.placed(inEu, 7, 6);
      await placements.storesAre(['us']);
      assert.deepEqual(await placesOf(placements, blob), ['us wanted 7']);
      assert.equal(await placements.isPlaced(blob), false);
      assert.deepEqual(await placements.counts(), [{ store: 'us', state: 'wanted', contents: 1, bytes: 7 }]);
      await placements.storesAre(['us', 'eu']);
      assert.equal(await placements.isPlaced(blob), true);
    });

    it('tell whether a content is needed: the index knows it, or it was placed a moment ago', async (t) => {
      const { placements, add } = await open(t);
      await placements.storesAre(['eu']);
      const isNeeded = async (since: number) => (await placements.standing(inEu, since)).isNeeded;
      assert.equal(await isNeeded(0), false);
      await placements.placed(inEu, 7, 6);
      assert.equal(await isNeeded(5), true);
      assert.equal(await isNeeded(6), false);
      await add(blob, 7, 8);
      assert.deepEqual(await placements.standing(inEu, 100), {
        ...{ isNeeded: true, isKept: false, isStored: true, used: 8 },
      });
    });

    it('tell the last uses of what is here, a page at a time', async (t) => {
      const { placements, add } = await open(t);
      const all = ['a', 'b', 'c'].map(named).sort();
      for (const [at, digest] of all.entries()) await add(digest, 1, at + 1);
      const first = await placements.uses(undefined, 2);
      assert.deepEqual(
        first,
        all.slice(0, 2).map((digest, at) => ({ digest, used: at + 1 })),
      );
      assert.deepEqual(await placements.uses(all[1], 2), [{ digest: all[2], used: 3 }]);
      assert.deepEqual(await placements.uses(all[2], 2), []);
      assert.equal(await placements.replica(), await placements.replica());
    });

    it('are looked at once more when that is due, and stay where they are meanwhile', async (t) => {
      const { placements, add } = await open(t);
      await placements.storesAre(['eu']);
      await add(blob, 7, 5);
      await placements.lookAt(inEu, 50);
      assert.equal(await placements.nextDue('eu'), 5, 'what is not there yet is not looked for');
      await placements.placed(inEu, 7, 6);
      await placements.lookAt(inEu, 50);
      assert.deepEqual(await dueIn(placements, 'eu', 49), []);
      assert.deepEqual(
        (await placements.due('eu', 50, 10)).map(({ state }) => state),
        ['placed'],
      );
      assert.equal(await placements.isPlaced(blob), true);
      await placements.placed(inEu, 7, 50);
      assert.equal(await placements.nextDue('eu'), undefined);
    });

    it('are counted by bucket and state, with their bytes', async (t) => {
      const { placements, add } = await open(t);
      await placements.storesAre(['eu']);
      await add(blob, 7, 5);
      await add(named('other'), 3, 5);
      await add(named('third'), 4, 5);
      await placements.placed(inEu, 7, 6);
      await placements.forget({ digest: named('third'), store: 'eu' });
      const counts = [...(await placements.counts())].sort((a, b) => a.state.localeCompare(b.state));
      assert.deepEqual(counts, [
        { store: 'eu', state: 'placed', contents: 1, bytes: 7 },
        { store: 'eu', state: 'wanted', contents: 1, bytes: 3 },
      ]);
    });
  });
}
