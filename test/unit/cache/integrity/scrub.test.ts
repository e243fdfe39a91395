import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { lstatSync, renameSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { folderCount } from '../../../../src/cache/blobs/blob-store.ts';
import type { ScrubOptions, ScrubStep } from '../../../../src/cache/integrity/scrub.ts';
import type { OpenCache } from '../../../../src/cache/open-cache.ts';
import { systemClock } from '../../../../src/lib/clock.ts';
import { createPace } from '../../../../src/lib/flow/pace.ts';
import type { Digest } from '../../../../src/oci/digest.ts';
import { flipByte, storedFile } from '../../../support/stored-files.ts';
import {
  addBlob,
  dataFolder,
  endpoint,
  image,
  indexOf,
  manifestOf,
  open,
  readAll,
  tagOf,
} from '../data-folder-fixture.ts';

interface Told {
  checked: number;
  bytes: number;
  lost: Record<Digest, string>;
  unreadable: Digest[];
}

async function scrub(
  { admin }: OpenCache,
  options: Partial<ScrubOptions> = {},
  onStep: (step: ScrubStep) => unknown = () => {},
): Promise<Told> {
  const signal = options.signal ?? new AbortController().signal;
  const pace = createPace(systemClock, { perSecond: undefined, signal });
  const told: Told = { checked: 0, bytes: 0, lost: {}, unreadable: [] };
  for (let folder = 0; folder < folderCount; folder += 1) {
    for await (const step of admin.scrub.folder(folder, { isWanted: () => true, pace, signal, ...options })) {
      if (step.kind === 'checked') told.checked += 1;
      else if (step.kind === 'read') told.bytes += step.bytes;
      else if (step.kind === 'lost') told.lost[step.loss.digest] = step.loss.reason;
      else told.unreadable.push(step.digest);
      await onStep(step);
    }
  }
  return told;
}

async function filled(t: TestContext, maxSize?: number) {
  const data = dataFolder(t);
  const cache = await open(t, data, { maxSize });
  const blobs: Digest[] = [];
  for (const size of [3_000_000, 10, 500]) blobs.push(await addBlob(cache, randomBytes(size)));
  const wide = await addBlob(cache, randomBytes(700), { algorithm: 'sha512' });
  await cache.admin.reconciled;
  return { data, cache, blobs: blobs as [Digest, Digest, Digest], wide };
}

test('every content is looked at, by each algorithm, and an empty one too', async (t) => {
  const { cache } = await filled(t);
  await addBlob(cache, Buffer.alloc(0));
  assert.deepEqual(await scrub(cache), { checked: 5, bytes: 3_001_210, lost: {}, unreadable: [] });
});

test('what is damaged is not to be had from then on, and its file is gone', async (t) => {
  const { data, cache, blobs, wide } = await filled(t);
  flipByte(storedFile(data, blobs[0]), 2_000_000);
  truncateSync(storedFile(data, blobs[1]), 3);
  rmSync(storedFile(data, blobs[2]));
  flipByte(storedFile(data, wide), 0);
  const { checked, lost } = await scrub(cache);
  assert.equal(checked, 4);
  assert.deepEqual(lost, {
    [blobs[0]]: 'its file has other bytes',
    [blobs[1]]: 'its file has 3 bytes, not 10',
    [blobs[2]]: 'its file is missing',
    [wide]: 'its file has other bytes',
  });
  for (const digest of [...blobs, wide]) assert.equal(await cache.open(image, digest), undefined);
  assert.equal(cache.admin.usage().bytes, 0);
  await cache.close();
  const again = await open(t, data);
  assert.deepEqual(await again.admin.reconciled, {
    added: 0,
    dropped: 0,
    removed: 0,
    foreign: 0,
    unreadable: 0,
  });
});

test('a file that cannot be opened counts as missing, and stays where it is', async (t) => {
  const { data, cache, blobs } = await filled(t);
  const file = storedFile(data, blobs[2]);
  rmSync(file);
  // Nobody can open this, whatever the rights of whoever runs the tests.
  symlinkSync(file, file);
  const { checked, lost } = await scrub(cache);
  assert.equal(checked, 4);
  assert.match(lost[blobs[2]] ?? '', /^ELOOP/);
  assert.equal(await cache.isStored(blobs[2]), false);
  assert.ok(lstatSync(file).isSymbolicLink());
});

test('only what is wanted is looked at', async (t) => {
  const { data, cache, blobs } = await filled(t);
  for (const digest of blobs) flipByte(storedFile(data, digest), 0);
  const { checked, lost } = await scrub(cache, { isWanted: (digest) => digest === blobs[1] });
  assert.deepEqual([checked, Object.keys(lost)], [1, [blobs[1]]]);
});

test('it ends in the middle of a file when it is told to', async (t) => {
  const { data, cache, blobs } = await filled(t);
  flipByte(storedFile(data, blobs[0]), 0);
  const controller = new AbortController();
  const isWanted = (digest: Digest) => digest === blobs[0];
  const { checked, bytes, lost } = await scrub(cache, { isWanted, signal: controller.signal }, () =>
    controller.abort(),
  );
  assert.deepEqual({ checked, bytes, lost }, { checked: 0, bytes: 1024 * 1024, lost: {} });
  assert.ok(await cache.isStored(blobs[0]));
});

test('what is being read is not evicted, and what was read is no younger for it', async (t) => {
  const { cache, blobs, wide } = await filled(t, 4_000_000);
  const isWanted = (digest: Digest) => digest === blobs[0];
  let isTried = false;
  await scrub(cache, { isWanted }, async () => {
    if (isTried) return;
    isTried = true;
    (await cache.reserve(1_000_000))?.release();
    assert.deepEqual(await Promise.all([...blobs, wide].map(cache.isStored)), [true, false, false, false]);
  });
  assert.ok(isTried);
  (await cache.reserve(1_000_001))?.release();
  assert.equal(await cache.isStored(blobs[0]), false);
});

test('what came back while its old file was being read stays', async (t) => {
  const { data, cache, blobs } = await filled(t);
  const bytes = await readAll((await cache.open(image, blobs[0]))!.stream(0, 3_000_000));
  flipByte(storedFile(data, blobs[0]), 2_999_999);
  const isWanted = (digest: Digest) => digest === blobs[0];
  let isReplaced = false;
  const { checked, lost } = await scrub(cache, { isWanted }, () => {
    if (isReplaced) return;
    isReplaced = true;
    const file = storedFile(data, blobs[0]);
    writeFileSync(`${file}.new`, bytes);
    renameSync(`${file}.new`, file);
  });
  assert.deepEqual([checked, lost], [1, {}]);
  assert.ok(await cache.isStored(blobs[0]));
});

test('a glob selects what an image links, or what a tag names and all below it', async (t) => {
  const cache = await open(t, dataFolder(t));
  const [one, two, loose] = await Promise.all([addBlob(cache), addBlob(cache), addBlob(cache)]);
  const foreign = await addBlob(cache, undefined, { image: 'a.test/foreign' });
  const inner = manifestOf([
    { digest: one, size: 1000 },
    { digest: foreign, size: 1000 },
  ]);
  const top = indexOf([inner]);
  const single = manifestOf([{ digest: two, size: 1000 }]);
  for (const manifest of [inner, top, single]) await cache.putManifest(image, manifest);
  await cache.setTag(image, tagOf('multi'), { digest: top.digest, endpoint });
  await cache.setTag(image, tagOf('single'), { digest: single.digest, endpoint });

  const all = [one, two, loose, foreign, inner.digest, top.digest, single.digest];
  const selected = async (matches: (name: string) => boolean) => {
    const selection = await cache.admin.scrub.select(matches);
    return { digests: all.filter(selection.has), bytes: selection.bytes };
  };
  assert.deepEqual(await selected((name) => name === `${image}:multi`), {
    digests: [one, inner.digest, top.digest],
    bytes: 1000 + inner.bytes.length + top.bytes.length,
  });
  assert.deepEqual((await selected((name) => name.endsWith(':single'))).digests, [two, single.digest]);
  assert.deepEqual(
    (await selected((name) => name === image)).digests,
    all.filter((digest) => digest !== foreign),
  );
  assert.deepEqual(await selected(() => false), { digests: [], bytes: 0 });
});
