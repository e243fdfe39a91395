/** The placements over the rows of SQLite. Each method does its statements in one turn. */
import { randomUUID } from 'node:crypto';
import type { IndexRows } from '../index-rows.ts';
import { type PlacementStore, urgencies } from './placement-store.ts';

const replicaKey = 'replica';

/** What the index is a copy of goes on beside it. */
export function forgetReplica(rows: Pick<IndexRows, 'setMeta'>): void {
  rows.setMeta(replicaKey, '');
}

/** Rejects as the interface says. */
export function createSqlitePlacements(rows: IndexRows): PlacementStore {
  return {
    storesAre: async (names) =>
      rows.transaction(() => {
        const known = new Set(rows.stores());
        if (known.size !== names.length || names.some((name) => !known.has(name))) rows.setStores(names);
      }),
    fill: async (...asked) => rows.transaction(() => rows.fillPlacements(...asked)),
    of: async (digest) => rows.placementsOf(digest),
    isPlaced: async (digest) => rows.isPlaced(digest),
    standing: async (place, since) => rows.standing(place, since),
    uses: async (...asked) => rows.contentUses(...asked),
    lookAt: async (place, at) => rows.transaction(() => rows.lookAt(place, at)),
    replica: async () =>
      rows.transaction(() => {
        const known = rows.meta(replicaKey);
        if (known) return known;
        const name = randomUUID();
        rows.setMeta(replicaKey, name);
        return name;
      }),
    placed: async (place, size, now) =>
      rows.transaction(() =>
        rows.putPlacement(place, { state: 'placed', size, since: now, due: undefined, urgency: 0 }),
      ),
    repair: async (place, state, size, now) =>
      rows.transaction(() => {
        if (!rows.stores().includes(place.store)) return;
        rows.putPlacement(place, { state, size, since: now, due: now, urgency: urgencies.repair });
      }),
    failed: async (place, reason, due) => rows.transaction(() => rows.placementFailed(place, reason, due)),
    skip: async (place, now) => rows.transaction(() => rows.skipPlacement(place, now)),
    forget: async (place) => rows.transaction(() => rows.dropPlacement(place)),
    due: async (...asked) => rows.duePlacements(...asked),
    nextDue: async (store) => rows.nextPlacement(store),
    counts: async () => rows.placementCounts(),
  };
}
