import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { appendFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
import { createHasher, type Hasher, sharedCopy } from '../../../../src/lib/bytes/hasher.ts';
import { generateBlob } from '../../../support/byte-source.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

const MiB = 1024 * 1024;

describe('the hasher', () => {
  let hasher: Hasher;
  before(() => {
    hasher = createHasher();
  });
  after(() => hasher.close());

  function fileOf(t: TestContext, bytes: Uint8Array): string {
    const path = join(tempFolder(t), 'file');
    writeFileSync(path, bytes);
    return path;
  }
  const hexOf = (bytes: Uint8Array, algorithm = 'sha256'): string =>
    createHash(algorithm).update(bytes).digest('hex');

  it('gives the digest of the first bytes, by each algorithm', async (t) => {
    const bytes = generateBlob(9 * MiB + 17, 'hash').bytes();
    const path = fileOf(t, bytes);
    for (const algorithm of ['sha256', 'sha384', 'sha512'] as const) {
      assert.equal(await hasher.begin(path, algorithm).finish(bytes.length), hexOf(bytes, algorithm));
      const part = bytes.subarray(0, 5 * MiB + 1);
      assert.equal(await hasher.begin(path, algorithm).finish(part.length), hexOf(part, algorithm));
    }
    assert.equal(await hasher.begin(path, 'sha256').finish(0), hexOf(Buffer.alloc(0)));
  });

  it('follows a file that grows, in any steps', async (t) => {
    const bytes = generateBlob(2 * MiB, 'growing').bytes();
    const path = fileOf(t, bytes.subarray(0, 0));
    const hash = hasher.begin(path, 'sha256');
    let at = 0;
    for (const step of [0, 1, 100_000, 7, MiB]) {
      appendFileSync(path, bytes.subarray(at, at + step));
      at += step;
      hash.advance(at);
      // What is known already says nothing new.
      hash.advance(Math.max(0, at - 5));
    }
    appendFileSync(path, bytes.subarray(at));
    assert.equal(await hash.finish(bytes.length), hexOf(bytes));
  });

  it('hashes bytes that are in no file, and tells how far it is', async () => {
    const bytes = generateBlob(3 * MiB + 5, 'stream').bytes();
    let least = Number.POSITIVE_INFINITY;
    const over = Promise.withResolvers<void>();
    const hash = hasher.stream('sha512', () => {
      assert.ok(hash.pending < least);
      least = hash.pending;
      if (least === 0) over.resolve();
    });
    for (let at = 0; at < bytes.length; at += MiB) hash.update(sharedCopy(bytes.subarray(at, at + MiB)));
    assert.equal(hash.pending, bytes.length);
    await over.promise;
    assert.equal(await hash.finish(), hexOf(bytes, 'sha512'));
    assert.equal(await hasher.stream('sha256', () => {}).finish(), hexOf(Buffer.alloc(0)));
  });

  it('forgets an abandoned stream, and says of a lost one that it is lost', async () => {
    const own = createHasher();
    const told: number[] = [];
    const kept = own.stream('sha256', () => told.push(kept.pending));
    const left = own.stream('sha256', () => assert.fail('nothing is told of what was abandoned'));
    for (const hash of [kept, left]) hash.update(Buffer.alloc(10));
    left.abandon();
    await own.close();
    assert.deepEqual([kept.pending, left.pending], [0, 0]);
    await assert.rejects(kept.finish(), /lost/);
    await own.close();
  });

  it('works on several files at once, and on a small one while a large one is under way', async (t) => {
    const large = generateBlob(48 * MiB, 'large').bytes();
    const small = Buffer.from('small');
    const over: string[] = [];
    const [first, second] = [
      hasher.begin(fileOf(t, large), 'sha256'),
      hasher.begin(fileOf(t, small), 'sha256'),
    ];
    const both = [
      first.finish(large.length).then((hex) => {
        over.push('large');
        return hex;
      }),
      second.finish(small.length).then((hex) => {
        over.push('small');
        return hex;
      }),
    ];
    assert.deepEqual(await Promise.all(both), [hexOf(large), hexOf(small)]);
    assert.deepEqual(over, ['small', 'large']);
  });

  it('says so where the file cannot be read, or is shorter than it should be', async (t) => {
    await assert.rejects(hasher.begin(join(tempFolder(t), 'none'), 'sha256').finish(1), /ENOENT/);
    const short = fileOf(t, Buffer.alloc(10));
    await assert.rejects(hasher.begin(short, 'sha256').finish(11), /shorter/);
    const advanced = hasher.begin(short, 'sha256');
    advanced.advance(11);
    await assert.rejects(advanced.finish(11), /shorter|lost/);
    // Others are not touched by it.
    assert.equal(await hasher.begin(short, 'sha256').finish(10), hexOf(Buffer.alloc(10)));
  });

  it('tells when it has come to a point, so that whoever reads a file for it can keep to a rate', async (t) => {
    const bytes = generateBlob(5 * MiB, 'points').bytes();
    const path = fileOf(t, bytes.subarray(0, 3 * MiB));
    const hash = hasher.begin(path, 'sha256');
    await hash.reach(MiB);
    await hash.reach(MiB);
    await hash.reach(3 * MiB);
    // It has read no further than it was told to: these bytes come only now.
    appendFileSync(path, bytes.subarray(3 * MiB));
    await hash.reach(5 * MiB);
    assert.equal(await hash.finish(bytes.length), hexOf(bytes));
  });

  it('rejects at the point that cannot be reached, with the code where the system gave one', async (t) => {
    const short = hasher.begin(fileOf(t, Buffer.alloc(10)), 'sha256');
    await short.reach(10);
    await assert.rejects(short.reach(11), /shorter/);
    await assert.rejects(short.reach(11), /lost/);
    short.abandon();
    const none = hasher.begin(join(tempFolder(t), 'none'), 'sha256');
    await assert.rejects(none.reach(1), { code: 'ENOENT' });
    none.abandon();
  });

  it('forgets what is abandoned', async (t) => {
    const path = fileOf(t, Buffer.alloc(10));
    const hash = hasher.begin(path, 'sha256');
    hash.advance(10);
    hash.abandon();
    hash.abandon();
    hash.advance(10);
    assert.equal(await hasher.begin(path, 'sha256').finish(10), hexOf(Buffer.alloc(10)));
  });

  it('keeps no process up in which nobody waits for it', (t) => {
    const program = join(tempFolder(t), 'program.mjs');
    const hasherUrl = new URL('../../../../src/lib/bytes/hasher.ts', import.meta.url);
    writeFileSync(program, `import { createHasher } from '${hasherUrl}';\ncreateHasher().start();\n`);
    assert.equal(spawnSync(process.execPath, [program], { timeout: 300_000 }).status, 0);
  });

  it('leaves nobody waiting when it is closed', async (t) => {
    const own = createHasher();
    const path = fileOf(t, generateBlob(64 * MiB, 'closed').bytes());
    const ended = own.begin(path, 'sha256').finish(64 * MiB);
    const rejected = assert.rejects(ended);
    await own.close();
    await rejected;
  });
});
