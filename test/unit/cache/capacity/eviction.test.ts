import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { createEviction, type Progress } from '../../../../src/cache/capacity/eviction.ts';
import { createPartialDownloads } from '../../../../src/cache/capacity/partial-downloads.ts';
import { createQuotas } from '../../../../src/cache/capacity/quotas.ts';
import { openIndex } from '../../../../src/cache/index/open-index.ts';
import { createSqliteCatalogue } from '../../../../src/cache/index/sqlite-catalogue.ts';
import { createSqliteEvictionOrder } from '../../../../src/cache/index/sqlite-eviction-order.ts';
import { createSqliteInventory } from '../../../../src/cache/index/sqlite-inventory.ts';
import type { Digest } from '../../../../src/oci/digest.ts';
import { mediaTypes } from '../../../../src/oci/media-types.ts';
import { digestOf, endpoint, movableClock } from '../data-folder-fixture.ts';

interface Content {
  readonly digest: Digest;
  readonly size: number;
  readonly used: number;
  readonly children: readonly number[];
  readonly isPinned: boolean;
  readonly isHeld: boolean;
}

const layer = 'application/vnd.oci.image.layer.v1.tar';

/** Contents whose children come before them: blobs, then manifests over blobs, then indexes over manifests. */
const contents = fc
  .tuple(fc.integer({ min: 1, max: 10 }), fc.integer({ min: 0, max: 6 }), fc.integer({ min: 0, max: 3 }))
  .chain(([blobs, manifests, indexes]) => {
    const below = (from: number, to: number) =>
      from === to
        ? fc.constant([])
        : fc.uniqueArray(fc.integer({ min: from, max: to - 1 }), { maxLength: 4 });
    const all = blobs + manifests + indexes;
    const children = Array.from({ length: all }, (_, position) => {
      if (position < blobs) return fc.constant([]);
      return position < blobs + manifests ? below(0, blobs) : below(blobs, blobs + manifests);
    });
    return fc.tuple(
      fc.tuple(...children),
      fc.array(fc.integer({ min: 1, max: 50 }), { minLength: all, maxLength: all }),
      fc.shuffledSubarray(
        Array.from({ length: all }, (_, n) => n),
        { minLength: all, maxLength: all },
      ),
      fc.array(fc.integer({ min: 0, max: 9 }), { minLength: all, maxLength: all }),
    );
  })
  .map(([children, sizes, order, marks]): Content[] =>
    children.map((list, n) => ({
      digest: digestOf(Buffer.from(`content ${n}`)),
      size: sizes[n]!,
      used: 1000 + order[n]!,
      children: list,
      isPinned: marks[n] === 0,
      isHeld: marks[n] === 1,
    })),
  );

/** The rule of `eviction.ts` over plain objects, looking at everything each time. Gives who stays. */
function naiveEviction(all: readonly Content[], needed: number): Set<number> {
  const here = new Set(all.keys());
  const parents = (n: number) => [...here].filter((p) => all[p]!.children.includes(n));
  const stored = (n: number) => all[n]!.children.filter((child) => here.has(child));
  const own = (n: number): number[] =>
    stored(n).flatMap((child) => (parents(child).length === 1 ? [child, ...own(child)] : []));
  const lastUse = (n: number) => Math.max(all[n]!.used, ...own(n).map((child) => all[child]!.used));
  const mayGo = (n: number) => parents(n).length === 0 && !all[n]!.isPinned && !all[n]!.isHeld;

  let freed = 0;
  function remove(n: number, time: number): void {
    const below = stored(n);
    here.delete(n);
    freed += all[n]!.size;
    for (const child of below) if (mayGo(child) && all[child]!.used <= time) remove(child, time);
  }
  while (freed < needed) {
    const [next] = [...here].filter(mayGo).sort((a, b) => lastUse(a) - lastUse(b));
    if (next === undefined) break;
    remove(next, lastUse(next));
  }
  return here;
}

/** `tick`: ms that pass with every look at the clock. Above 0 the batches become small. */
function build(t: Pick<TestContext, 'after'> | undefined, all: readonly Content[], tick = 0) {
  const { index } = openIndex(':memory:', 0);
  t?.after(() => index.close());
  for (const { digest, size, used, children, isPinned } of all) {
    if (children.length === 0) index.addBlob(digest, size, used);
    else {
      const listed = children.map((n) => ({ digest: all[n]!.digest, size: all[n]!.size, mediaType: layer }));
      index.addManifest(digest, size, { mediaType: mediaTypes.ociManifest, children: listed }, used);
    }
    index.link(isPinned ? 'a.test/pinned/x' : 'a.test/y', digest, endpoint, used);
  }
  const evicted: Digest[] = [];
  const held = new Set(all.filter(({ isHeld }) => isHeld).map(({ digest }) => digest));
  let ticks = 0;
  const catalogue = createSqliteCatalogue(index);
  const eviction = createEviction({
    order: createSqliteEvictionOrder(index),
    catalogue,
    // The real time does not count: no slice is over because the machine is busy.
    clock: { ...movableClock(), monotonic: () => ticks++ * tick },
    quotas: createQuotas({ inventory: createSqliteInventory(index), catalogue }, []),
    partialDownloads: createPartialDownloads(() => {}),
    pins:
      () =>
      ({ images, tags }) =>
        [...images, ...tags].some((name) => name.startsWith('a.test/pinned/')),
    unwrittenUse: () => undefined,
    contents: {
      isInUse: (digest) => held.has(digest),
      evicted: (digest) => void evicted.push(digest),
    },
  });
  const stored = () => new Set([...all.keys()].filter((n) => index.content(all[n]!.digest)));
  return { index, eviction, evicted, stored };
}

const ticks = fc.constantFrom(0, 1, 100);

test('what stays after an eviction is what a naive model keeps, and the sums are right', async () => {
  await fc.assert(
    fc.asyncProperty(contents, fc.integer({ min: 1, max: 600 }), ticks, async (all, needed, tick) => {
      const { index, eviction, evicted, stored } = build(undefined, all, tick);
      const search = { needed, freed: 0, after: undefined };
      let progress: Progress = 'paused';
      while (progress === 'paused') progress = await eviction.slice(search);

      const stays = stored();
      assert.deepEqual(stays, naiveEviction(all, needed));
      const bytes = [...stays].reduce((sum, n) => sum + all[n]!.size, 0);
      assert.equal(index.totals().bytes, bytes);
      assert.equal(index.totals().contents, stays.size);
      assert.equal(evicted.length, all.length - stays.size);
      assert.equal(progress, search.freed >= needed ? 'enough' : 'exhausted');
      index.close();
    }),
    { numRuns: 300 },
  );
});

test('a search that must be answered in full evicts nothing when there is not enough to be had', async () => {
  await fc.assert(
    fc.asyncProperty(contents, async (all) => {
      const { index, eviction, evicted, stored } = build(undefined, all);
      const search = { needed: 1e9, allOrNothing: true, freed: 0, after: undefined };
      assert.equal(await eviction.slice(search), 'exhausted');
      assert.equal(stored().size, all.length);
      assert.deepEqual(evicted, []);
      index.close();
    }),
    { numRuns: 50 },
  );
});

const plain = (n: number, more: Partial<Content> = {}): Content => ({
  digest: digestOf(Buffer.from(`plain ${n}`)),
  size: 10,
  used: 1000 + n,
  children: [],
  isPinned: false,
  isHeld: false,
  ...more,
});

test('a layer that another image shares stays until the last of them goes', async (t) => {
  const all = [plain(0), plain(1), plain(2, { children: [0, 1] }), plain(3, { children: [0] })];
  const { eviction, stored } = build(t, all);
  await eviction.slice({ needed: 1, freed: 0, after: undefined });
  assert.deepEqual([...stored()], [0, 3]);
  await eviction.slice({ needed: 1, freed: 0, after: undefined });
  assert.deepEqual([...stored()], []);
});

test('reading a layer keeps its image', async (t) => {
  const all = [plain(9), plain(1, { children: [0] }), plain(5)];
  const { eviction, stored } = build(t, all);
  await eviction.slice({ needed: 1, freed: 0, after: undefined });
  assert.deepEqual([...stored()], [0, 1]);
});

test('an index keeps the manifests that it lists, and they keep their layers', async (t) => {
  const all = [plain(0), plain(1, { children: [0] }), plain(8, { children: [1] }), plain(7)];
  const { eviction, stored } = build(t, all);
  await eviction.slice({ needed: 1, freed: 0, after: undefined });
  assert.deepEqual([...stored()], [0, 1, 2]);
});

test('a pinned image is looked at once, not in every search, and again when a tag leaves it', async (t) => {
  const { index, eviction } = build(t, [plain(0), plain(1)]);
  const pinned = plain(0).digest;
  index.setTag('a.test/pinned/app', '1', { digest: pinned, endpoint, checkedAt: 0 });
  await eviction.slice({ needed: 10, freed: 0, after: undefined });
  assert.deepEqual(index.oldestBatch(undefined, 1).roots, []);
  assert.ok(index.content(pinned));
  index.setTag('a.test/pinned/app', '1', { digest: digestOf(Buffer.from('new')), endpoint, checkedAt: 5000 });
  assert.equal(index.oldestBatch(undefined, 1).roots[0]?.digest, pinned);
});

test('much is evicted in many short slices, even where a single index brought it all', async (t) => {
  const { index } = openIndex(':memory:', 0);
  t.after(() => index.close());
  const manifests = Array.from({ length: 1000 }, (_, n) => plain(n));
  index.transaction(() => {
    for (const { digest, used } of manifests) index.addBlob(digest, 1, used);
    const children = manifests.map(({ digest }) => ({ digest, size: 1, mediaType: layer }));
    index.addManifest(digestOf(Buffer.from('top')), 1, { mediaType: mediaTypes.ociIndex, children }, 1);
  });
  let ticks = 0;
  let evicted = 0;
  const catalogue = createSqliteCatalogue(index);
  const eviction = createEviction({
    order: createSqliteEvictionOrder(index),
    catalogue,
    // Every look at it takes a millisecond, so a slice is over after a few.
    clock: { ...movableClock(), monotonic: () => ticks++ },
    quotas: createQuotas({ inventory: createSqliteInventory(index), catalogue }, []),
    partialDownloads: createPartialDownloads(() => {}),
    pins: () => undefined,
    unwrittenUse: () => undefined,
    contents: {
      isInUse: () => false,
      evicted() {
        evicted += 1;
      },
    },
  });
  const search = { needed: 1001, freed: 0, after: undefined };
  let slices = 1;
  let before = evicted;
  for (; (await eviction.slice(search)) === 'paused'; slices += 1) {
    assert.ok(evicted - before <= 128, `${evicted - before} in one slice`);
    before = evicted;
  }
  assert.equal(evicted, 1001);
  assert.ok(slices > 7, `${slices} slices`);
  assert.equal(index.totals().bytes, 0);
});
