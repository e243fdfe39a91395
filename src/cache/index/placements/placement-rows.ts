/** The placements of the index. Each statement goes along an index. */
import type { Database } from 'better-sqlite3';
import type { Digest } from '../../../oci/digest.ts';
import type { ContentUse } from '../../shared/content-uses.ts';
import { stampOf } from '../../shared/hybrid-clock.ts';
import { digestKey, keyDigest } from '../digest-key.ts';
import { placedAnew } from './placement-schema.ts';
import {
  type Place,
  type Placement,
  type PlacementCount,
  type Standing,
  urgencies,
} from './placement-store.ts';

export interface PlacementRows {
  stores(): string[];
  setStores(names: readonly string[]): void;
  fillPlacements(store: string, after: Digest | undefined, limit: number, now: number): Digest | undefined;
  placementsOf(digest: Digest): Placement[];
  isPlaced(digest: Digest): boolean;
  standing(place: Place, since: number): Standing;
  contentUses(after: Digest | undefined, limit: number): ContentUse[];
  lookAt(place: Place, at: number): void;
  putPlacement(
    place: Place,
    row: Pick<Placement, 'state' | 'size' | 'since'> & {
      readonly due: number | undefined;
      readonly urgency: number;
    },
  ): void;
  placementFailed(place: Place, reason: string, due: number): void;
  skipPlacement(place: Place, now: number): void;
  dropPlacement(place: Place): void;
  duePlacements(store: string, now: number, limit: number): Placement[];
  nextPlacement(store: string): number | undefined;
  placementCounts(): PlacementCount[];
}

interface Row extends Omit<Placement, 'digest' | 'reason'> {
  readonly digest: Buffer;
  readonly reason: string | null;
}

/** Rows above a content that are looked at for its last use: an empty layer is listed by very many. */
const mostAbove = 1000;
/** A manifest is read for what it lists, and hits note the use of the manifest alone. */
const lastUse = `(WITH RECURSIVE up (id) AS (
    SELECT contents.id UNION SELECT r.parent FROM up CROSS JOIN children r ON r.child = up.id LIMIT ${mostAbove})
  SELECT max(c.used) FROM up CROSS JOIN contents c ON c.id = up.id)`;

/** Prepares its statements at once; every method throws what SQLite throws. */
export function createPlacementRows(db: Database): PlacementRows {
  const columns = 'p.digest, p.store, p.state, p.size, p.since, p.tries, p.reason';
  const stores = db.prepare<[], string>('SELECT name FROM stores').pluck();
  const dropStores = db.prepare<[]>('DELETE FROM stores');
  const addStore = db.prepare<[string]>('INSERT INTO stores (name) VALUES (?)');
  const here = db.prepare<[Buffer, number], { digest: Buffer; size: number }>(`
    SELECT digest, coalesce(size, (SELECT max(size) FROM placements p WHERE p.digest = contents.digest), 0) AS size
    FROM contents WHERE digest > ? AND (size IS NOT NULL OR placed > 0) ORDER BY digest LIMIT ?`);
  const want = db.prepare<[Buffer, string, number, number, number]>(`
    INSERT OR IGNORE INTO placements (digest, store, state, size, since, due, urgency)
    VALUES (?, ?, 'wanted', ?, ?, ?, ${urgencies.backfill})`);
  const of = db.prepare<[Buffer], Row>(
    `SELECT ${columns} FROM placements p JOIN stores s ON s.name = p.store WHERE p.digest = ?`,
  );
  const isPlaced = db.prepare<[Buffer], number>('SELECT placed > 0 FROM contents WHERE digest = ?').pluck();
  const content = db.prepare<[Buffer], { isKept: number; isStored: number; used: number }>(
    `SELECT pinned > 0 AS isKept, size IS NOT NULL AS isStored, iif(size IS NOT NULL OR placed > 0, ${lastUse}, 0) AS used
    FROM contents WHERE digest = ?`,
  );
  const isRecent = db
    .prepare<[{ digest: Buffer; store: string; since: number; stamp: number }], number>(`
    SELECT EXISTS (SELECT 1 FROM placements WHERE digest = $digest AND store = $store AND since > $since)
      OR EXISTS (SELECT 1 FROM facts WHERE key = $digest AND gone = 1 AND stamp > $stamp)`)
    .pluck();
  const uses = db.prepare<[Buffer, number], { digest: Buffer; used: number }>(`
    SELECT digest, ${lastUse} AS used FROM contents WHERE digest > ? AND (size IS NOT NULL OR placed > 0) ORDER BY digest LIMIT ?`);
  const lookAt = db.prepare<[number, Buffer, string]>(
    `UPDATE placements SET due = ?, urgency = ${urgencies.repair} WHERE digest = ? AND store = ? AND state = 'placed'`,
  );
  const put = db.prepare<[Buffer, string, string, number, number, number | null, number]>(`
    INSERT INTO placements (digest, store, state, size, since, due, urgency) VALUES (?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET state = excluded.state, size = excluded.size, since = excluded.since, due = excluded.due,
      urgency = excluded.urgency, tries = 0, reason = NULL`);
  const failed = db.prepare<[number, string, Buffer, string]>(
    'UPDATE placements SET tries = tries + 1, due = ?, reason = ? WHERE digest = ? AND store = ?',
  );
  const skip = db.prepare<[number, Buffer, string]>(
    "UPDATE placements SET state = 'skipped', since = ?, due = NULL WHERE digest = ? AND store = ?",
  );
  const drop = db.prepare<[Buffer, string]>('DELETE FROM placements WHERE digest = ? AND store = ?');
  const due = db.prepare<[string, number, number, number], Row>(`
    SELECT ${columns} FROM placements p
    WHERE p.store = ? AND p.urgency = ? AND p.due IS NOT NULL AND p.due <= ? ORDER BY p.due LIMIT ?`);
  const next = db
    .prepare<[string, number], number | null>(
      'SELECT min(due) FROM placements WHERE store = ? AND urgency = ? AND due IS NOT NULL',
    )
    .pluck();
  const counts = db.prepare<[], PlacementCount>(
    'SELECT store, state, contents, bytes FROM placement_counts JOIN stores ON name = store WHERE contents > 0',
  );
  const all = Object.values(urgencies);

  return {
    stores: () => stores.all(),
    setStores(names) {
      dropStores.run();
      for (const name of names) addStore.run(name);
      // It looks at every content, once for each change of the buckets.
      db.exec(placedAnew);
    },
    fillPlacements(store, after, limit, now) {
      const found = here.all(after === undefined ? Buffer.of() : digestKey(after), limit);
      for (const { digest, size } of found) want.run(digest, store, size, now, now);
      const last = found.at(-1);
      return last && keyDigest(last.digest);
    },
    placementsOf: (digest) => of.all(digestKey(digest)).map(asPlacement),
    isPlaced: (digest) => isPlaced.get(digestKey(digest)) === 1,
    standing({ digest, store }, since) {
      const key = digestKey(digest);
      const known = content.get(key);
      const isNeeded =
        known !== undefined || isRecent.get({ digest: key, store, since, stamp: stampOf(since) }) === 1;
      return {
        isNeeded,
        isKept: known?.isKept === 1,
        isStored: known?.isStored === 1,
        used: known?.used ?? 0,
      };
    },
    contentUses(after, limit) {
      const found = uses.all(after === undefined ? Buffer.of() : digestKey(after), limit);
      return found.map(({ digest, used }) => ({ digest: keyDigest(digest), used }));
    },
    lookAt: ({ digest, store }, at) => lookAt.run(at, digestKey(digest), store),
    putPlacement({ digest, store }, { state, size, since, due: at, urgency }) {
      put.run(digestKey(digest), store, state, size, since, at ?? null, urgency);
    },
    placementFailed: ({ digest, store }, reason, at) => failed.run(at, reason, digestKey(digest), store),
    skipPlacement: ({ digest, store }, now) => skip.run(now, digestKey(digest), store),
    dropPlacement: ({ digest, store }) => drop.run(digestKey(digest), store),
    duePlacements(store, now, limit) {
      const found: Placement[] = [];
      for (const urgency of all) {
        if (found.length >= limit) break;
        found.push(...due.all(store, urgency, now, limit - found.length).map(asPlacement));
      }
      return found;
    },
    nextPlacement(store) {
      const times = all.map((urgency) => next.get(store, urgency) ?? Number.POSITIVE_INFINITY);
      const first = Math.min(...times);
      return Number.isFinite(first) ? first : undefined;
    },
    placementCounts: () => counts.all(),
  };
}

function asPlacement({ digest, reason, ...row }: Row): Placement {
  return { ...row, digest: keyDigest(digest), reason: reason ?? undefined };
}
