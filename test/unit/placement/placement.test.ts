/** Buckets put together, over an index in memory: what a stop finds under way, and faults of the local file. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import type { BlobStore } from '../../../src/cache/blobs/blob-store.ts';
import { type Copies, createCopies } from '../../../src/cache/copies.ts';
import type { Inventory } from '../../../src/cache/index/inventory.ts';
import type { PlacementStore } from '../../../src/cache/index/placements/placement-store.ts';
import type { Hasher } from '../../../src/lib/bytes/hasher.ts';
import { createPlacement } from '../../../src/placement/placement.ts';
import type { SharedBucket } from '../../../src/placement/shared-bucket.ts';
import { bytesSource } from '../../../src/stores/object-store.ts';
import { named } from '../../contract/index-fixture.ts';
import { createManualClock } from '../../support/clock.ts';
import { createMemoryObjects } from '../../support/memory-objects.ts';
import { createMemoryPlacements } from '../../support/memory-placements.ts';
import { type Cleanup, tempFolder } from '../../support/temp-folder.ts';

const digest = named('content');
const inEu = { digest, store: 'eu' };
/** Of the index, from which a queue that does not end is freed after so many. */
const mostLooks = 100;
const noCopies: Copies = {
  open: async () => undefined,
  imagesOf: async () => ['images.local/app'],
  isHosted: async () => false,
};

/** Placements in one bucket, `eu`, over an index in memory. */
async function setUp(t: Cleanup, { copies = noCopies, shared }: { copies?: Copies; shared?: SharedBucket }) {
  const clock = createManualClock();
  const eu = createMemoryObjects('eu', clock.now);
  const index = createMemoryPlacements();
  await index.storesAre(['eu']);
  const state = { looks: 0, log: [] as unknown[], tried: [] as string[] };
  const placements: PlacementStore = {
    ...index,
    async due(...asked) {
      state.looks += 1;
      return state.looks > mostLooks ? [] : index.due(...asked);
    },
  };
  const note = (fields: { event?: unknown }) => state.log.push(fields.event);
  const placement = createPlacement(
    {
      cache: {
        find: async () => assert.fail('no client asks'),
        placements,
        copies,
        hosted: { reserve: async () => undefined, writeFailed() {} },
        whenStored() {},
      },
      hasher: { begin: () => assert.fail('nothing is hashed') } as unknown as Hasher,
      clock,
      random: () => 0,
      never: undefined,
      shared,
      log: { info: note, warn: note, error: note },
      tried: (_, result) => state.tried.push(result),
    },
    [{ store: eu.store, match: [], uploadRate: undefined, redirect: undefined, sweep: undefined }],
    tempFolder(t),
  );
  return { placement, clock, eu, index, state };
}

describe('a stop', () => {
  /** The others are told by an answer that comes from outside: in a later turn. */
  const replicas: SharedBucket = {
    unsure: async () => undefined,
    untold: async () => undefined,
    usesOf: async () => new Map(),
    start() {},
    async stop() {
      await turn();
    },
  };

  for (const [what, call] of [
    ['the object of a doubted placement is read', 'get'],
    ['an object is looked for once more', 'head'],
  ] as const)
    it(`ends while ${what}, and begins nothing again`, async (t) => {
      const { placement, clock, eu, index, state } = await setUp(t, { shared: replicas });
      eu.fail('silent');
      if (call === 'get') await index.repair(inEu, 'doubted', 3, clock.now());
      else {
        await index.placed(inEu, 3, clock.now());
        await index.lookAt(inEu, clock.now());
      }
      const asked = () => eu.calls.filter((one) => one.startsWith(call)).length;
      placement.start();
      while (asked() === 0) await turn();
      await placement.stop();
      assert.equal(asked(), 1);
      assert.ok(state.looks < mostLooks, 'the index was asked again and again');
    });

  it('ends while a content is hashed before its upload, and lets go of its file', async (t) => {
    const steps = 1000;
    const first = Promise.withResolvers<void>();
    const seen = { steps: 0, open: 0, used: 0, reading: 0 };
    const store: Pick<BlobStore, 'open' | 'verify'> = {
      async open() {
        seen.open += 1;
        const bytes = bytesSource(Buffer.alloc(steps));
        return {
          ...{ size: steps, modified: 0, version: 'v1', isCurrent: async () => true, stream: bytes.stream },
          close() {
            seen.open -= 1;
          },
        };
      },
      async *verify() {
        seen.reading += 1;
        try {
          while (seen.steps < steps) {
            seen.steps += 1;
            first.resolve();
            yield 1;
            await turn();
          }
          return undefined;
        } finally {
          seen.reading -= 1;
        }
      },
    };
    const copies = createCopies({
      store: store as BlobStore,
      inventory: {
        content: async () => ({ size: steps }),
        isHosted: async () => false,
      } as unknown as Inventory,
      catalogue: { imagesOf: noCopies.imagesOf },
      contents: {
        reading: {
          take() {
            seen.used += 1;
            return () => {
              seen.used -= 1;
            };
          },
        },
        discard: () => assert.fail('nothing is wrong with it'),
        unreadable: () => assert.fail('it can be read'),
      } as unknown as Parameters<typeof createCopies>[0]['contents'],
    });
    const { placement, clock, eu, index } = await setUp(t, { copies });
    index.stored(digest, steps, clock.now());
    placement.start();
    await first.promise;
    await placement.stop();
    assert.ok(seen.steps < steps, 'it was read to its end');
    assert.deepEqual([seen.open, seen.used, seen.reading], [0, 0, 0]);
    assert.equal(eu.objects.size, 0);
  });
});

describe('a fault of the local file', () => {
  for (const [what, error] of [
    ['cannot be read', Object.assign(new Error('EIO: i/o error, read'), { code: 'EIO' })],
    ['is shorter than it was', new Error('the content is shorter than it was said to be')],
  ] as const)
    it(`is none of the bucket, and none of the index: it ${what}`, async (t) => {
      let isWhole = false;
      const bytes = bytesSource(Buffer.from('abc'));
      const copy = {
        size: 3,
        verify: async () => true,
        close() {},
        stream: (start: number, end: number) => {
          if (isWhole) return bytes.stream(start, end);
          return { next: () => Promise.reject(error), close() {} };
        },
      };
      const { placement, clock, eu, index, state } = await setUp(t, {
        copies: { ...noCopies, open: async () => copy },
      });
      t.after(placement.stop);
      index.stored(digest, 3, clock.now());
      placement.start();
      while (state.tried.length === 0) await clock.advance(0);
      await clock.advance(0);
      const [failed] = await index.of(digest);
      assert.deepEqual(
        [failed?.state, failed?.tries, failed?.reason],
        ['wanted', 1, `the content cannot be read: ${error.message}`],
      );
      assert.equal(placement.buckets[0]?.pausedFor(), 0, 'the bucket goes on taking other content');
      assert.deepEqual(state.log, []);
      isWhole = true;
      await clock.advance(5_000);
      assert.deepEqual([state.tried, eu.objects.size], [['failed', 'stored'], 1]);
    });
});
