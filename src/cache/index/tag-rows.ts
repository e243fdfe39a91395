/** Tags: what each pointed to when an endpoint last confirmed it. */
import type { Database } from 'better-sqlite3';
import type { CachedTag } from '../cache.ts';
import type { ContentIds } from './content-rows.ts';
import { digestKey, keyDigest } from './digest-key.ts';
import type { IndexRows } from './index-rows.ts';
import type { Names } from './string-table.ts';

type TagRows = Pick<IndexRows, 'tag' | 'setTag' | 'confirmTag' | 'dropTag' | 'tags' | 'isTagged'>;

/** Prepares its statements at once; every method throws what SQLite throws. */
export function createTagRows(db: Database, names: Names, ids: ContentIds): TagRows {
  const select = db.prepare<[number, string], { digest: Buffer; endpoint: string; checked: number }>(`
    SELECT c.digest, e.name AS endpoint, t.checked
    FROM tags t JOIN contents c ON c.id = t.content JOIN names e ON e.id = t.endpoint
    WHERE t.image = ? AND t.tag = ?`);
  const upsert = db.prepare<[number, string, number, number, number]>(`
    INSERT INTO tags (image, tag, content, endpoint, checked) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET content = excluded.content, endpoint = excluded.endpoint, checked = excluded.checked`);
  const selectChecked = db
    .prepare<[number, string], number>('SELECT checked FROM tags WHERE image = ? AND tag = ?')
    .pluck();
  const confirm = db.prepare<[number, number, string, number, number]>(
    'UPDATE tags SET checked = ? WHERE image = ? AND tag = ? AND NOT (checked > ? AND checked <= ?)',
  );
  // The tag may have been what pinned the content that it leaves.
  const unpin = db.prepare<[number, string]>(`
    UPDATE contents SET pinned = 0
    WHERE pinned = 1 AND id = (SELECT content FROM tags WHERE image = ? AND tag = ?)`);
  const remove = db.prepare<[number, string]>('DELETE FROM tags WHERE image = ? AND tag = ?');
  const selectAll = db.prepare<[number], string>('SELECT tag FROM tags WHERE image = ? ORDER BY tag').pluck();

  const isTagged = db
    .prepare<[Buffer], number>(
      'SELECT 1 FROM tags WHERE content = (SELECT id FROM contents WHERE digest = ?) LIMIT 1',
    )
    .pluck();

  /** Whether the known tag is newer than `at`. One from after `now` comes from a clock that was ahead. */
  function isNewer(imageId: number, tag: string, at: number, now: number): boolean {
    const known = selectChecked.get(imageId, tag);
    return known !== undefined && known > at && known <= now;
  }

  return {
    tag(image, tag) {
      const imageId = names.find(image);
      const row = imageId === undefined ? undefined : select.get(imageId, tag);
      return row && { digest: keyDigest(row.digest), endpoint: row.endpoint, checkedAt: row.checked };
    },
    setTag: db.transaction((image: string, tag: string, value: CachedTag, now = Number.MAX_SAFE_INTEGER) => {
      const { digest, endpoint, checkedAt } = value;
      const imageId = names.intern(image);
      if (isNewer(imageId, tag, checkedAt, now)) return;
      unpin.run(imageId, tag);
      const content = ids.intern(digestKey(digest), checkedAt);
      upsert.run(imageId, tag, content, names.intern(endpoint), checkedAt);
    }),
    confirmTag(image, tag, checkedAt, now = Number.MAX_SAFE_INTEGER) {
      const imageId = names.find(image);
      if (imageId !== undefined) confirm.run(checkedAt, imageId, tag, checkedAt, now);
    },
    dropTag(image, tag, at = Number.MAX_SAFE_INTEGER, now = Number.MAX_SAFE_INTEGER) {
      const imageId = names.find(image);
      if (imageId === undefined || isNewer(imageId, tag, at, now)) return;
      unpin.run(imageId, tag);
      remove.run(imageId, tag);
    },
    isTagged: (digest) => isTagged.get(digestKey(digest)) === 1,
    tags(image) {
      const imageId = names.find(image);
      return imageId === undefined ? [] : selectAll.all(imageId);
    },
  };
}
