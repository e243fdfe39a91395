/** Which image may serve which content, and what the manifests of an image say of a digest. */
import type { Database } from 'better-sqlite3';
import type { Digest } from '../../oci/digest.ts';
import type { KnownDescriptor } from '../cache.ts';
import type { ContentIds } from './content-rows.ts';
import { digestKey, keyDigest } from './digest-key.ts';
import type { IndexRows } from './index-rows.ts';
import type { Names } from './string-table.ts';

type LinkRows = Pick<
  IndexRows,
  | 'linkedContent'
  | 'referrersOf'
  | 'parentsOf'
  | 'link'
  | 'isLinked'
  | 'originOf'
  | 'unlink'
  | 'linkedBy'
  | 'descriptor'
  | 'imagesOf'
>;

interface Linked {
  readonly size: number | null;
  readonly mediaType: string | null;
}

/**
 * Manifests that are read for the descriptor of a blob, newest first. A small config or an empty layer is listed by very many. A blob is
 * requested soon after its manifest, and a size that is not known beforehand costs little.
 */
const parentsLookedAt = 1000;

/** Prepares its statements at once; every method throws what SQLite throws. */
export function createLinkRows(db: Database, names: Names, ids: ContentIds): LinkRows {
  const select = db.prepare<[number, Buffer], Linked>(`
    SELECT c.size, m.name AS mediaType
    FROM contents c JOIN links l ON l.content = c.id LEFT JOIN names m ON m.id = coalesce(l.media_type, c.media_type)
    WHERE l.image = ? AND c.digest = ?`);
  const selectOrigin = db
    .prepare<[number, Buffer], string>(`
    SELECT e.name FROM contents c JOIN links l ON l.content = c.id JOIN names e ON e.id = l.endpoint
    WHERE l.image = ? AND c.digest = ?`)
    .pluck();
  const upsert = db.prepare<[number, number, number, number | null]>(`
    INSERT INTO links (image, content, endpoint, media_type) VALUES (?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET
      endpoint = iif(endpoint IN (SELECT id FROM names WHERE name IN ('push', 'bundle')), endpoint, excluded.endpoint),
      media_type = coalesce(excluded.media_type, media_type)`);
  const selectDescriptor = db.prepare<
    [Buffer, number],
    Omit<KnownDescriptor, 'isElsewhere'> & { elsewhere: number }
  >(`
    WITH listed AS (
      SELECT parent, size, media_type, elsewhere FROM children WHERE child = (SELECT id FROM contents WHERE digest = ?)
      ORDER BY parent DESC LIMIT ${parentsLookedAt})
    SELECT p.size, m.name AS mediaType, e.name AS endpoint, p.elsewhere,
      (SELECT sum(size) FROM children WHERE parent = p.parent) AS imageBytes
    FROM listed p CROSS JOIN links l ON l.image = ? AND l.content = p.parent
      JOIN names m ON m.id = p.media_type JOIN names e ON e.id = l.endpoint
    LIMIT 1`);
  const selectImages = db
    .prepare<[Buffer], string>(`
    SELECT n.name FROM links l JOIN names n ON n.id = l.image
    WHERE l.content = (SELECT id FROM contents WHERE digest = ?)`)
    .pluck();

  const selectReferrers = db
    .prepare<[number, Buffer, Buffer | null, number], Buffer>(`
    SELECT c.digest FROM contents c CROSS JOIN links l ON l.image = ? AND l.content = c.id
    WHERE c.subject = ? AND c.id > coalesce((SELECT id FROM contents WHERE digest = ?), 0)
      AND (c.size IS NOT NULL OR c.placed > 0 OR l.shared_size IS NOT NULL)
    ORDER BY c.id LIMIT ?`)
    .pluck();
  const selectParents = db
    .prepare<[number, Buffer], Buffer>(`
    SELECT p.digest FROM children r JOIN contents p ON p.id = r.parent JOIN links l ON l.image = ? AND l.content = p.id
    WHERE r.child = (SELECT id FROM contents WHERE digest = ?) AND p.size IS NOT NULL LIMIT 10`)
    .pluck();

  // The image's name may have been what pinned it.
  const unpin = db.prepare<[number]>('UPDATE contents SET pinned = 0 WHERE id = ? AND pinned = 1');
  const remove = db.prepare<[number, number]>('DELETE FROM links WHERE image = ? AND content = ?');
  const selectLinked = db
    .prepare<[number], Buffer>(
      'SELECT c.digest FROM links l JOIN contents c ON c.id = l.content WHERE l.image = ?',
    )
    .pluck();

  function find(image: string, digest: Digest): Linked | undefined {
    const imageId = names.find(image);
    return imageId === undefined ? undefined : select.get(imageId, digestKey(digest));
  }

  return {
    linkedContent(image, digest) {
      const row = find(image, digest);
      if (!row || row.size === null) return undefined;
      return { digest, size: row.size, mediaType: row.mediaType ?? undefined };
    },
    link: db.transaction(
      (image: string, digest: Digest, endpoint: string, used: number, mediaType?: string) => {
        const type = mediaType === undefined ? null : names.intern(mediaType);
        upsert.run(names.intern(image), ids.intern(digestKey(digest), used), names.intern(endpoint), type);
      },
    ),
    unlink(image, digest) {
      const imageId = names.find(image);
      const content = ids.find(digestKey(digest));
      if (imageId === undefined || content === undefined) return;
      unpin.run(content);
      remove.run(imageId, content);
    },
    linkedBy(image) {
      const imageId = names.find(image);
      return imageId === undefined ? [] : selectLinked.all(imageId).map(keyDigest);
    },
    isLinked: (image, digest) => find(image, digest) !== undefined,
    originOf(image, digest) {
      const imageId = names.find(image);
      return imageId === undefined ? undefined : selectOrigin.get(imageId, digestKey(digest));
    },
    referrersOf(image, subject, after, limit) {
      const imageId = names.find(image);
      if (imageId === undefined) return [];
      const from = after === undefined ? null : digestKey(after);
      return selectReferrers.all(imageId, digestKey(subject), from, limit).map(keyDigest);
    },
    parentsOf(image, digest) {
      const imageId = names.find(image);
      return imageId === undefined ? [] : selectParents.all(imageId, digestKey(digest)).map(keyDigest);
    },
    descriptor(image, digest) {
      const imageId = names.find(image);
      const row = imageId === undefined ? undefined : selectDescriptor.get(digestKey(digest), imageId);
      if (!row) return undefined;
      const { elsewhere, ...known } = row;
      return { ...known, isElsewhere: elsewhere === 1 };
    },
    imagesOf: (digest) => selectImages.all(digestKey(digest)),
  };
}
