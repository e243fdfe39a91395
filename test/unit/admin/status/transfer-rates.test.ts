import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTransferRates } from '../../../../src/admin/status/transfer-rates.ts';
import { parseDigest } from '../../../../src/oci/digest.ts';
import type { TransferNow } from '../../../../src/transfer/transfer-now.ts';
import { createManualClock } from '../../../support/clock.ts';

const digest = parseDigest(`sha256:${'a'.repeat(64)}`) ?? assert.fail();

test('a rate is that since the last look, or since the begin', async () => {
  const clock = createManualClock();
  const rates = createTransferRates(clock);
  const at = (present: number, began = clock.now()): TransferNow => ({
    ...{ digest, images: ['ex.test/a'], state: 'filling', size: 10_000 },
    ...{ present, readers: 1, hosts: [], began },
  });
  const began = clock.now();
  assert.deepEqual(rates([at(0, began)]), [undefined]);
  await clock.advance(2000);
  assert.deepEqual(rates([at(2000, began)]), [1000]);
  await clock.advance(1000);
  assert.deepEqual(rates([at(5000, began)]), [3000], 'since the last look');
  await clock.advance(100);
  assert.deepEqual(rates([at(9000, began)]), [3000], 'another viewer looks at the same time');
  await clock.advance(16_900);
  assert.deepEqual(rates([at(10_000, began)]), [500], 'the last look was long ago');
  await clock.advance(1000);
  assert.deepEqual(rates([at(2100, began)]), [100], 'wrong bytes were thrown away');
  assert.deepEqual(rates([at(0)]), [undefined], 'another transfer of the blob');
});
