import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createRepair, type RepairDeps } from '../../../src/admin/repair.ts';
import { blobOf } from '../../support/byte-source.ts';

const { digest } = blobOf('x');
const loss = { digest, isManifest: false };
const running = new AbortController().signal;

/** No registry has the blob, except those of the images in `has`. */
function repairOf(images: readonly string[], has: (image: string) => boolean = () => false) {
  const stored = new Set<string>();
  const asked: string[] = [];
  const forgotten: string[] = [];
  const deps: RepairDeps = {
    cache: {
      imagesOf: async () => images,
      isStored: async (one) => stored.has(one),
      forget: async (one) => void forgotten.push(one),
    },
    pull: {
      async ensure({ image }) {
        asked.push(image.name);
        const verdict = { kind: 'notFound' } as const;
        if (!has(image.name)) return { ok: false, how: 'missing', reason: 'not found', verdict, trail: [] };
        stored.add(digest);
        return { ok: true, how: 'fetched', digest, size: 1, trail: [] };
      },
    },
    isListed: (registry) => registry !== 'gone.test',
  };
  return { repair: createRepair(deps), asked, forgotten };
}

test('images are asked in turn, no further than the first that can give it', async () => {
  const { repair, asked, forgotten } = repairOf(
    ['a.test/1', 'gone.test/2', 'a.test/3', 'a.test/4'],
    (image) => image.endsWith('3'),
  );
  assert.deepEqual(await repair(loss, running), { repaired: true, image: 'a.test/3' });
  assert.deepEqual(asked, ['a.test/1', 'a.test/3']);
  assert.deepEqual(forgotten, []);
});

test('content that no endpoint has is forgotten, and the first reasons are named', async () => {
  const images = ['gone.test/1', 'a.test/2', 'a.test/3', 'a.test/4', 'a.test/5'];
  const { repair, forgotten } = repairOf(images);
  assert.deepEqual(await repair(loss, running), {
    repaired: false,
    image: 'gone.test/1',
    failure:
      'gone.test/1: its registry is not listed in registries.conf; a.test/2: not found; a.test/3: not found; ' +
      'nor for 2 more images',
  });
  assert.deepEqual(forgotten, [digest]);
  const { repair: lonely } = repairOf([]);
  assert.deepEqual(await lonely(loss, running), {
    repaired: false,
    image: null,
    failure: 'no image links it',
  });
});

test('a repair that is aborted asks no further endpoint, and forgets nothing', async () => {
  const controller = new AbortController();
  const { repair, asked, forgotten } = repairOf(['a.test/1', 'a.test/2'], () => {
    controller.abort();
    return false;
  });
  assert.equal((await repair(loss, controller.signal)).repaired, false);
  assert.deepEqual([asked, forgotten], [['a.test/1'], []]);
});
