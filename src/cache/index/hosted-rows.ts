/** What is hosted (`catalogue.ts`, `hostedOrigins`): the contents with `pinned = 2`. */
import type { Database } from 'better-sqlite3';
import { digestKey, keyDigest, shardKeys } from './digest-key.ts';
import type { Position } from './eviction-order.ts';
import type { IndexRows } from './index-rows.ts';
import type { Names } from './string-table.ts';

type HostedRows = Pick<
  IndexRows,
  | 'hosted'
  | 'keptBytes'
  | 'isHosted'
  | 'lostHostedIn'
  | 'hostedTags'
  | 'importedTags'
  | 'hostedBy'
  | 'unlistedHosted'
>;

/** Manifests with so many children may list more than the index has (`content-rows.ts`, `mostChildren`). */
const countedChildren = 2000;
/** Blobs that are looked at at once. */
const atOnce = 500;

/** Prepares its statements at once; every method throws what SQLite throws. */
export function createHostedRows(db: Database, names: Names): HostedRows {
  const origins = "(SELECT id FROM names WHERE name IN ('push', 'bundle'))";
  const totals = db.prepare<[], { bytes: number; contents: number }>(
    'SELECT hosted_bytes AS bytes, hosted_contents AS contents FROM totals',
  );
  const kept = db.prepare<[], number>('SELECT kept_bytes FROM totals').pluck();
  const isHosted = db.prepare<[Buffer], number>('SELECT pinned = 2 FROM contents WHERE digest = ?').pluck();
  // What another replica told of was never here.
  const lost = db.prepare<[Buffer, Buffer], { digest: Buffer; isManifest: number }>(`
    SELECT digest, EXISTS (SELECT 1 FROM links WHERE content = contents.id AND media_type IS NOT NULL) AS isManifest
    FROM contents WHERE digest > ? AND digest < ? AND pinned = 2 AND size IS NULL AND placed = 0
      AND NOT EXISTS (SELECT 1 FROM links WHERE content = contents.id AND shared_size IS NOT NULL)`);
  const hostedBy = db
    .prepare<[number], Buffer>(`
    SELECT c.digest FROM links l JOIN contents c ON c.id = l.content WHERE l.image = ? AND l.endpoint IN ${origins}`)
    .pluck();
  const hostedTags = db
    .prepare<[number], string>(`SELECT tag FROM tags WHERE image = ? AND endpoint IN ${origins} ORDER BY tag`)
    .pluck();
  const importedTags = db
    .prepare<[number], string>(`
    SELECT tag FROM tags WHERE image = ? AND endpoint = (SELECT id FROM names WHERE name = 'bundle') ORDER BY tag`)
    .pluck();
  const blobs = db.prepare<[number, number, number], { id: number; used: number }>(`
    SELECT id, used FROM contents
    WHERE pinned = 2 AND (used, id) > (?, ?) AND used < ? AND (size IS NOT NULL OR placed > 0) AND media_type IS NULL
    ORDER BY used, id LIMIT ${atOnce}`);
  const unlisted = db.prepare<[string], { image: string; imageId: number; digest: Buffer }>(`
    SELECT n.name AS image, n.id AS imageId, c.digest
    FROM json_each(?) j CROSS JOIN contents c ON c.id = j.value CROSS JOIN links l ON l.content = c.id JOIN names n ON n.id = l.image
    WHERE l.media_type IS NULL AND l.endpoint IN ${origins}
      AND NOT EXISTS (SELECT 1 FROM children r JOIN links p ON p.image = l.image AND p.content = r.parent WHERE r.child = c.id)`);
  /** Images with a manifest that is lost, that was never here, or that may list more than is known. */
  const isUnsure = db
    .prepare<[{ image: number }], number>(`
    SELECT EXISTS (
      SELECT 1 FROM links l JOIN contents c ON c.id = l.content
      WHERE l.image = $image AND l.media_type IS NOT NULL AND c.size IS NULL
        AND (c.placed = 0 OR NOT EXISTS (SELECT 1 FROM children WHERE parent = c.id)))
    OR EXISTS (
      SELECT 1 FROM links l
      WHERE l.image = $image AND (SELECT count(*) FROM children WHERE parent = l.content) >= ${countedChildren})`)
    .pluck();

  return {
    hosted: () => totals.get() ?? { bytes: 0, contents: 0 },
    keptBytes: () => kept.get() ?? 0,
    isHosted: (digest) => isHosted.get(digestKey(digest)) === 1,
    lostHostedIn(algorithm, first) {
      const { from, before } = shardKeys(algorithm, first);
      return lost
        .all(from, before)
        .map(({ digest, isManifest }) => ({ digest: keyDigest(digest), isManifest: isManifest === 1 }));
    },
    hostedTags(image) {
      const imageId = names.find(image);
      return imageId === undefined ? [] : hostedTags.all(imageId);
    },
    importedTags(image) {
      const imageId = names.find(image);
      return imageId === undefined ? [] : importedTags.all(imageId);
    },
    hostedBy(image) {
      const imageId = names.find(image);
      return imageId === undefined ? [] : hostedBy.all(imageId).map(keyDigest);
    },
    unlistedHosted(before, after) {
      const [used, id] = after === undefined ? [-1, 0] : (JSON.parse(after) as [number, number]);
      const looked = blobs.all(used, id, before);
      const sure = new Map<number, boolean>();
      const found = unlisted.all(JSON.stringify(looked.map((blob) => blob.id)));
      for (const { imageId } of found)
        if (!sure.has(imageId)) sure.set(imageId, isUnsure.get({ image: imageId }) === 0);
      const last = looked.length < atOnce ? undefined : looked.at(-1);
      return {
        blobs: found
          .filter(({ imageId }) => sure.get(imageId))
          .map(({ image, digest }) => ({ image, digest: keyDigest(digest) })),
        next: last && (JSON.stringify([last.used, last.id]) as Position),
      };
    },
  };
}
