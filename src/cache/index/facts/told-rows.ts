/** The rows of which facts tell: all tags and links in a fixed order, and one link with what is known of its content. */
import type { Database } from 'better-sqlite3';
import type { Digest } from '../../../oci/digest.ts';
import type { CachedTag } from '../../cache.ts';
import { digestKey, keyDigest } from '../digest-key.ts';
import type { Names } from '../string-table.ts';

/** A link, and what is known of its content. */
export interface LinkRow {
  readonly origin: string;
  /** As the image's own registry says; undefined for a blob. */
  readonly mediaType: string | undefined;
  /** Bytes that are stored. */
  readonly size: number | undefined;
  /** Bytes that another replica told of. */
  readonly sharedSize: number | undefined;
  /** What it is attached to. */
  readonly subject: Digest | undefined;
}

export type TagPlace = readonly [image: number, tag: string];
export type LinkPlace = readonly [image: number, content: number];

export interface PlacedTag {
  readonly image: string;
  readonly tag: string;
  readonly value: CachedTag;
}

export interface PlacedLink {
  readonly image: string;
  readonly digest: Digest;
}

export interface ToldRows {
  /** Tags of all images in a fixed order, from after `after`; undefined after the last. */
  tagsFrom(after: TagPlace | undefined, limit: number): { tags: PlacedTag[]; last: TagPlace | undefined };
  /** The same for links. */
  linksFrom(
    after: LinkPlace | undefined,
    limit: number,
  ): { links: PlacedLink[]; last: LinkPlace | undefined };
  /** Bytes that another replica told of a hosted content, which need not be here. */
  setSharedSize(image: string, digest: Digest, size: number): void;
  /** What a content that is not here is attached to, as another replica told. */
  setSharedSubject(digest: Digest, subject: Digest): void;
  linkRow(image: string, digest: Digest): LinkRow | undefined;
}

interface TagRow {
  readonly imageId: number;
  readonly image: string;
  readonly tag: string;
  readonly digest: Buffer;
  readonly endpoint: string;
  readonly checked: number;
}

interface RawLink {
  readonly imageId: number;
  readonly image: string;
  readonly content: number;
  readonly digest: Buffer;
}

type Nulls<T> = { readonly [Key in keyof T]: NonNullable<T[Key]> | null };

/** Prepares its statements at once; every method throws what SQLite throws. */
export function createToldRows(db: Database, names: Names): ToldRows {
  const setSize = db.prepare<[number, number, Buffer]>(
    'UPDATE links SET shared_size = ? WHERE image = ? AND content = (SELECT id FROM contents WHERE digest = ?)',
  );
  const setSubject = db.prepare<[Buffer, Buffer]>(
    'UPDATE contents SET subject = ? WHERE digest = ? AND size IS NULL',
  );
  const selectLink = db.prepare<
    [number, Buffer],
    Nulls<Omit<LinkRow, 'subject'>> & { subject: Buffer | null }
  >(`
    SELECT e.name AS origin, m.name AS mediaType, c.size, l.shared_size AS sharedSize, c.subject
    FROM contents c JOIN links l ON l.content = c.id JOIN names e ON e.id = l.endpoint
      LEFT JOIN names m ON m.id = l.media_type
    WHERE l.image = ? AND c.digest = ?`);
  const tagsFrom = db.prepare<[number, string, number], TagRow>(`
    SELECT t.image AS imageId, i.name AS image, t.tag, c.digest, e.name AS endpoint, t.checked
    FROM tags t CROSS JOIN names i ON i.id = t.image CROSS JOIN contents c ON c.id = t.content
      CROSS JOIN names e ON e.id = t.endpoint
    WHERE (t.image, t.tag) > (?, ?) ORDER BY t.image, t.tag LIMIT ?`);
  const linksFrom = db.prepare<[number, number, number], RawLink>(`
    SELECT l.image AS imageId, i.name AS image, l.content, c.digest
    FROM links l CROSS JOIN names i ON i.id = l.image CROSS JOIN contents c ON c.id = l.content
    WHERE (l.image, l.content) > (?, ?) ORDER BY l.image, l.content LIMIT ?`);

  return {
    tagsFrom(after, limit) {
      const found = tagsFrom.all(...(after ?? [0, '']), limit);
      const end = found.at(-1);
      const tags = found.map(({ image, tag, digest, endpoint, checked }) => ({
        image,
        tag,
        value: { digest: keyDigest(digest), endpoint, checkedAt: checked },
      }));
      return { tags, last: end && [end.imageId, end.tag] };
    },
    linksFrom(after, limit) {
      const found = linksFrom.all(...(after ?? [0, 0]), limit);
      const end = found.at(-1);
      const links = found.map(({ image, digest }) => ({ image, digest: keyDigest(digest) }));
      return { links, last: end && [end.imageId, end.content] };
    },
    setSharedSize(image, digest, size) {
      const id = names.find(image);
      if (id !== undefined) setSize.run(size, id, digestKey(digest));
    },
    setSharedSubject: (digest, subject) => setSubject.run(digestKey(subject), digestKey(digest)),
    linkRow(image, digest) {
      const id = names.find(image);
      const row = id === undefined ? undefined : selectLink.get(id, digestKey(digest));
      if (!row) return undefined;
      const { origin, mediaType, size, sharedSize, subject } = row;
      return {
        origin: origin ?? '',
        mediaType: mediaType ?? undefined,
        size: size ?? undefined,
        sharedSize: sharedSize ?? undefined,
        subject: subject ? keyDigest(subject) : undefined,
      };
    },
  };
}
