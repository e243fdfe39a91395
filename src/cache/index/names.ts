/**
 * Strings that recur, as row numbers. What was looked up lately is remembered; names are never removed, so that is
 * safe.
 */
import type { Database } from 'better-sqlite3';
import { LRUCache } from 'lru-cache';

export interface Names {
  /** The number of a name, undefined where it was never written. */
  find(name: string): number | undefined;
  /** The number of a name, written now if it is new. */
  intern(name: string): number;
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
    intern: (name) => find(name) ?? Number(insert.run(name).lastInsertRowid),
  };
}
