import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { createCapacity } from '../../../../src/cache/capacity/capacity.ts';
import { createPartialDownloads } from '../../../../src/cache/capacity/partial-downloads.ts';
import { createQuotas } from '../../../../src/cache/capacity/quotas.ts';
import { createManualClock } from '../../../support/clock.ts';
import { createMemoryIndex } from '../../../support/memory-index.ts';

test('between two slices of a search the loop has its turn, and the index is waited for', async () => {
  const fail = (...problem: unknown[]) => assert.fail(String(problem));
  const seen: string[] = [];
  let caughtUp = Promise.withResolvers<void>();
  let asked = Promise.withResolvers<void>();
  let bytes = 30;
  const { catalogue, inventory } = createMemoryIndex();
  const capacity = createCapacity({
    clock: createManualClock(),
    inventory: { ...inventory, totals: () => ({ bytes, contents: bytes, manifests: 0 }) },
    eviction: {
      async slice() {
        seen.push('slice');
        setImmediate(() => seen.push('turn'));
        bytes -= 10;
        return bytes > 0 ? 'paused' : 'enough';
      },
    },
    quotas: createQuotas({ catalogue, inventory }, []),
    partialDownloads: createPartialDownloads(fail),
    limits: () => ({ maxSize: 0, minFree: 0 }),
    free: () => 1000,
    leaving: () => 0,
    pace() {
      seen.push('pace');
      asked.resolve();
      return caughtUp.promise;
    },
    onError: fail,
    onFull: fail,
  });
  capacity.check();
  await asked.promise;
  for (let n = 0; n < 10; n += 1) await turn();
  assert.deepEqual(seen, ['slice', 'turn', 'pace']);

  const first = caughtUp;
  [caughtUp, asked] = [Promise.withResolvers(), Promise.withResolvers()];
  first.resolve();
  await asked.promise;
  assert.deepEqual(seen, ['slice', 'turn', 'pace', 'slice', 'turn', 'pace']);
  caughtUp.resolve();
  await capacity.stop();
});
