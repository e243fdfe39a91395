/** What every `TokenStore` does (`src/cache/shared/token-store.ts`): tests that each implementation runs. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import type { TokenRow, TokenStore } from '../../src/cache/shared/token-store.ts';
import { eventually } from '../support/eventually.ts';

const live = (hash: string): TokenRow => ({ hash, robot: `{"hash":"${hash}"}`, revoked: undefined });
const ended = (hash: string, revoked: number): TokenRow => ({ hash, robot: undefined, revoked });

/** Registers the tests. `open` gives an empty store; undefined where what it needs is missing, and the test is skipped. */
export function testTokenStore(open: (t: TestContext) => Promise<TokenStore | undefined>): void {
  describe('a store of shared tokens', () => {
    it('gives what was put, by hash', async (t) => {
      const store = await open(t);
      if (!store) return;
      await store.put([live('b'), ended('a', 5)]);
      await store.put([]);
      assert.deepEqual(await store.all(), [ended('a', 5), live('b')]);
    });

    it('never brings a revoked token back, and keeps the first time of its end', async (t) => {
      const store = await open(t);
      if (!store) return;
      await store.put([live('a')]);
      await store.put([ended('a', 5)]);
      await store.put([live('a'), live('b')]);
      await store.put([ended('a', 9)]);
      assert.deepEqual(await store.all(), [ended('a', 5), live('b')]);
    });

    it('leaves a token as it was first told', async (t) => {
      const store = await open(t);
      if (!store) return;
      await store.put([live('a')]);
      await store.put([{ ...live('a'), robot: '{"may":["administer"]}' }]);
      assert.deepEqual(await store.all(), [live('a')]);
    });

    it('tells of a change until that is ended', async (t) => {
      const store = await open(t);
      if (!store) return;
      let told = 0;
      const end = store.changed(() => {
        told += 1;
      });
      await store.put([live('a')]);
      await eventually('it is told', () => told > 0);
      end();
      const before = told;
      await store.put([live('b')]);
      await store.all();
      assert.equal(told, before);
    });
  });
}
