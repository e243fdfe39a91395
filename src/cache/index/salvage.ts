/**
 * Takes over from a damaged index what content cannot tell: which image links what, and the tags. Reads each table up to
 * the first row that cannot be read.
 */
import { setImmediate as turn } from 'node:timers/promises';
import SqliteDatabase from 'better-sqlite3';
import { keyDigest } from './digest-key.ts';
import type { IndexStore } from './index-store.ts';

export interface Salvaged {
  links: number;
  tags: number;
}

interface SavedRow {
  readonly image: string;
  readonly tag: string;
  readonly digest: Buffer;
  readonly endpoint: string;
  readonly time: number;
}

const atOnce = 200;

const links = `
  SELECT i.name AS image, '' AS tag, c.digest, e.name AS endpoint, c.used AS time FROM links l
  CROSS JOIN names i ON i.id = l.image CROSS JOIN names e ON e.id = l.endpoint CROSS JOIN contents c ON c.id = l.content`;
const tags = `
  SELECT i.name AS image, t.tag, c.digest, e.name AS endpoint, t.checked AS time FROM tags t
  CROSS JOIN names i ON i.id = t.image CROSS JOIN names e ON e.id = t.endpoint CROSS JOIN contents c ON c.id = t.content`;

/** What `index` knows by now is left as it is. */
export async function salvage(
  damaged: string,
  index: IndexStore,
  isStopped: () => boolean,
): Promise<Salvaged> {
  const salvaged: Salvaged = { links: 0, tags: 0 };
  for (const rows of readSome(damaged, links)) {
    if (isStopped()) break;
    const isNew = ({ image, digest }: SavedRow) => !index.isLinked(image, keyDigest(digest));
    salvaged.links += write(index, rows.filter(isNew), ({ image, digest, endpoint, time }) =>
      index.link(image, keyDigest(digest), endpoint, time),
    );
    await turn();
  }
  for (const rows of readSome(damaged, tags)) {
    if (isStopped()) break;
    const isNew = ({ image, tag }: SavedRow) => !index.tag(image, tag);
    salvaged.tags += write(index, rows.filter(isNew), ({ image, tag, digest, endpoint, time }) =>
      index.setTag(image, tag, { digest: keyDigest(digest), endpoint, checkedAt: time }),
    );
    await turn();
  }
  return salvaged;
}

function write(index: IndexStore, rows: readonly SavedRow[], one: (row: SavedRow) => void): number {
  index.transaction(() => rows.forEach(one));
  return rows.length;
}

function* readSome(path: string, sql: string): Generator<SavedRow[]> {
  let rows: SavedRow[] = [];
  try {
    const db = new SqliteDatabase(path, { fileMustExist: true });
    try {
      for (const row of db.prepare<[], SavedRow>(sql).iterate()) {
        rows.push(row);
        if (rows.length < atOnce) continue;
        yield rows;
        rows = [];
      }
    } finally {
      db.close();
    }
  } catch (error) {
    // Here the damage begins, or nothing could be read at all.
    if (!(error instanceof SqliteDatabase.SqliteError)) throw error;
  }
  if (rows.length > 0) yield rows;
}
