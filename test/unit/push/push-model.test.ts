/**
 * Pushes held against what clients were answered, while everything else goes on: uploads, mounts, manifests, cold pulls of the same
 * digests, deletions, purges, eviction, gc, reloads and kills. All of it in one process, in turns of the event loop that the
 * seed chooses; the seed of a failure is printed. `push-book.ts` says what may be relied on. With LONG=1 many more.
 */
import assert from 'node:assert/strict';
import { cpSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, it, type TestContext } from 'node:test';
import fc from 'fast-check';
import type { PartialDownloads } from '../../../src/cache/capacity/partial-downloads.ts';
import { createHasher } from '../../../src/lib/bytes/hasher.ts';
import { tempFolder } from '../../support/temp-folder.ts';
import { turns } from '../transfer/model-fixture.ts';
import { type Act, type Actors, act, isLocal } from './push-acts.ts';
import { createBook, linkKey } from './push-book.ts';
import { assertInOrder } from './push-folder.ts';
import { contents, images, origin, ruleSets } from './push-universe.ts';
import { openWorld } from './push-world.ts';

/** Histories. To open a folder, at the beginning and after each kill, costs as much as twenty acts. */
const numRuns = process.env.LONG === '1' ? 2000 : 12;

const image = fc.constantFrom(...images);
const blob = fc.integer({ min: 0, max: 5 });
const manifest = fc.integer({ min: 0, max: 3 });
const tag = fc.constantFrom('t0', 't1');
const pause = fc.integer({ min: 0, max: 6 });
const kinds = {
  push: fc.record({
    kind: fc.constant('push' as const),
    ...{ image, blob, pause },
    ends: fc.constantFrom('right', 'right', 'right', 'right', 'wrong', 'cancelled', 'left' as const),
  }),
  mount: fc.record({ kind: fc.constant('mount' as const), image, blob, from: image }),
  image: fc.record({
    kind: fc.constant('image' as const),
    ...{ image, manifest },
    tag: fc.option(tag, { nil: undefined }),
  }),
  manifest: fc.record({
    kind: fc.constant('manifest' as const),
    ...{ image, manifest },
    tag: fc.option(tag, { nil: undefined }),
  }),
  pull: fc.record({ kind: fc.constant('pull' as const), image, blob, pause }),
  pullManifest: fc.record({
    kind: fc.constant('pullManifest' as const),
    ...{ image, manifest },
    tag: fc.option(tag, { nil: undefined }),
  }),
  removeTag: fc.record({ kind: fc.constant('removeTag' as const), image, tag }),
  removeManifest: fc.record({ kind: fc.constant('removeManifest' as const), image, manifest }),
  removeBlob: fc.record({ kind: fc.constant('removeBlob' as const), image, blob }),
  purge: fc.record({ kind: fc.constant('purge' as const), image, hosted: fc.boolean() }),
  squeeze: fc.record({ kind: fc.constant('squeeze' as const), pause }),
  gc: fc.record({ kind: fc.constant('gc' as const) }),
  reload: fc.record({
    kind: fc.constant('reload' as const),
    rules: fc.integer({ min: 0, max: ruleSets.length - 1 }),
  }),
};
const weights: Partial<Record<keyof typeof kinds, number>> = {
  push: 5,
  image: 8,
  manifest: 3,
  mount: 3,
  pull: 5,
  pullManifest: 3,
  squeeze: 2,
};
const oneAct: fc.Arbitrary<Act> = fc.oneof(
  ...Object.entries(kinds).map(([kind, arbitrary]) => ({
    weight: weights[kind as keyof typeof kinds] ?? 1,
    arbitrary: arbitrary as fc.Arbitrary<Act>,
  })),
);
/** Acts that begin some turns after one another, and how it ends: when all are over, or in the middle of them. */
const episode = fc.record({
  acts: fc.array(fc.record({ act: oneAct, delay: fc.integer({ min: 0, max: 12 }) }), {
    minLength: 8,
    maxLength: 24,
  }),
  killedAfter: fc.option(fc.integer({ min: 0, max: 40 }), { nil: undefined, freq: 2 }),
});

type Episode = typeof episode extends fc.Arbitrary<infer Value> ? Value : never;

describe('pushes among all that can happen meanwhile', () => {
  const hasher = createHasher();
  after(() => hasher.close());

  it('keep what was answered with 201, show nothing else, and leave the folder in order', async (t) => {
    await fc.assert(
      fc.asyncProperty(fc.array(episode, { minLength: 2, maxLength: 6 }), async (episodes) => {
        await run(t, episodes);
      }),
      { numRuns },
    );
  });

  async function run(t: TestContext, episodes: readonly Episode[]): Promise<void> {
    let book = createBook();
    const folder = tempFolder(t);
    let data = join(folder, 'data0');
    const options = { hasher, origin, rules: ruleSets[0]!, maxSize: 16_000, quota: '**' };
    let world = await openWorld({ data, ...options });
    const ever = new Set<string>();
    for (const [n, { acts, killedAfter }] of episodes.entries()) {
      const actors: Actors = { world, book, ever, isGone: false };
      const acting = Promise.all(
        acts.map(async ({ act: one, delay }, at) => {
          await turns(delay + at);
          if (!actors.isGone) await act(actors, one);
        }),
      );
      if (killedAfter === undefined) {
        await acting;
      } else {
        acting.catch(() => {});
        await turns(killedAfter);
        // A copy in the middle of a turn is what a kill leaves.
        const left = join(folder, `data${n + 1}`);
        cpSync(data, left, { recursive: true });
        actors.isGone = true;
        book = createBook(book.promises);
        await acting;
        await world.close();
        data = left;
        world = await openWorld({ data, ...options });
      }
      await checkPromises({ world, book, ever, isGone: false });
    }
    // It also takes in what kills have left.
    await world.cache.admin.reconciled;
    await world.transfers.close();
    const { quotas, reserved } = world.cache.admin.usage();
    const uploads = world.uploads.usage();
    const left = world.cache.partialDownloads as PartialDownloads;
    assert.ok(reserved <= uploads.bytes + left.bytes, 'nothing holds room that is over');
    await world.close();
    assertInOrder(data, { uploads, charged: quotas[0]!.bytes });
    rmSync(folder, { recursive: true });
  }
});

async function checkPromises({ world: { cache }, book, ever }: Actors): Promise<void> {
  for (const [key, { thing, is }] of book.promises) {
    const { image: name, tag: tagged, digest } = thing;
    if (tagged !== undefined) {
      assert.equal((await cache.tag(name, tagged as never))?.digest, is, key);
    } else {
      assert.equal(await cache.hosted.serves(name, digest!), is !== undefined, key);
    }
  }
  for (const name of images.filter(isLocal)) {
    for (const digest of contents.keys()) {
      const isThere = await cache.hosted.serves(name, digest);
      assert.ok(
        !isThere || ever.has(linkKey({ image: name, digest })),
        'nothing shows where nothing was pushed',
      );
    }
  }
}
