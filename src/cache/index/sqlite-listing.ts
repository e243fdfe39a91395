/** The listing over the rows of SQLite. */
import type { IndexRows } from './index-rows.ts';
import type { Listing } from './listing.ts';

/** Rejects as the interface says. */
export function createSqliteListing(rows: IndexRows): Listing {
  return {
    images: async (after, limit) => rows.images(after, limit),
    keptManifests: async (image) => rows.keptManifests(image),
  };
}
