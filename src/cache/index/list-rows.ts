/** Lists of upstreams: tags and referrers, as they came. */
import type { Database } from 'better-sqlite3';
import type { CachedList } from '../cache.ts';
import type { IndexRows } from './index-rows.ts';
import type { Names } from './string-table.ts';

type ListRows = Pick<IndexRows, 'list' | 'setList' | 'dropList' | 'dropLists' | 'listNames' | 'forgetSome'>;

/** Bytes of all lists together; beyond that the oldest go. */
const mostBytes = 128 * 1024 * 1024;
/** Rows that one slice of the removal looks at. */
const listsPerSlice = 1000;

/** Every method throws what SQLite throws. */
export function createListRows(db: Database, names: Names): ListRows {
  const select = db.prepare<[number, string, string], { bytes: Buffer; checkedAt: number }>(
    'SELECT bytes, checked AS checkedAt FROM lists WHERE image = ? AND kind = ? AND key = ?',
  );
  const upsert = db.prepare<[number, string, string, Uint8Array, number]>(`
    INSERT INTO lists (image, kind, key, bytes, checked) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET bytes = excluded.bytes, checked = excluded.checked`);
  const remove = db.prepare<[number, string, string]>(
    'DELETE FROM lists WHERE image = ? AND kind = ? AND key = ?',
  );
  const removeAll = db.prepare<[number]>('DELETE FROM lists WHERE image = ?');
  const selectNames = db.prepare<[number], { kind: string; key: string }>(
    'SELECT kind, key FROM lists WHERE image = ?',
  );
  const removeUnlinked = db.prepare<[number, number]>(`
    DELETE FROM lists WHERE rowid > ? AND rowid <= ? AND kind = 'referrers'
      AND NOT EXISTS (SELECT 1 FROM links WHERE links.image = lists.image)`);
  const lastList = db.prepare<[], number | null>('SELECT max(rowid) FROM lists').pluck();
  const total = db.prepare<[], number>('SELECT lists FROM totals').pluck();
  const removeOldest = db.prepare<[]>(
    'DELETE FROM lists WHERE rowid = (SELECT rowid FROM lists ORDER BY checked LIMIT 1)',
  );
  /** Of the removal that is going on: the last row of a list that was looked at. */
  let looked = 0;

  return {
    list(image, kind, key) {
      const imageId = names.find(image);
      return imageId === undefined ? undefined : select.get(imageId, kind, key);
    },
    setList: db.transaction((image: string, kind: string, key: string, { bytes, checkedAt }: CachedList) => {
      upsert.run(names.intern(image), kind, key, bytes, checkedAt);
      while ((total.get() ?? 0) > mostBytes && removeOldest.run().changes > 0);
    }),
    dropList(image, kind, key) {
      const imageId = names.find(image);
      if (imageId !== undefined) remove.run(imageId, kind, key);
    },
    forgetSome() {
      const last = lastList.get() ?? 0;
      if (looked < last) {
        removeUnlinked.run(looked, looked + listsPerSlice);
        looked += listsPerSlice;
        return { removed: 0, isDone: false };
      }
      const some = names.removeSome();
      if (some.isDone) looked = 0;
      return some;
    },
    listNames(image) {
      const imageId = names.find(image);
      return imageId === undefined ? [] : selectNames.all(imageId);
    },
    dropLists(image) {
      const imageId = names.find(image);
      if (imageId !== undefined) removeAll.run(imageId);
    },
  };
}
