/** Contents and what manifests list: one row per digest, stored or only referenced. */
import type { Database } from 'better-sqlite3';
import type { Digest } from '../../oci/digest.ts';
import { digestKey, keyDigest } from './digest-key.ts';
import type { IndexRows } from './index-rows.ts';
import type { Names } from './string-table.ts';

type ContentRows = Pick<
  IndexRows,
  'content' | 'addBlob' | 'addManifest' | 'dropContent' | 'loseContent' | 'children'
>;

/**
 * Children of one manifest that are written. What it lists beyond that is served all the same, but evicted by itself. Real manifests have
 * some dozen; to write 4 MiB of made-up descriptors would stop all requests for seconds.
 */
const mostChildren = 2000;

/** Row numbers of digests. */
export interface ContentIds {
  find(key: Buffer): number | undefined;
  /** A new digest gets a row as referenced content. `used`: epoch ms. */
  intern(key: Buffer, used: number): number;
}

/** Prepares its statements at once; every method throws what SQLite throws. */
export function createContentIds(db: Database): ContentIds {
  const select = db.prepare<[Buffer], number>('SELECT id FROM contents WHERE digest = ?').pluck();
  const insert = db.prepare<[Buffer, number]>('INSERT INTO contents (digest, used) VALUES (?, ?)');
  return {
    find: (key) => select.get(key),
    intern: (key, used) => select.get(key) ?? Number(insert.run(key, used).lastInsertRowid),
  };
}

/** Prepares its statements at once; every method throws what SQLite throws. */
export function createContentRows(db: Database, names: Names, ids: ContentIds): ContentRows {
  const select = db.prepare<[Buffer], { size: number; mediaType: string | null }>(`
    SELECT c.size, m.name AS mediaType FROM contents c LEFT JOIN names m ON m.id = c.media_type
    WHERE c.digest = ? AND c.size IS NOT NULL`);
  const store = db.prepare<[Buffer, number, number | null, number]>(`
    INSERT INTO contents (digest, size, media_type, used) VALUES (?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET size = excluded.size, media_type = coalesce(media_type, excluded.media_type),
      used = max(used, excluded.used)`);
  const setSubject = db.prepare<[Buffer, number]>('UPDATE contents SET subject = ? WHERE id = ?');
  const addChild = db.prepare<[number, number, number, number, string | null, number]>(
    'INSERT OR IGNORE INTO children (parent, child, size, media_type, platform, elsewhere) VALUES (?, ?, ?, ?, ?, ?)',
  );
  const hasChildren = db.prepare<[number]>('SELECT 1 FROM children WHERE parent = ? LIMIT 1');
  const selectChildren = db.prepare<
    [Buffer],
    { digest: Buffer; size: number; mediaType: string; platform: string | null; stored: number }
  >(`
    SELECT c.digest, r.size, m.name AS mediaType, r.platform, c.size IS NOT NULL AS stored
    FROM children r JOIN contents c ON c.id = r.child JOIN names m ON m.id = r.media_type
    WHERE r.parent = (SELECT id FROM contents WHERE digest = ?)`);

  const childIds = db.prepare<[number], number>('SELECT child FROM children WHERE parent = ?').pluck();
  const parents = db.prepare<[number], number>('SELECT parents FROM contents WHERE id = ?').pluck();
  const remove = db.prepare<[number]>('DELETE FROM contents WHERE id = ?');
  const demote = db.prepare<[number]>(
    'UPDATE contents SET size = NULL, media_type = NULL, subject = NULL WHERE id = ?',
  );
  const lose = db.prepare<[Buffer]>('UPDATE contents SET size = NULL, media_type = NULL WHERE digest = ?');
  const removeChildren = db.prepare<[number]>('DELETE FROM children WHERE parent = ?');
  const removeTags = db.prepare<[number]>('DELETE FROM tags WHERE content = ?');
  const removeUnreferenced = db
    .prepare<[number], Buffer>(`
    DELETE FROM contents WHERE id = ? AND size IS NULL AND parents = 0
      AND NOT EXISTS (SELECT 1 FROM links WHERE content = contents.id) RETURNING digest`)
    .pluck();

  function drop(digest: Digest): Digest[] {
    const id = ids.find(digestKey(digest));
    if (id === undefined) return [];
    const listed = childIds.all(id);
    removeChildren.run(id);
    if (parents.get(id) === 0) {
      remove.run(id);
    } else {
      demote.run(id);
      removeTags.run(id);
    }
    return listed.flatMap((child) => removeUnreferenced.all(child)).map(keyDigest);
  }

  return {
    content(digest) {
      const row = select.get(digestKey(digest));
      return row && { ...row, digest, mediaType: row.mediaType ?? undefined };
    },
    addBlob(digest, size, used) {
      store.run(digestKey(digest), size, null, used);
    },
    addManifest: db.transaction((digest, size, manifest, used) => {
      const key = digestKey(digest);
      store.run(key, size, names.intern(manifest.mediaType), used);
      const id = ids.intern(key, used);
      if (manifest.subject) setSubject.run(digestKey(manifest.subject), id);
      if (hasChildren.get(id)) return;
      for (const child of manifest.children.slice(0, mostChildren)) {
        const childId = ids.intern(digestKey(child.digest), used);
        const type = names.intern(child.mediaType);
        addChild.run(id, childId, child.size, type, child.platform ?? null, child.isElsewhere ? 1 : 0);
      }
    }) as ContentRows['addManifest'],
    dropContent: db.transaction(drop),
    loseContent: (digest) => lose.run(digestKey(digest)),
    children(digest) {
      return selectChildren.all(digestKey(digest)).map((row) => ({
        ...row,
        digest: keyDigest(row.digest),
        platform: row.platform ?? undefined,
        stored: row.stored === 1,
      }));
    },
  };
}
