/** Placements over a plain map: it looks at everything each time. */
import {
  type Place,
  type Placement,
  type PlacementStore,
  urgencies,
} from '../../src/cache/index/placements/placement-store.ts';
import type { Digest } from '../../src/oci/digest.ts';

interface Row extends Placement {
  readonly due: number | undefined;
  readonly urgency: number;
}

export interface MemoryPlacements extends PlacementStore {
  /** A content is stored here. */
  stored(digest: Digest, size: number, now: number): void;
  /** An image links it. */
  linked(digest: Digest): void;
}

export function createMemoryPlacements(): MemoryPlacements {
  const contents = new Map<Digest, number>();
  const uses = new Map<Digest, number>();
  const rows = new Map<string, Row>();
  let stores: readonly string[] = [];
  const keyOf = ({ digest, store }: Place) => `${store} ${digest}`;
  const listed = () => [...rows.values()].filter(({ store }) => stores.includes(store));

  function put(row: Row): void {
    rows.set(keyOf(row), row);
  }

  function change(place: Place, changes: (row: Row) => Partial<Row>): void {
    const row = rows.get(keyOf(place));
    if (row) put({ ...row, ...changes(row) });
  }

  function want(digest: Digest, store: string, size: number, now: number, urgency: number): void {
    if (rows.has(keyOf({ digest, store }))) return;
    put({
      ...{ digest, store, state: 'wanted', size, since: now },
      ...{ due: now, urgency, tries: 0, reason: undefined },
    });
  }

  const dueIn = (name: string) => listed().filter(({ store, due }) => store === name && due !== undefined);

  return {
    stored(digest, size, now) {
      contents.set(digest, size);
      uses.set(digest, now);
      for (const store of stores) want(digest, store, size, now, urgencies.arrived);
    },
    linked(digest) {
      for (const store of stores)
        change({ digest, store }, ({ state }) => (state === 'skipped' ? { state: 'wanted', due: 0 } : {}));
    },
    async storesAre(names) {
      stores = names;
    },
    async fill(store, after, limit, now) {
      const found = [...contents].filter(([digest]) => after === undefined || digest > after).sort();
      for (const [digest, size] of found.slice(0, limit)) want(digest, store, size, now, urgencies.backfill);
      return found.slice(0, limit).at(-1)?.[0];
    },
    of: async (digest) =>
      listed()
        .filter((row) => row.digest === digest)
        .map(asPlacement),
    isPlaced: async (digest) => listed().some((row) => row.digest === digest && row.state === 'placed'),
    async standing(place, since) {
      const placedAt = rows.get(keyOf(place))?.since ?? Number.NEGATIVE_INFINITY;
      const isStored = contents.has(place.digest);
      const used = uses.get(place.digest) ?? 0;
      return { isNeeded: isStored || placedAt > since, isKept: false, isStored, used };
    },
    async uses(after, limit) {
      const found = [...uses].filter(([digest]) => after === undefined || digest > after).sort();
      return found.slice(0, limit).map(([digest, used]) => ({ digest, used }));
    },
    lookAt: async (place, at) =>
      change(place, ({ state, due, urgency }) =>
        state === 'placed' ? { due: at, urgency: urgencies.repair } : { due, urgency },
      ),
    replica: async () => 'memory',
    async placed(place, size, now) {
      put({
        ...{ ...place, state: 'placed', size, since: now, due: undefined },
        ...{ urgency: 0, tries: 0, reason: undefined },
      });
    },
    async repair(place, state, size, now) {
      if (!stores.includes(place.store)) return;
      put({
        ...{ ...place, state, size, since: now, due: now },
        ...{ urgency: urgencies.repair, tries: 0, reason: undefined },
      });
    },
    failed: async (place, reason, due) => change(place, ({ tries }) => ({ tries: tries + 1, reason, due })),
    skip: async (place, now) => change(place, () => ({ state: 'skipped', since: now, due: undefined })),
    async forget(place) {
      rows.delete(keyOf(place));
    },
    async due(store, now, limit) {
      const due = dueIn(store).filter((row) => (row.due ?? 0) <= now);
      due.sort((a, b) => a.urgency - b.urgency || (a.due ?? 0) - (b.due ?? 0));
      return due.slice(0, limit).map(asPlacement);
    },
    async nextDue(store) {
      const times = dueIn(store).map(({ due }) => due ?? 0);
      return times.length === 0 ? undefined : Math.min(...times);
    },
    async counts() {
      const groups = Map.groupBy(listed(), ({ store, state }) => `${store} ${state}`);
      return [...groups.values()].flatMap(([first, ...others]) => {
        if (!first) return [];
        const { store, state } = first;
        const bytes = [first, ...others].reduce((sum, { size }) => sum + size, 0);
        return [{ store, state, contents: others.length + 1, bytes }];
      });
    },
  };
}

function asPlacement({ due: _, urgency: __, ...placement }: Row): Placement {
  return placement;
}
