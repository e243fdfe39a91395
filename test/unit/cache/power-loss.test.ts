/**
 * The power goes at every moment of a cache's life, in all the ways in which a disk may lose what was not flushed. Then the
 * cache is opened on what is left: it must never give a wrong byte, and all that it has called stored must be there.
 */
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type OpenCache, openCache } from '../../../src/cache/open-cache.ts';
import { systemClock } from '../../../src/lib/clock.ts';
import type { Digest } from '../../../src/oci/digest.ts';
import { gate } from '../../support/gate.ts';
import { cutEverywhere } from '../../support/power-cuts.ts';
import { type RecordedDisk, recordDisk } from '../../support/recorded-disk.ts';
import { storedFile } from '../../support/stored-files.ts';
import {
  addBlob,
  buffers,
  collectLog,
  dataFolder,
  digestOf,
  endpoint,
  image,
  indexOf,
  manifestOf,
  open,
  readAll,
  tagOf,
} from './data-folder-fixture.ts';

interface Life {
  readonly disk: RecordedDisk;
  /** By digest: the bytes, and the moment from which they are promised to be here. */
  readonly contents: Map<Digest, { readonly bytes: Uint8Array; stored: number }>;
  /** By moment: what the index had at its end. */
  readonly here: Set<Digest>[];
}

/** Records a life: `live` tells what contents there are, and when it was told that they are stored. */
async function record(
  t: TestContext,
  data: string,
  live: (open: (maxSize?: number) => Promise<OpenCache>, tell: Telling) => Promise<void>,
): Promise<Life> {
  const disk = recordDisk(data);
  t.after(() => disk.stop());
  const life: Life = { disk, contents: new Map(), here: [] };
  let cache: OpenCache | undefined;
  disk.onMoment = (moment) => {
    const here = new Set<Digest>();
    life.here[moment] = here;
    // The index is read in this very turn, only the answer comes later.
    for (const digest of life.contents.keys())
      void cache?.isStored(digest).then((isStored) => isStored && here.add(digest));
  };
  const tell: Telling = {
    disk,
    knows: (digest, bytes) => void life.contents.set(digest, { bytes, stored: Number.POSITIVE_INFINITY }),
    stored(digest) {
      const content = life.contents.get(digest);
      if (content) content.stored = Math.min(content.stored, disk.moments - 1);
    },
  };
  await live(async (maxSize) => {
    cache = await open(t, data, { maxSize });
    const opened = cache;
    return {
      ...opened,
      close: async () => {
        cache = undefined;
        await opened.close();
      },
    };
  }, tell);
  disk.stop();
  return life;
}

interface Telling {
  readonly disk: RecordedDisk;
  knows(digest: Digest, bytes: Uint8Array): void;
  stored(digest: Digest): void;
}

/** What holds after any power cut. */
async function assertSound(life: Life, data: string, moment: number): Promise<void> {
  const log = collectLog();
  const options = { data, maxSize: undefined, minFree: 0, quotas: [], pins: [] };
  const cache = await openCache({ clock: systemClock, log, buffers }, options);
  try {
    // At once, beside the look through the content, and after it.
    for (const [digest, { bytes }] of life.contents) await assertReadsRight(cache, digest, bytes);
    assert.ok(await cache.admin.reconciled);
    for (const [digest, { bytes }] of life.contents) await assertReadsRight(cache, digest, bytes);
    assertAgree(cache, data);
    for (const [digest, { stored }] of life.contents) {
      const isPromised = stored <= moment && life.here[moment]?.has(digest);
      if (isPromised) assert.ok(await cache.isStored(digest), `${digest} was stored and is lost`);
    }
    for (const tag of await cache.tags(image)) {
      const known = await cache.tag(image, tagOf(tag));
      if (known && (await cache.isStored(known.digest))) assert.ok(await cache.manifest(image, known.digest));
    }
    assert.deepEqual(
      log.lines.filter(({ level }) => level === 'error'),
      [],
    );
    await addBlob(cache);
  } finally {
    await cache.close();
  }
}

/** Each file has the bytes of its name, the index knows each, and nothing half-written is left. */
function assertAgree(cache: OpenCache, data: string): void {
  let sum = 0;
  for (const entry of readdirSync(join(data, 'content-v1'), { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const found = readFileSync(join(entry.parentPath, entry.name));
    assert.equal(digestOf(found), `sha256:${entry.name}`, 'a file has the bytes of its name');
    sum += found.length;
  }
  assert.equal(cache.admin.usage().bytes, sum, 'the index knows each file');
  assert.deepEqual(
    readdirSync(cache.incoming.path).filter((name) => name.startsWith('put-')),
    [],
  );
}

/** The whole and a part, or nothing, or an error before the end. */
async function assertReadsRight(cache: OpenCache, digest: Digest, bytes: Uint8Array): Promise<void> {
  const blob = await cache.open(image, digest);
  if (!blob) return;
  const middle = Math.floor(bytes.length / 2);
  const part = await readAll(blob.stream(middle, bytes.length));
  assert.ok(part.equals(bytes.subarray(middle)), `a part of ${digest} is wrong`);
  const whole = await readAll(blob.stream(0, blob.size)).catch(() => undefined);
  if (whole) assert.ok(whole.equals(bytes), `${digest} is wrong`);
  blob.close();
}

/** Contents whose digests all begin with the same byte, so that they share a folder. */
function inFolder(name: string, count: number): Buffer[] {
  const found: Buffer[] = [];
  for (let seed = 0; found.length < count; seed += 1) {
    const bytes = Buffer.alloc(3000 + found.length, `content ${seed} `);
    if (digestOf(bytes).startsWith(`sha256:${name}`)) found.push(bytes);
  }
  return found;
}

test('contents, manifests and tags that come at the same time, then go for others', async (t) => {
  const data = dataFolder(t);
  const life = await record(t, data, async (openHere, { knows, stored }) => {
    const cache = await openHere(16_000);
    const put = async (bytes: Buffer) => {
      knows(digestOf(bytes), bytes);
      stored(await addBlob(cache, bytes));
    };
    const [first, second, ...rest] = inFolder('aa', 8) as [Buffer, Buffer, ...Buffer[]];
    await Promise.all([put(first), put(second)]);
    const children = [first, second].map((bytes) => ({ digest: digestOf(bytes), size: bytes.length }));
    const manifest = manifestOf(children);
    const index = indexOf([manifest]);
    for (const one of [manifest, index]) {
      knows(one.digest, one.bytes);
      await cache.putManifest(image, one);
      stored(one.digest);
    }
    await cache.setTag(image, tagOf('1'), { digest: index.digest, endpoint });
    // More than there is room for: the image goes.
    for (const bytes of rest) {
      (await cache.reserve(bytes.length))?.release();
      await put(bytes);
    }
    const next = manifestOf([{ digest: digestOf(rest[0]!), size: rest[0]!.length }]);
    knows(next.digest, next.bytes);
    await cache.putManifest(image, next);
    stored(next.digest);
    await cache.setTag(image, tagOf('1'), { digest: next.digest, endpoint });
    await cache.admin.purge({ image: 'other.test/x' });
    await put(first);
    await cache.admin.purge({ image });
    await put(second);
    await cache.close();
  });
  assert.ok(life.disk.moments > 60, `${life.disk.moments} moments`);
  await cutEverywhere(t, life.disk, (...cut) => assertSound(life, ...cut));
});

test('a second content of a new folder, while the disk is slow to take the name of that folder', async (t) => {
  const data = dataFolder(t);
  const life = await record(t, data, async (openHere, { knows, stored, disk }) => {
    const cache = await openHere();
    const put = async (bytes: Buffer) => {
      knows(digestOf(bytes), bytes);
      stored(await addBlob(cache, bytes));
    };
    const slow = gate();
    const [first, second] = inFolder('aa', 2) as [Buffer, Buffer];
    const [before, ...meanwhile] = inFolder('bb', 4) as [Buffer, ...Buffer[]];
    await put(before);
    let held = 0;
    disk.beforeFlush = (path) => (path.endsWith('/sha256') && held++ === 0 ? slow.pass() : undefined);
    const putting = [put(first)];
    await slow.arrived;
    putting.push(put(second));
    // Long enough for the second, were it not to wait: others are stored meanwhile, in a folder that was there.
    for (const bytes of meanwhile) await put(bytes);
    slow.release();
    await Promise.all(putting);
    await cache.close();
  });
  await cutEverywhere(t, life.disk, (...cut) => assertSound(life, ...cut));
});

test('a file that somebody has copied into the store, and the index takes in', async (t) => {
  const data = dataFolder(t);
  const bytes = Buffer.alloc(50_000, 'copied ');
  const digest = digestOf(bytes);
  const life = await record(t, data, async (openHere, { knows, stored }) => {
    knows(digest, bytes);
    const path = storedFile(data, digest);
    for (const name of ['incoming', 'content-v1', 'content-v1/sha256']) mkdirSync(join(data, name));
    mkdirSync(dirname(path));
    writeFileSync(path, bytes);
    const cache = await openHere();
    assert.equal((await cache.admin.reconciled)?.added, 1);
    stored(digest);
    await cache.link(image, digest, endpoint);
    const next = bytes.subarray(1);
    knows(digestOf(next), next);
    stored(await addBlob(cache, next));
    await cache.close();
  });
  await cutEverywhere(t, life.disk, (...cut) => assertSound(life, ...cut));
});
