import type { TestContext } from 'node:test';
import { createCachingIndex } from '../../../../src/cache/index/caching-index.ts';
import type { IndexRows } from '../../../../src/cache/index/index-rows.ts';
import { openIndex } from '../../../../src/cache/index/open-index.ts';
import { createSqliteSelections } from '../../../../src/cache/index/selections/sqlite-selections.ts';
import { createSqliteCatalogue } from '../../../../src/cache/index/sqlite-catalogue.ts';
import { createSqliteEvictionOrder } from '../../../../src/cache/index/sqlite-eviction-order.ts';
import { createSqliteInventory } from '../../../../src/cache/index/sqlite-inventory.ts';
import { createSqliteListing } from '../../../../src/cache/index/sqlite-listing.ts';
import { testCatalogue } from '../../../contract/catalogue.ts';
import { testEvictionOrder } from '../../../contract/eviction-order.ts';
import type { Seams } from '../../../contract/index-fixture.ts';
import { testInventory } from '../../../contract/inventory.ts';
import { testListing } from '../../../contract/listing.ts';
import { testSelections } from '../../../contract/selections.ts';

function seams(t: TestContext, around: (rows: IndexRows) => IndexRows): Seams {
  const { index } = openIndex(':memory:', 0);
  t.after(() => index.close());
  const rows = around(index);
  return {
    catalogue: createSqliteCatalogue(rows),
    inventory: createSqliteInventory(rows),
    order: createSqliteEvictionOrder(rows),
    listing: createSqliteListing(rows),
    selections: createSqliteSelections(rows),
  };
}

for (const around of [(rows: IndexRows) => rows, createCachingIndex]) {
  const open = async (t: TestContext) => seams(t, around);
  testCatalogue(open);
  testInventory(open);
  testEvictionOrder(open);
  testListing(open);
  testSelections(open);
}
