/** The index as the rest of the cache sees it: four seams over the rows of SQLite. */
import type { Catalogue } from './catalogue.ts';
import type { EvictionOrder } from './eviction-order.ts';
import type { IndexStore } from './index-store.ts';
import type { Inventory } from './inventory.ts';
import type { Listing } from './listing.ts';
import { createSqliteCatalogue } from './sqlite-catalogue.ts';
import { createSqliteEvictionOrder } from './sqlite-eviction-order.ts';
import { createSqliteInventory } from './sqlite-inventory.ts';
import { createSqliteListing } from './sqlite-listing.ts';

export interface CacheIndex {
  readonly catalogue: Catalogue;
  readonly inventory: Inventory;
  readonly order: EvictionOrder;
  readonly listing: Listing;
}

/** Their methods reject with what the rows throw. */
export function createCacheIndex(rows: IndexStore): CacheIndex {
  return {
    catalogue: createSqliteCatalogue(rows),
    inventory: createSqliteInventory(rows),
    order: createSqliteEvictionOrder(rows),
    listing: createSqliteListing(rows),
  };
}
