/**
 * The command of eviction. What a bucket has is *away* from then on: its file goes, its names and what it lists stay, so that it comes
 * back when it is asked for. What no bucket has is forgotten, unless something that stays lists it.
 */
import type { Database } from 'better-sqlite3';
import { digestKey, keyDigest } from './digest-key.ts';
import type { Use } from './eviction-order.ts';
import type { IndexRows } from './index-rows.ts';

type EvictRows = Pick<IndexRows, 'evict'>;

interface UnusedRow {
  readonly id: number;
  readonly digest: Buffer;
  readonly parents: number;
  readonly placed: number;
}

/** Prepares its statements at once; the method throws what SQLite throws. */
export function createEvictRows(db: Database): EvictRows {
  const unused = db.prepare<[string], UnusedRow>(`
    SELECT c.id, c.digest, c.parents, c.placed FROM json_each(?) j CROSS JOIN contents c ON c.digest = unhex(j.value ->> 0)
    WHERE c.out = 0 AND c.used <= j.value ->> 1`);
  const listedBy = db.prepare<[string], { parent: number; child: number }>(
    'SELECT r.parent, r.child FROM json_each(?) j CROSS JOIN children r ON r.parent = j.value',
  );
  const removeChildren = db.prepare<[string]>(
    'DELETE FROM children WHERE parent IN (SELECT value FROM json_each(?))',
  );
  const remove = db.prepare<[string]>('DELETE FROM contents WHERE id IN (SELECT value FROM json_each(?))');
  const removeUnreferenced = db
    .prepare<[string], Buffer>(`
    DELETE FROM contents WHERE id IN (SELECT value FROM json_each(?)) AND size IS NULL AND parents = 0
      AND NOT EXISTS (SELECT 1 FROM links WHERE content = contents.id) RETURNING digest`)
    .pluck();

  const lose = db.prepare<[string]>(
    'UPDATE contents SET size = NULL, media_type = NULL WHERE id IN (SELECT value FROM json_each(?))',
  );
  /** Of contents that a bucket has, those with no file here, theirs or one below them, are away. */
  const nowAway = db.prepare<[string]>(`
    UPDATE contents SET placed = 2 WHERE id IN (SELECT value FROM json_each(?)) AND parents = 0 AND placed = 1
      AND size IS NULL AND NOT EXISTS (
        WITH RECURSIVE below (id) AS (
          SELECT child FROM children WHERE parent = contents.id
          UNION SELECT r.child FROM below b CROSS JOIN children r ON r.parent = b.id)
        SELECT 1 FROM below b CROSS JOIN contents c ON c.id = b.id WHERE c.size IS NOT NULL)`);

  /** Rows of `chosen` that are roots, or become ones once the others are gone. */
  function evictable(chosen: readonly Use[]) {
    const keys = chosen.map(([digest, used]) => [digestKey(digest).toString('hex'), used]);
    const rows = unused.all(JSON.stringify(keys));
    const pairs = listedBy.all(JSON.stringify(rows.map(({ id }) => id)));
    const left = new Map(rows.map(({ id, parents }) => [id, parents]));
    const children = Map.groupBy(pairs, ({ parent }) => parent);
    const going = rows.filter(({ parents }) => parents === 0).map(({ id }) => id);
    for (const id of going) {
      for (const { child } of children.get(id) ?? []) {
        const parents = left.get(child);
        if (parents === undefined) continue;
        left.set(child, parents - 1);
        if (parents === 1) going.push(child);
      }
    }
    // Names and lists of what a bucket has stay, and so does what those lists name.
    const kept = new Set<number>();
    const placed = new Set(rows.filter((row) => row.placed > 0).map(({ id }) => id));
    for (const id of going) {
      if (!placed.has(id) && !kept.has(id)) continue;
      kept.add(id);
      for (const { child } of children.get(id) ?? []) kept.add(child);
    }
    const gone = new Set(going);
    const forgotten = going.filter((id) => !kept.has(id));
    return {
      kept: going.filter((id) => kept.has(id)),
      forgotten,
      digests: rows.filter(({ id }) => gone.has(id)).map(({ digest }) => keyDigest(digest)),
      children: [...new Set(forgotten.flatMap((id) => children.get(id) ?? []).map(({ child }) => child))],
    };
  }

  return {
    evict: db.transaction((chosen: readonly Use[]) => {
      const { kept, forgotten, digests, children } = evictable(chosen);
      const going = JSON.stringify(forgotten);
      removeChildren.run(going);
      remove.run(going);
      const unreferenced = removeUnreferenced.all(JSON.stringify(children)).map(keyDigest);
      const staying = JSON.stringify(kept);
      lose.run(staying);
      nowAway.run(staying);
      return { gone: digests, forgotten: unreferenced };
    }) as EvictRows['evict'],
  };
}
