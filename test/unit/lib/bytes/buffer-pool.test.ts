import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createBufferPool, smallestBuffer } from '../../../../src/lib/bytes/buffer-pool.ts';

const KiB = 1024;
const MiB = 1024 * KiB;
const budget = 64 * MiB;

test('a buffer is as large as is wanted, rounded up to a power of two', () => {
  const pool = createBufferPool({ budget, keep: 0 });
  const sizes = [1, 32 * KiB, 32 * KiB + 1, 300_000, MiB].map((wanted) => pool.take(wanted).length);
  assert.deepEqual(sizes, [32 * KiB, 32 * KiB, 64 * KiB, 512 * KiB, MiB]);
});

test('the more are out the smaller they get, and they grow again when some come back', () => {
  const pool = createBufferPool({ budget, keep: 0 });
  const out: Buffer[] = [];
  const most: Record<number, number> = {};
  for (let readers = 0; readers < 1000; readers += 1) {
    const size = pool.sizeFor(MiB);
    const buffer = pool.take(MiB);
    assert.equal(buffer.length, size);
    out.push(buffer);
    most[size] = (most[size] ?? 0) + 1;
  }
  assert.deepEqual(most, { [MiB]: 16, [256 * KiB]: 64, [64 * KiB]: 512, [smallestBuffer]: 408 });
  for (const buffer of out) pool.give(buffer);
  assert.equal(pool.take(MiB).length, MiB);
});

test('what comes back is used again, and no more of it is kept than wanted: the large ones first', () => {
  const pool = createBufferPool({ budget, keep: 2 * MiB });
  const large = [pool.take(MiB), pool.take(MiB)];
  const small = [pool.take(1), pool.take(1)];
  for (const buffer of [...large, ...small]) pool.give(buffer);
  assert.ok(large.includes(pool.take(MiB)));
  assert.ok(large.includes(pool.take(MiB)));
  assert.ok(!small.includes(pool.take(1)));
});

test('a buffer is never out twice, whatever the order of taking and giving', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 2 * MiB }), { maxLength: 60 }), (steps) => {
      const pool = createBufferPool({ budget: 4 * MiB, keep: MiB });
      const out = new Set<Buffer>();
      for (const step of steps) {
        const [given] = out;
        if (given && step % 3 === 0) {
          out.delete(given);
          pool.give(given);
        } else {
          const taken = pool.take(step);
          assert.ok(!out.has(taken));
          assert.ok(taken.length >= smallestBuffer);
          out.add(taken);
        }
      }
    }),
  );
});
