/** Images in the index, and what each can be pulled by. */
import type { Database } from 'better-sqlite3';
import { keyDigest } from './digest-key.ts';
import type { IndexRows } from './index-rows.ts';
import type { ImageSummary } from './listing.ts';
import type { Names } from './string-table.ts';

type ListingRows = Pick<IndexRows, 'images' | 'keptManifests'>;

interface KeptRow {
  readonly id: number;
  readonly digest: Buffer;
  readonly tag: string | null;
  readonly mediaType: string;
  readonly endpoint: string;
  readonly checkedAt: number | null;
}

/** Every method throws what SQLite throws. */
export function createListingRows(db: Database, names: Names): ListingRows {
  const images = db.prepare<[string, number], ImageSummary>(`
    SELECT n.name AS image, (SELECT count(*) FROM tags t WHERE t.image = n.id) AS tags,
      count(c.size) AS contents, coalesce(sum(c.size), 0) AS bytes
    FROM names n CROSS JOIN links l ON l.image = n.id JOIN contents c ON c.id = l.content
    WHERE n.name > ? GROUP BY n.name ORDER BY n.name LIMIT ?`);
  const kept = db.prepare<[number], KeptRow>(`
    SELECT c.id, c.digest, t.tag, m.name AS mediaType, e.name AS endpoint, t.checked AS checkedAt
    FROM links l CROSS JOIN contents c ON c.id = l.content LEFT JOIN tags t ON t.content = c.id AND t.image = l.image
      CROSS JOIN names m ON m.id = coalesce(l.media_type, c.media_type) CROSS JOIN names e ON e.id = coalesce(t.endpoint, l.endpoint)
    WHERE l.image = ? AND c.size IS NOT NULL AND (t.tag IS NOT NULL OR c.parents = 0)`);
  const sums = db.prepare<[number], { bytes: number; used: number }>(`
    WITH RECURSIVE below (id) AS (
      VALUES (?) UNION SELECT r.child FROM below b CROSS JOIN children r ON r.parent = b.id)
    SELECT coalesce(sum(c.size), 0) AS bytes, max(c.used) AS used
    FROM below b CROSS JOIN contents c ON c.id = b.id WHERE c.size IS NOT NULL`);

  return {
    images: (after, limit) => images.all(after, limit),
    keptManifests(image) {
      const imageId = names.find(image);
      if (imageId === undefined) return [];
      const manifests = kept.all(imageId).map(({ id, digest, tag, checkedAt, ...row }) => ({
        ...row,
        ...(sums.get(id) ?? { bytes: 0, used: 0 }),
        digest: keyDigest(digest),
        tag: tag ?? undefined,
        checkedAt: checkedAt ?? undefined,
      }));
      return manifests.sort((a, b) => compare(a.tag, b.tag) || compare(a.digest, b.digest));
    },
  };
}

/** By code units; undefined comes last. */
function compare(a: string | undefined, b: string | undefined): number {
  if (a === b) return 0;
  if (a === undefined) return 1;
  return b === undefined || a < b ? -1 : 1;
}
