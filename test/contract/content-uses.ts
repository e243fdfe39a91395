/** What every `ContentUses` does (`src/cache/shared/content-uses.ts`): tests that each implementation runs. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import type { ContentUses } from '../../src/cache/shared/content-uses.ts';
import { named } from './index-fixture.ts';

/** Registers the tests. `open` gives an empty one; undefined where what it needs is missing, and the test is skipped. */
export function testContentUses(open: (t: TestContext) => Promise<ContentUses | undefined>): void {
  const [a, b, c] = ['a', 'b', 'c'].map(named) as [
    ReturnType<typeof named>,
    ReturnType<typeof named>,
    ReturnType<typeof named>,
  ];

  describe('uses of contents', () => {
    it('are the latest that were told', async (t) => {
      const uses = await open(t);
      if (!uses) return;
      await uses.tell([]);
      await uses.tell([
        { digest: b, used: 1_700_000_000_005 },
        { digest: a, used: 7 },
      ]);
      await uses.tell([
        { digest: a, used: 6 },
        { digest: b, used: 1_700_000_000_006 },
      ]);
      assert.deepEqual(
        await uses.of([a, b, c]),
        new Map([
          [a, 7],
          [b, 1_700_000_000_006],
        ]),
      );
      assert.deepEqual(await uses.of([]), new Map());
    });

    it('are forgotten when they are old', async (t) => {
      const uses = await open(t);
      if (!uses) return;
      await uses.tell([
        { digest: a, used: 4 },
        { digest: b, used: 6.5 },
      ]);
      await uses.forget({ uses: 5.5, silent: 3_600_000 });
      assert.deepEqual(await uses.of([a, b]), new Map([[b, 6]]));
    });

    it('come from replicas that are here until they go', async (t) => {
      const uses = await open(t);
      if (!uses) return;
      for (const replica of ['two', 'one', 'one']) await uses.here(replica);
      const names = async () => (await uses.replicas()).map(({ replica }) => replica);
      assert.deepEqual(await names(), ['one', 'two']);
      for (const { age } of await uses.replicas()) assert.ok(age >= 0 && age < 3_600_000);
      await uses.forget({ uses: 0, silent: 3_600_000 });
      assert.deepEqual(await names(), ['one', 'two']);
      await uses.gone('one');
      assert.deepEqual(await names(), ['two']);
      await uses.forget({ uses: 0, silent: -3_600_000 });
      assert.deepEqual(await names(), []);
    });
  });
}
