/** What pushes and imports ask of the cache, beside a disk that refuses and beside purges. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import fs, { existsSync, lstatSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import type { OpenCache } from '../../../src/cache/open-cache.ts';
import type { Digest } from '../../../src/oci/digest.ts';
import { storedFile } from '../../support/stored-files.ts';
import {
  addBlob,
  collectLog,
  dataFolder,
  digestOf,
  image,
  movableClock,
  open,
} from './data-folder-fixture.ts';

const ours = 'images.local/app';
const other = 'images.local/other';
const hosted = { hosted: true };
const bytes = randomBytes(1000);
const digest = digestOf(bytes);

async function push(cache: OpenCache, to: string): Promise<string> {
  const file = join(cache.incoming.path, `upload-${randomBytes(4).toString('hex')}`);
  writeFileSync(file, bytes);
  await cache.hosted.commitBlob(to, digest, bytes.length, file, hosted);
  return file;
}

async function withPushed(t: TestContext) {
  const data = dataFolder(t);
  const log = collectLog();
  const cache = await open(t, data, {}, { log });
  await cache.admin.reconciled;
  await push(cache, ours);
  return { data, cache, log };
}

/** Until the test ends, or the function that this gives is called. */
function patch<Of extends object>(t: TestContext, target: Of, change: Partial<Of>): () => void {
  const names = Object.keys(change) as (keyof Of)[];
  const original = names.map((name) => [name, target[name]] as const);
  Object.assign(target, change);
  syncBuiltinESMExports();
  const undo = () => {
    for (const [name, value] of original) target[name] = value;
    syncBuiltinESMExports();
  };
  t.after(undo);
  return undo;
}

/** This process has no descriptor left for stored files. */
function withoutDescriptors(t: TestContext): () => void {
  const original = fs.open;
  const failing = (path: fs.PathLike, ...rest: unknown[]) => {
    if (!String(path).includes('/content-v1/')) return Reflect.apply(original, fs, [path, ...rest]);
    const done = rest.at(-1) as (error: Error) => void;
    done(Object.assign(new Error('too many open files'), { code: 'EMFILE' }));
  };
  return patch(t, fs, { open: failing } as Partial<typeof fs>);
}

const events = ({ lines }: ReturnType<typeof collectLog>) => lines.map(({ fields }) => fields.event);

describe('content that cannot be opened for a moment', () => {
  it('is not lost: a push of it fails and can be tried again', async (t) => {
    const { data, cache, log } = await withPushed(t);
    const cached = await addBlob(cache);
    const hasDescriptors = withoutDescriptors(t);
    for (const one of [digest, cached]) {
      await assert.rejects(cache.hosted.mountBlob(other, one, hosted), { code: 'EMFILE' });
      await assert.rejects(cache.hosted.adopt(image, one), { code: 'EMFILE' });
    }
    await assert.rejects(push(cache, other), { code: 'EMFILE' });
    hasDescriptors();
    for (const one of [digest, cached]) assert.ok(existsSync(storedFile(data, one)));
    assert.ok(!events(log).some((event) => String(event).includes('Damaged')));
    await push(cache, other);
    assert.deepEqual(
      [
        await cache.hosted.serves(ours, digest),
        await cache.hosted.serves(other, digest),
        await cache.hosted.adopt(image, cached),
      ],
      [true, true, true],
    );
  });
});

describe('content whose file cannot be opened by anyone', () => {
  /** A link to itself. */
  function close(data: string, of: Digest): string {
    const file = storedFile(data, of);
    renameSync(file, `${file}.aside`);
    symlinkSync(file, file);
    return file;
  }

  it('counts as missing and keeps its file, also where it is only cached', async (t) => {
    const { data, cache, log } = await withPushed(t);
    const cached = await addBlob(cache);
    const files = [digest, cached].map((one) => close(data, one));
    for (const one of [digest, cached]) assert.equal(await cache.hosted.mountBlob(other, one, hosted), false);
    await cache.admin.collect();
    for (const file of files) assert.ok(lstatSync(file).isSymbolicLink());
    assert.deepEqual(
      events(log).filter((event) => /Damaged|contentUnreadable/.test(String(event))),
      ['cache.contentUnreadable', 'cache.contentUnreadable'],
    );
  });

  it('is stored anew by a push', async (t) => {
    const { data, cache } = await withPushed(t);
    close(data, digest);
    await push(cache, other);
    assert.ok(lstatSync(storedFile(data, digest)).isFile());
    for (const name of [ours, other]) assert.equal(await cache.hosted.serves(name, digest), true);
  });
});

describe('a blob that waits for its manifest for more than a day', () => {
  it('is not taken by gc while a push of a manifest counts on it', async (t) => {
    const clock = movableClock();
    const cache = await open(t, dataFolder(t), {}, { clock });
    await cache.admin.reconciled;
    await push(cache, ours);
    clock.advance(25 * 3_600_000);
    assert.ok(await cache.hosted.adopt(ours, digest));
    assert.equal((await cache.admin.collect()).unlisted, 0);
    assert.ok(await cache.hosted.serves(ours, digest));
  });
});

describe('a push of content that is here', () => {
  /** The step goes on when what this gives is over. */
  type Before = () => Promise<unknown> | undefined;
  const moments = {
    'while it is looked at': (t: TestContext, before: Before) => {
      const original = fs.open;
      const opening = (path: fs.PathLike, ...rest: unknown[]) => {
        const opens = () => Reflect.apply(original, fs, [path, ...rest]);
        const waits = String(path).includes('/content-v1/') ? before() : undefined;
        if (waits) void waits.then(opens);
        else opens();
      };
      return patch(t, fs, { open: opening } as Partial<typeof fs>);
    },
    'while the upload is removed': (t: TestContext, before: Before) => {
      const original = fs.promises.rm;
      const removing: typeof original = async (path, options) => {
        if (String(path).includes('upload-')) await before();
        await original(path, options);
      };
      return patch(t, fs.promises, { rm: removing } as Partial<typeof fs.promises>);
    },
  };
  for (const [moment, meet] of Object.entries(moments)) {
    it(`is served where a purge takes that content ${moment}`, async (t) => {
      const { cache } = await withPushed(t);
      let purged: ReturnType<typeof cache.admin.purge> | undefined;
      const meetsNoMore = meet(t, () => {
        if (purged) return undefined;
        purged = cache.admin.purge({ image: ours });
        return purged;
      });
      const upload = await push(cache, other);
      meetsNoMore();
      assert.equal((await purged)?.unlinked, 1);
      assert.deepEqual(
        [
          await cache.hosted.serves(ours, digest),
          await cache.hosted.serves(other, digest),
          existsSync(upload),
        ],
        [false, true, false],
      );
    });
  }
});
