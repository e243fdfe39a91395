/**
 * Strings that recur, as row numbers. What was looked up lately is remembered, until names are removed.
 */
import type { Database } from 'better-sqlite3';
import { LRUCache } from 'lru-cache';

export interface Names {
  /** The number of a name, undefined where it was never written. */
  find(name: string): number | undefined;
  /** The number of a name, written now if it is new. */
  intern(name: string): number;
  /** Removes the names that nothing has any more; returns how many. Not within a transaction. */
  removeUnused(): number;
}

const remembered = 20_000;

export function createNames(db: Database): Names {
  const select = db.prepare<[string], { id: number }>('SELECT id FROM names WHERE name = ?');
  const insert = db.prepare<[string]>('INSERT INTO names (name) VALUES (?)');
  const removeUnused = db.prepare<[]>(`
    DELETE FROM names WHERE id NOT IN (
      SELECT media_type FROM contents WHERE media_type IS NOT NULL UNION SELECT media_type FROM children
      UNION SELECT image FROM tags UNION SELECT endpoint FROM tags
      UNION SELECT image FROM links UNION SELECT endpoint FROM links UNION SELECT image FROM lists)`);
  const ids = new LRUCache<string, number>({ max: remembered });

  function find(name: string): number | undefined {
    const known = ids.get(name);
    if (known !== undefined) return known;
    const row = select.get(name);
    // Inside a transaction the row may be one that is rolled back: its number must not outlive it.
    if (row && !db.inTransaction) ids.set(name, row.id);
    return row?.id;
  }

  return {
    find,
    removeUnused() {
      // The statement itself keeps what is referred to. SQLite would look for references of each row without an index.
      db.pragma('foreign_keys = OFF');
      try {
        ids.clear();
        return removeUnused.run().changes;
      } finally {
        db.pragma('foreign_keys = ON');
      }
    },
    intern: (name) => find(name) ?? Number(insert.run(name).lastInsertRowid),
  };
}
