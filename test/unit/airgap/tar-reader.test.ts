import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { readTar, type TarBounds } from '../../../src/airgap/tar-reader.ts';
import { EntrepotError } from '../../../src/errors.ts';
import { paxHeader, rawEntry, rawTar } from '../../support/tar.ts';
import { tempFolder } from '../../support/temp-folder.ts';

const wide: TarBounds = { entries: 1000, paths: 100_000 };

/** In pieces of these sizes, again and again. */
async function* inPieces(bytes: Uint8Array, sizes: readonly number[]): AsyncGenerator<Uint8Array> {
  for (let at = 0, turn = 0; at < bytes.length; turn += 1) {
    const size = sizes[turn % sizes.length] ?? 1;
    yield bytes.subarray(at, at + size);
    at += size;
  }
}

/** What is read of a tar; bodies of entries that `skips` says stay unread. */
async function entriesOf(
  bytes: Uint8Array,
  { bounds = wide, sizes = [65_536], skips = () => false }: Partial<Reading> = {},
) {
  const found: { path: string; body?: string; isFolder?: true; target?: string }[] = [];
  for await (const { path, isFolder, target, body } of readTar(inPieces(bytes, sizes), 'x.tar', bounds)) {
    const parts: Uint8Array[] = [];
    if (!skips(path)) for await (const part of body()) parts.push(Uint8Array.from(part));
    found.push({
      path,
      ...(isFolder ? { isFolder } : target === undefined && { body: Buffer.concat(parts).toString() }),
      ...(target !== undefined && { target }),
    });
  }
  return found;
}

interface Reading {
  readonly bounds: TarBounds;
  readonly sizes: readonly number[];
  readonly skips: (path: string) => boolean;
}

function refused(bytes: Uint8Array, message: RegExp, bounds = wide): Promise<void> {
  return assert.rejects(entriesOf(bytes, { bounds }), (error) => {
    assert.ok(error instanceof EntrepotError && error.code === 'BUNDLE_INVALID', String(error));
    assert.match(error.located, message);
    return true;
  });
}

describe('a tar', () => {
  const bodies = fc.array(fc.string({ unit: 'grapheme-ascii', maxLength: 1500 }), { maxLength: 6 });

  it('is read as it was written, in whatever pieces it comes, with bodies that are skipped', async () => {
    await fc.assert(
      fc.asyncProperty(
        bodies,
        fc.array(fc.integer({ min: 1, max: 1300 }), { minLength: 1, maxLength: 4 }),
        fc.boolean(),
        async (texts, sizes, skipsOdd) => {
          const skips = (path: string) => skipsOdd && Number(path.slice(1)) % 2 === 1;
          const bytes = rawTar(texts.map((body, at) => ({ path: `f${at}`, body })));
          const expected = texts.map((body, at) => ({ path: `f${at}`, body: skips(`f${at}`) ? '' : body }));
          assert.deepEqual(await entriesOf(bytes, { sizes, skips }), expected);
        },
      ),
      { numRuns: 60 },
    );
  });

  for (const format of ['ustar', 'pax', 'gnu', 'oldgnu', 'v7']) {
    it(`of GNU tar in the format ${format} has its files, folders and links`, async (t) => {
      const folder = tempFolder(t);
      const deep = format === 'v7' ? 'deep' : `deep/${'d'.repeat(90)}`;
      mkdirSync(join(folder, deep), { recursive: true });
      const long = format === 'v7' ? 'short' : `${'n'.repeat(95)}-é`;
      writeFileSync(join(folder, deep, long), 'long');
      symlinkSync('a-target', join(folder, 'link'));
      const files = ['--sort=name', `--format=${format}`, '-C', folder, '.'];
      const file = join(tempFolder(t), 'x.tar');
      execFileSync('tar', ['-cf', file, ...files]);
      const found = await entriesOf(readFileSync(file));
      assert.deepEqual(
        found.filter(({ isFolder }) => !isFolder),
        [
          { path: `${deep}/${long}`, body: 'long' },
          { path: 'link', target: 'a-target' },
        ],
      );
      assert.ok(found.some(({ path, isFolder }) => path === deep && isFolder));
    });
  }

  it('has a size beyond the octal field from a pax header or a base-256 number', async () => {
    const large = 2 ** 33;
    const byPax = Buffer.concat([paxHeader({ size: String(large) }), rawEntry({ path: 'x' })]);
    const byNumber = rawEntry({ path: 'x' });
    byNumber.writeBigUInt64BE(BigInt(large), 128);
    byNumber.fill(0, 124, 128);
    byNumber[124] = 0x80;
    byNumber.write('        ', 148);
    const sum = byNumber.subarray(0, 512).reduce((total, byte) => total + byte, 0);
    byNumber.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
    for (const bytes of [byPax, byNumber]) {
      const sizes: number[] = [];
      for await (const { size } of readTar(inPieces(bytes, [512]), 'x.tar', wide)) {
        sizes.push(size);
        break;
      }
      assert.deepEqual(sizes, [large]);
      await refused(bytes, /x\.tar: the archive ends within x: it is cut off/);
    }
  });

  it('is refused with what it is cut off in', async () => {
    const bytes = rawTar([{ path: 'a', body: 'x'.repeat(700) }]);
    await refused(bytes.subarray(0, 300), /is no tar: it is shorter than a header/);
    await refused(bytes.subarray(0, 900), /ends within a/);
    await refused(bytes.subarray(0, 1400), /ends behind a/);
    await refused(bytes.subarray(0, 1536), /ends without an end mark/);
    await refused(Buffer.concat([bytes, Buffer.alloc(2 ** 20 + 1)]), /goes on behind its end mark/);
  });

  it('is refused beyond its bounds: entries, and characters of all paths', async () => {
    const bytes = rawTar([{ path: 'aaaa' }, { path: 'bbbb' }, { path: 'cccc' }]);
    assert.equal((await entriesOf(bytes, { bounds: { entries: 3, paths: 12 } })).length, 3);
    await refused(bytes, /has more than 2 entries/, { entries: 2, paths: 12 });
    await refused(bytes, /has paths of more than 11 characters in all/, { entries: 3, paths: 11 });
  });

  it('ends its source when its reader leaves', async () => {
    let isClosed = false;
    async function* source() {
      try {
        for (;;) yield rawEntry({ path: 'a', body: 'x'.repeat(5000) });
      } finally {
        isClosed = true;
      }
    }
    for await (const entry of readTar(source(), 'x.tar', wide)) if (entry.path === 'a') break;
    assert.ok(isClosed);
  });
});
