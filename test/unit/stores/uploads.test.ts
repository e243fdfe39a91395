import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createPermits } from '../../../src/lib/flow/permits.ts';
import { partsOf, usualPart } from '../../../src/stores/upload-parts.ts';

const MiB = 1024 * 1024;

describe('the parts of an object', () => {
  it('cover it without a gap', () => {
    for (const size of [1, usualPart, usualPart + 1, 5 * usualPart, 100 * 1024 * MiB + 17]) {
      const parts = partsOf(size);
      assert.equal(parts[0]?.start, 0);
      assert.equal(parts.at(-1)?.end, size);
      assert.ok(
        parts.every(({ start, end }, at) => end > start && (at === 0 || parts[at - 1]?.end === start)),
      );
    }
  });

  it('are 8 MiB each, and larger where there would be more than 9,000', () => {
    assert.deepEqual(
      partsOf(3 * usualPart + 1).map(({ start, end }) => end - start),
      [usualPart, usualPart, usualPart, 1],
    );
    assert.equal(partsOf(9000 * usualPart).length, 9000);
    const many = partsOf(9000 * usualPart + 1);
    assert.ok(many.length <= 9000);
    assert.equal(many[0]!.end % MiB, 0);
    assert.ok(partsOf(5 * 1024 * 1024 * MiB).length <= 9000);
  });
});

describe('permits', () => {
  it('let so many run at once, the others in their order', async () => {
    const permits = createPermits(2);
    const running: (() => void)[] = [];
    const begun: number[] = [];
    const works = [0, 1, 2, 3].map((n) =>
      permits.use(() => {
        begun.push(n);
        return new Promise<void>((resolve) => running.push(resolve));
      }),
    );
    const settle = () => new Promise((resolve) => setImmediate(resolve));
    await settle();
    assert.deepEqual(begun, [0, 1]);
    running[1]?.();
    await settle();
    assert.deepEqual(begun, [0, 1, 2]);
    for (const end of running) end();
    await settle();
    running.at(-1)?.();
    await Promise.all(works);
    assert.deepEqual(begun, [0, 1, 2, 3]);
  });

  it('are given back by work that fails, and by one that gives up its wait', async () => {
    const permits = createPermits(1);
    const caller = new AbortController();
    const first = Promise.withResolvers<void>();
    const held = permits.use(() => first.promise);
    const waiting = permits.use(async () => assert.fail('it has left'), caller.signal);
    caller.abort(new Error('left'));
    await assert.rejects(waiting, /left/);
    first.reject(new Error('broken'));
    await assert.rejects(held, /broken/);
    assert.equal(await permits.use(async () => 'free'), 'free');
  });
});
