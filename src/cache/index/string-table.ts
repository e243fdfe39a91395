/** Strings that recur, as row numbers. Recent look-ups are remembered in memory. */
import type { Database } from 'better-sqlite3';
import { LRUCache } from 'lru-cache';

export interface Names {
  /** The number of a name, undefined where it was never written. */
  find(name: string): number | undefined;
  /** The number of a name, written now if it is new. */
  intern(name: string): number;
  /**
   * One slice of the removal of names that no row refers to. Call it until it gives `isDone`, never within a transaction; writes
   * may come in between. A slice reads or removes some thousand rows.
   */
  removeSome(): { readonly removed: number; readonly isDone: boolean };
}

const remembered = 20_000;
/** Rows that one slice reads, or names that it looks at. */
const rowsPerSlice = 2000;

/** Prepares its statements at once; every method throws what SQLite throws. */
export function createNames(db: Database): Names {
  const select = db.prepare<[string], { id: number }>('SELECT id FROM names WHERE name = ?');
  const insert = db.prepare<[string]>('INSERT INTO names (name) VALUES (?)');
  const ids = new LRUCache<string, number>({ max: remembered });
  /** Of the removal that is going on: for each number, 1 if a row refers to it. */
  let marks: Uint8Array | undefined;
  let removal: Iterator<number> | undefined;

  function find(name: string): number | undefined {
    const known = ids.get(name);
    if (known !== undefined) return known;
    const row = select.get(name);
    // Inside a transaction the row may be one that is rolled back: its number must not outlive it.
    if (row && !db.inTransaction) ids.set(name, row.id);
    return row?.id;
  }

  /** Marks what the tables refer to, then removes the rest. A name that is interned meanwhile is marked, too. */
  function* removeUnused(): Generator<number> {
    const last = db.prepare<[], number | null>('SELECT max(id) FROM names').pluck().get() ?? 0;
    const isUsed = new Uint8Array(last + 1);
    marks = isUsed;
    for (const numbers of references(db)) {
      for (const id of numbers) if (id <= last) isUsed[id] = 1;
      yield 0;
    }
    const remove = db.prepare<[string]>('DELETE FROM names WHERE id IN (SELECT value FROM json_each(?))');
    for (let from = 1; from <= last; from += rowsPerSlice) {
      const unused: number[] = [];
      for (let id = from; id < from + rowsPerSlice && id <= last; id += 1) if (!isUsed[id]) unused.push(id);
      yield withoutForeignKeys(db, () => {
        ids.clear();
        return remove.run(JSON.stringify(unused)).changes;
      });
    }
  }

  return {
    find,
    intern(name) {
      const id = find(name) ?? Number(insert.run(name).lastInsertRowid);
      if (marks && id < marks.length) marks[id] = 1;
      return id;
    },
    removeSome() {
      removal ??= removeUnused();
      try {
        const { done, value } = removal.next();
        if (!done) return { removed: value, isDone: false };
      } catch (error) {
        [removal, marks] = [undefined, undefined];
        throw error;
      }
      [removal, marks] = [undefined, undefined];
      return { removed: 0, isDone: true };
    },
  };
}

/** The marks say what is referred to. SQLite itself would look for references of each row in every table. */
function withoutForeignKeys<T>(db: Database, work: () => T): T {
  db.pragma('foreign_keys = OFF');
  try {
    return work();
  } finally {
    db.pragma('foreign_keys = ON');
  }
}

/** The numbers of names that the tables hold, some rows at a time. The columns come from the schema, so that none is left out. */
function* references(db: Database): Generator<Iterable<number>> {
  const columns = db
    .prepare<[], { table: string; column: string }>(`
    SELECT m.name AS "table", f."from" AS "column" FROM sqlite_schema m JOIN pragma_foreign_key_list(m.name) f
    WHERE m.type = 'table' AND f."table" = 'names'`)
    .all();
  for (const [table, its] of Map.groupBy(columns, (one) => one.table)) {
    yield* slicesOf(
      db,
      table,
      its.map(({ column }) => column),
    );
  }
}

function* slicesOf(db: Database, table: string, columns: readonly string[]): Generator<Iterable<number>> {
  const key = orderOf(db, table).join(', ');
  const width = key.split(', ').length;
  const where = `(${key}) > (${Array(width).fill('?').join(', ')})`;
  const select = `SELECT ${key}, ${columns.join(', ')} FROM ${table}`;
  const first = db
    .prepare<unknown[], (number | null)[]>(`${select} ORDER BY ${key} LIMIT ${rowsPerSlice}`)
    .raw();
  const next = db
    .prepare<unknown[], (number | null)[]>(`${select} WHERE ${where} ORDER BY ${key} LIMIT ${rowsPerSlice}`)
    .raw();
  for (let rows = first.all(); rows.length > 0; ) {
    yield rows.flatMap((row) => row.slice(width)).filter((id) => id !== null);
    if (rows.length < rowsPerSlice) return;
    rows = next.all(...(rows.at(-1) ?? []).slice(0, width));
  }
}

/** The columns by which the table itself is sorted on the disk. */
function orderOf(db: Database, table: string): string[] {
  const hasRowId = db.prepare<[string], number>('SELECT NOT wr FROM pragma_table_list(?)').pluck().get(table);
  if (hasRowId) return ['rowid'];
  return db
    .prepare<[string], string>('SELECT name FROM pragma_table_info(?) WHERE pk > 0 ORDER BY pk')
    .pluck()
    .all(table);
}
