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
  /** Removes the names that no row refers to; returns how many. Reads whole tables, for `gc` alone. Not within a transaction. */
  removeUnused(): number;
}

const remembered = 20_000;

export function createNames(db: Database): Names {
  const select = db.prepare<[string], { id: number }>('SELECT id FROM names WHERE name = ?');
  const insert = db.prepare<[string]>('INSERT INTO names (name) VALUES (?)');
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
        return db.prepare(`DELETE FROM names WHERE id NOT IN (${references(db)})`).run().changes;
      } finally {
        db.pragma('foreign_keys = ON');
      }
    },
    intern: (name) => find(name) ?? Number(insert.run(name).lastInsertRowid),
  };
}

/** The query for every number of a name that the tables hold, made from the schema, so that no column is left out. */
function references(db: Database): string {
  const columns = db
    .prepare<[], { table: string; column: string }>(`
    SELECT m.name AS "table", f."from" AS "column" FROM sqlite_schema m JOIN pragma_foreign_key_list(m.name) f
    WHERE m.type = 'table' AND f."table" = 'names'`)
    .all();
  return columns
    .map(({ table, column }) => `SELECT ${column} FROM ${table} WHERE ${column} IS NOT NULL`)
    .join(' UNION ');
}
