import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { gzipSync } from 'node:zlib';
import type { BundleBlob } from '../../../../src/airgap/bundle-manifest.ts';
import {
  type DiskStage,
  type DiskStageDeps,
  openDiskStage,
} from '../../../../src/airgap/import/disk-stage.ts';
import { createDryStage } from '../../../../src/airgap/import/dry-stage.ts';
import { type Incoming, type Stage, smallBytes } from '../../../../src/airgap/import/stage.ts';
import { EntrepotError } from '../../../../src/errors.ts';
import { createHasher } from '../../../../src/lib/bytes/hasher.ts';
import type { Digest } from '../../../../src/oci/digest.ts';
import { createManualClock } from '../../../support/clock.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

const day = 24 * 3_600_000;

function digestOf(bytes: Uint8Array, algorithm = 'sha256'): Digest {
  return `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}` as Digest;
}

/** A body in two pieces. */
function incoming(bytes: Buffer, path = 'blobs/x'): Incoming {
  async function* pieces() {
    const half = Math.ceil(bytes.length / 2);
    if (half > 0) yield bytes.subarray(0, half);
    if (half < bytes.length) yield bytes.subarray(half);
  }
  return { file: 'x.tar', path, size: bytes.length, bytes: pieces() };
}

function cut(bytes: Buffer, ...sizes: readonly number[]): { blob: BundleBlob; parts: readonly Buffer[] } {
  let from = 0;
  const parts = sizes.map((size) => {
    from += size;
    return bytes.subarray(from - size, from);
  });
  const places = sizes.map((size, at) => ({ volume: at + 1, size }));
  return { blob: { digest: digestOf(bytes), size: bytes.length, parts: places }, parts };
}

async function refused(work: Promise<unknown>, code: string, message: RegExp): Promise<void> {
  await assert.rejects(work, (error) => {
    assert.ok(error instanceof EntrepotError, String(error));
    assert.equal(error.code, code);
    assert.match(error.located, message);
    return true;
  });
}

/** A stage on a disk with so much room, opened as often as one likes. */
function onDisk(t: TestContext, room = Number.POSITIVE_INFINITY) {
  const hasher = createHasher();
  t.after(() => hasher.close());
  const folder = join(tempFolder(t), 'imports');
  const clock = createManualClock();
  const [stored, placed] = [new Set<Digest>(), new Set<Digest>()];
  let held = 0;
  const deps: DiskStageDeps = {
    content: {
      async reserve(bytes) {
        if (held + bytes > room) return undefined;
        held += bytes;
        const release = () => {
          held -= bytes;
        };
        return { release };
      },
      writeFailed() {},
      isPlaced: async (digest) => placed.has(digest),
    },
    isStored: async (digest) => stored.has(digest),
    hasher,
    clock,
  };
  const open = (): Promise<DiskStage> => openDiskStage(deps, folder);
  return { folder, clock, stored, placed, held: () => held, open };
}

const stages: Readonly<Record<string, (t: TestContext) => Promise<Stage>>> = {
  'on the disk': (t) => onDisk(t).open(),
  'that writes nothing': async () => createDryStage(),
};

for (const [what, open] of Object.entries(stages)) {
  describe(`a stage ${what}`, () => {
    it('takes contents of any digest that they have, and says how large they are', async (t) => {
      const stage = await open(t);
      const json = Buffer.from('{"a":1}');
      const packed = gzipSync(Buffer.from('layer'));
      assert.equal(await stage.take(incoming(json), digestOf(json, 'sha512')), digestOf(json, 'sha512'));
      assert.equal(await stage.take(incoming(json)), digestOf(json));
      assert.equal(await stage.take(incoming(packed), digestOf(packed)), digestOf(packed));
      assert.deepEqual(await stage.find(digestOf(json)), {
        size: json.length,
        isGzip: false,
        ...jsonOf(stage, json),
      });
      assert.equal((await stage.find(digestOf(packed)))?.isGzip, true);
      assert.deepEqual(Buffer.from((await stage.read(digestOf(json)))!), json);
      assert.equal(await stage.find(digestOf(Buffer.from('other'))), undefined);
      assert.equal(await stage.take(incoming(json), digestOf(json)), digestOf(json), 'again');
      const empty = Buffer.alloc(0);
      assert.equal(await stage.take(incoming(empty), digestOf(empty)), digestOf(empty));
    });

    it('refuses bytes of another digest, each time they come', async (t) => {
      const stage = await open(t);
      const bytes = Buffer.from('right');
      const wrong = () => stage.take(incoming(Buffer.from('wrong'), 'blobs/sha256/r'), digestOf(bytes));
      await refused(
        wrong(),
        'BUNDLE_INVALID',
        /^x\.tar: blobs\/sha256\/r is damaged: its bytes have the digest/,
      );
      assert.equal(await stage.find(digestOf(bytes)), undefined);
      await stage.take(incoming(bytes), digestOf(bytes));
      await refused(wrong(), 'BUNDLE_INVALID', /is damaged/);
      assert.ok(await stage.find(digestOf(bytes)), 'what came before stays');
    });

    it('does not read into memory what is larger than a manifest', async (t) => {
      const stage = await open(t);
      const large = Buffer.alloc(smallBytes + 1, '{');
      const digest = await stage.take(incoming(large), digestOf(large));
      assert.equal(await stage.read(digest), undefined);
      assert.equal((await stage.find(digest))?.size, large.length);
    });

    it('joins the parts of a blob, and says which have come', async (t) => {
      const stage = await open(t);
      const { blob, parts } = cut(Buffer.from('first second third'), 6, 7, 5);
      for (const [at, part] of parts.entries()) {
        assert.equal(await stage.find(blob.digest), undefined);
        assert.equal(await stage.hasPart(blob.digest, at), false);
        await stage.takePart(incoming(part), blob, at);
        if (at < 2) assert.equal(await stage.hasPart(blob.digest, at), true);
      }
      assert.equal((await stage.find(blob.digest))?.size, blob.size);
    });

    it('refuses a part of another size, and a blob whose parts are not its own', async (t) => {
      const stage = await open(t);
      const { blob, parts } = cut(Buffer.from('first second'), 6, 6);
      await refused(
        stage.takePart(incoming(Buffer.from('1')), blob, 0),
        'BUNDLE_INVALID',
        /has 1 bytes, and the bundle says 6/,
      );
      await refused(stage.takePart(incoming(parts[0]!), blob, 5), 'BUNDLE_INVALID', /does not know it/);
      await stage.takePart(incoming(Buffer.from('FIRST ')), blob, 0);
      await refused(stage.takePart(incoming(parts[1]!, 'p2'), blob, 1), 'BUNDLE_INVALID', /p2 is damaged/);
      assert.equal(await stage.find(blob.digest), undefined);
      for (const [at, part] of parts.entries()) await stage.takePart(incoming(part), blob, at);
      assert.equal((await stage.find(blob.digest))?.size, blob.size, 'sent again, it is taken');
    });
  });
}

/** The stage that writes nothing keeps the bytes of JSON beside. */
function jsonOf(stage: Stage, json: Buffer): object {
  return 'show' in stage ? {} : { json };
}

describe('a stage on the disk', () => {
  it('joins parts in any order and twice, also over a start, and leaves no file of them', async (t) => {
    const { folder, open } = onDisk(t);
    const { blob, parts } = cut(Buffer.from('first second third'), 6, 7, 5);
    for (const at of [2, 0, 2]) await (await open()).takePart(incoming(parts[at]!), blob, at);
    const stage = await open();
    assert.deepEqual(await Promise.all([0, 1, 2].map((at) => stage.hasPart(blob.digest, at))), [
      true,
      false,
      true,
    ]);
    await stage.takePart(incoming(parts[1]!), blob, 1);
    assert.deepEqual(readdirSync(folder), [blob.digest.replace(':', '-')]);
    await stage.takePart(incoming(parts[1]!), blob, 1);
    assert.deepEqual(
      readdirSync(folder),
      [blob.digest.replace(':', '-')],
      'one that comes late changes nothing',
    );
  });

  it('begins no blob that the disk cannot hold as a whole, however far behind the part lies', async (t) => {
    const { folder, open, held } = onDisk(t, 2 ** 40);
    const size = 2 ** 52 + 5;
    const parts = [
      { volume: 1, size: 2 ** 52 },
      { volume: 2, size: 5 },
    ];
    const blob = { digest: digestOf(Buffer.from('x')), size, parts };
    const stage = await open();
    await refused(
      stage.takePart(incoming(Buffer.from('tail.')), blob, 1),
      'DATA_UNUSABLE',
      /there is no room/,
    );
    assert.deepEqual([readdirSync(folder), held()], [[], 0]);
  });

  it('holds room until it is released, keeps nothing without room, and nothing of a body that breaks off', async (t) => {
    const { folder, open, held } = onDisk(t, 100);
    const stage = await open();
    const some = Buffer.alloc(60, 'a');
    await stage.take(incoming(some), digestOf(some));
    await refused(
      stage.take(incoming(Buffer.alloc(60, 'b'))),
      'DATA_UNUSABLE',
      /no room for blobs\/x of x\.tar \(60 bytes\)/,
    );
    await refused(stage.expect(41, 'x.tar'), 'DATA_UNUSABLE', /no room for the contents of x\.tar/);
    assert.equal(held(), 60);
    async function* broken() {
      yield Buffer.alloc(10);
      throw new Error('it broke off');
    }
    const half = { ...incoming(Buffer.alloc(20)), bytes: broken() };
    await assert.rejects(stage.take(half), /it broke off/);
    assert.deepEqual([readdirSync(folder), held()], [[digestOf(some).replace(':', '-')], 60]);
    stage.release(digestOf(some));
    assert.equal(held(), 0);
  });

  it('tidies at its start what was half written, and what waited for 14 days', async (t) => {
    const { folder, open, clock } = onDisk(t);
    const stage = await open();
    const bytes = Buffer.from('bytes');
    await stage.take(incoming(bytes), digestOf(bytes));
    const name = digestOf(bytes).replace(':', '-');
    for (const other of ['7.writing', 'x.tmp', 'store-name']) writeFileSync(join(folder, other), '');
    await open();
    assert.deepEqual(readdirSync(folder).toSorted(), [name, 'store-name']);
    const old = (clock.now() - 15 * day) / 1000;
    utimesSync(join(folder, name), old, old);
    await open();
    assert.deepEqual(readdirSync(folder), ['store-name']);
  });

  it('knows what went into the store by its digest alone while the store or a bucket has it, until it is cleared', async (t) => {
    const { folder, open, stored, placed } = onDisk(t);
    const stage = await open();
    const bytes = gzipSync(Buffer.from('bytes'));
    const digest = await stage.take(incoming(bytes));
    await stage.show(digest);
    rmSync((await stage.file(digest))!);
    assert.equal(await stage.file(digest), undefined);
    for (const where of [stored, placed]) {
      where.add(digest);
      assert.deepEqual(await stage.find(digest), { size: bytes.length, isGzip: true });
      where.delete(digest);
      assert.equal(await stage.find(digest), undefined);
    }
    writeFileSync(join(folder, 'store-name'), 'x');
    await stage.clear();
    assert.deepEqual(readdirSync(folder), ['store-name']);
  });

  it('writes nothing of a large content that the store has, and all of it once the store has it no more', async (t) => {
    const { folder, open, stored, placed } = onDisk(t);
    const stage = await open();
    const large = Buffer.alloc(smallBytes + 1, 'x');
    const digest = digestOf(large);
    const name = digest.replace(':', '-');
    stored.add(digest);
    await stage.take(incoming(large), digest);
    assert.deepEqual(readdirSync(folder), [`${name}.shown`]);
    assert.equal((await stage.find(digest))?.size, large.length);
    // It had to make room for what came after it.
    stored.delete(digest);
    assert.equal(await stage.find(digest), undefined, 'its image is not whole');
    placed.add(digest);
    await stage.take(incoming(large), digest);
    assert.deepEqual(readdirSync(folder), [name, `${name}.shown`]);
    assert.ok(await stage.file(digest));
  });

  it('writes a small content again whose file went into the store: it is read while images are put together', async (t) => {
    const { open, stored } = onDisk(t);
    const stage = await open();
    const json = Buffer.from('{"a":1}');
    const digest = await stage.take(incoming(json));
    await stage.show(digest);
    rmSync((await stage.file(digest))!);
    stored.add(digest);
    await stage.take(incoming(json), digest);
    assert.deepEqual(Buffer.from((await stage.read(digest))!), json);
  });
});
