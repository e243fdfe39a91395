/** The listing over the rows of SQLite. */
import type { IndexStore } from './index-store.ts';
import type { Listing } from './listing.ts';

/** Rejects as the interface says. */
export function createSqliteListing(rows: IndexStore): Listing {
  return {
    images: async (after, limit) => rows.images(after, limit),
    keptManifests: async (image) => rows.keptManifests(image),
  };
}
