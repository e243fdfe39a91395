/** What every `EvictionOrder` does (`src/cache/index/eviction-order.ts`): tests that each implementation runs. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { EvictionOrder, Position } from '../../src/cache/index/eviction-order.ts';
import { mediaTypes } from '../../src/oci/media-types.ts';
import { addBlob, addManifest, named, type OpenIndex } from './index-fixture.ts';

const image = 'docker.io/library/alpine';
const origin = 'mirror.test/library/alpine';
const now = 1_700_000_000_000;

/** Registers the tests. `open` gives an empty index, with the order under test. */
export function testEvictionOrder(open: OpenIndex<'catalogue' | 'inventory' | 'order'>): void {
  async function allOf(order: EvictionOrder, limit = 2) {
    const seen = [];
    for (let after: Position | undefined; ; ) {
      const { roots, isLast } = await order.oldest(after, limit);
      assert.ok(roots.length <= limit);
      seen.push(...roots.map(({ digest }) => digest));
      after = roots.at(-1)?.position ?? after;
      if (isLast) return seen;
      assert.ok(roots.length > 0, 'an empty batch is the last one');
    }
  }

  describe('an eviction order', () => {
    it('gives roots, least recently used first, some at a time', async (t) => {
      const { inventory, order } = await open(t);
      await addManifest(inventory, 'm', ['a'], { used: 30 });
      await addBlob(inventory, 'a', 1, { used: 1 });
      await addBlob(inventory, 'b', 1, { used: 20 });
      await addBlob(inventory, 'c', 1, { used: 10 });
      assert.deepEqual(await allOf(order), ['c', 'b', 'm'].map(named));
      assert.deepEqual(await allOf(order, 100), ['c', 'b', 'm'].map(named));
    });

    it('moves a root with a use, never back, unless the known one is later than now', async (t) => {
      const { inventory, order } = await open(t);
      for (const [n, name] of ['a', 'b', 'c'].entries()) await addBlob(inventory, name, 1, { used: n + 10 });
      await order.touch(
        [
          [named('a'), 20],
          [named('c'), 1],
          [named('unknown'), 1],
        ],
        now,
      );
      assert.deepEqual(await allOf(order), ['b', 'c', 'a'].map(named));
      await order.touch([[named('a'), 5]], 15);
      assert.deepEqual(await allOf(order), ['a', 'b', 'c'].map(named));
    });

    it('takes uses after now for uses long ago, in the same order', async (t) => {
      const { inventory, order } = await open(t);
      await addBlob(inventory, 'now', 1, { used: now });
      await addBlob(inventory, 'later', 1, { used: now + 10 });
      await addBlob(inventory, 'latest', 1, { used: now + 20 });
      await order.ageFutureUses(now);
      assert.deepEqual(await allOf(order), ['later', 'latest', 'now'].map(named));
    });

    it('gives with the roots what is below them, and the manifests that list it', async (t) => {
      const { inventory, order } = await open(t);
      await addManifest(inventory, 'index', ['one', 'two'], { used: 5 });
      await addManifest(inventory, 'one', ['base', 'not here'], { used: 6 });
      await addManifest(inventory, 'two', ['base'], { used: 7 });
      await addManifest(inventory, 'three', ['base'], { used: 9 });
      await addBlob(inventory, 'base', 4, { used: 8 });
      const { roots, below, isLast } = await order.oldest(undefined, 1);
      assert.deepEqual([roots.length, isLast], [1, false]);
      const all = new Map([...roots, ...below].map((one) => [one.digest, one]));
      assert.deepEqual([...all.keys()].toSorted(), ['index', 'one', 'two', 'base'].map(named).toSorted());
      assert.deepEqual(all.get(named('index'))?.children.toSorted(), ['one', 'two'].map(named).toSorted());
      assert.deepEqual(all.get(named('one'))?.children, [named('base')]);
      const { size, used, parents } = all.get(named('base'))!;
      assert.deepEqual({ size, used, parents }, { size: 4, used: 8, parents: 3 });
    });

    it('evicts what was chosen, with its names', async (t) => {
      const { catalogue, inventory, order } = await open(t);
      await addManifest(inventory, 'm', ['own', 'kept', 'unseen'], { used: 5, links: [{ image, origin }] });
      await addBlob(inventory, 'own', 2, { used: 5, links: [{ image, origin }] });
      await addBlob(inventory, 'kept', 3, { used: 9 });
      await catalogue.setTag(image, '1', { digest: named('m'), endpoint: origin, checkedAt: 1 }, now);
      const gone = await order.evict([
        [named('m'), 5],
        [named('own'), 5],
      ]);
      assert.deepEqual(gone.toSorted(), ['m', 'own'].map(named).toSorted());
      assert.deepEqual(await catalogue.tags(image), []);
      assert.deepEqual(await catalogue.linkedBy(image), []);
      assert.deepEqual({ ...inventory.totals() }, { bytes: 3, contents: 1, manifests: 0 });
      assert.deepEqual(await allOf(order), [named('kept')], 'a root from now on');
    });

    it('leaves alone what was used since, what is pinned, and what a manifest that stays lists', async (t) => {
      const { inventory, order } = await open(t);
      for (const name of ['used', 'pinned', 'old']) await addBlob(inventory, name, 1, { used: 5 });
      await addManifest(inventory, 'm', ['a'], { used: 5 });
      await addBlob(inventory, 'a', 1, { used: 5 });
      await order.touch([[named('used'), 6]], now);
      await order.touch([[named('m'), 6]], now);
      await order.pin([named('pinned')]);
      const chosen = ['used', 'pinned', 'm', 'a', 'old', 'unknown'].map((name) => [named(name), 5] as const);
      assert.deepEqual(await order.evict(chosen), [named('old')]);
      assert.equal(inventory.totals().contents, 4);
      assert.deepEqual(await order.evict([]), []);
    });

    it('never holds what an image hosts, and evicts none of it', async (t) => {
      const { inventory, order } = await open(t);
      const push = { links: [{ image, origin: 'push' }] };
      await addManifest(inventory, 'hosted', ['below'], push);
      await addBlob(inventory, 'below', 1);
      await addBlob(inventory, 'upload', 1, push);
      await addManifest(inventory, 'cached', ['shared']);
      await addBlob(inventory, 'shared', 1, push);
      assert.deepEqual(await allOf(order), [named('cached')]);
      await order.pin([named('upload')]);
      await order.pinsAre(['other/**']);
      const all = ['hosted', 'below', 'upload', 'cached', 'shared'].map((name) => [named(name), 9] as const);
      assert.deepEqual(await order.evict(all), [named('cached')]);
      await inventory.unlink(image, named('upload'));
      assert.equal(await inventory.content(named('upload')), undefined, 'no other image links it');
    });

    it('has what a lost manifest lists in it only once that is dropped', async (t) => {
      const { inventory, order } = await open(t);
      await addManifest(inventory, 'm', ['own'], { used: 1 });
      await addBlob(inventory, 'own', 5, { used: 3 });
      await inventory.lose(named('m'));
      assert.deepEqual(await allOf(order), [named('m')], 'not the layer, though it alone is stored');
      await inventory.drop(named('m'));
      assert.deepEqual(await allOf(order), [named('own')]);
    });

    it('evicts what is only referenced', async (t) => {
      const { catalogue, order } = await open(t);
      await catalogue.link(named('a'), { image, origin }, 7);
      const { roots } = await order.oldest(undefined, 5);
      assert.deepEqual(
        roots.map(({ digest, size, used }) => [digest, size, used]),
        [[named('a'), undefined, 7]],
      );
      await order.evict([[named('a'), 7]]);
      assert.deepEqual(await catalogue.linkedBy(image), []);
    });

    it('leaves attached what is attached to an evicted content, and has nothing of a subject that never came', async (t) => {
      const { catalogue, inventory, order } = await open(t);
      const manifest = { mediaType: mediaTypes.ociManifest, children: [], subject: named('m') };
      const signature = { digest: named('signature'), size: 1, manifest };
      await inventory.add(signature, [{ image, origin: 'push' }], 1);
      assert.deepEqual(await allOf(order), []);
      for (let time = 0; time < 2; time += 1) {
        await addManifest(inventory, 'm', [], { links: [{ image, origin }] });
        assert.deepEqual(await order.evict([[named('m'), 9]]), [named('m')]);
        assert.deepEqual(await catalogue.referrersOf(image, named('m'), undefined, 10), [named('signature')]);
      }
    });

    it('has no pinned contents in it until a tag or link of theirs goes, or the patterns change', async (t) => {
      const { catalogue, inventory, order } = await open(t);
      await addBlob(inventory, 'a', 1, { links: [{ image, origin }] });
      await order.pinsAre(['**']);
      const pin = async () => {
        await order.pin([named('a')]);
        assert.equal((await allOf(order)).includes(named('a')), false);
      };
      const isBack = async () => assert.ok((await allOf(order)).includes(named('a')));
      const tagTo = (name: string, checkedAt: number) =>
        catalogue.setTag(image, '1', { digest: named(name), endpoint: origin, checkedAt }, now);

      await tagTo('a', 1);
      await pin();
      await tagTo('other', 2);
      await isBack();
      await tagTo('a', 3);
      await pin();
      await catalogue.dropTag(image, '1', 3, now);
      await isBack();
      await pin();
      await order.pinsAre(['**']);
      assert.equal((await allOf(order)).includes(named('a')), false, 'the same patterns');
      await order.pinsAre(['a/**']);
      await isBack();
    });
  });
}
