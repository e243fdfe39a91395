/**
 * Takes over from a damaged index what content cannot tell: which image links what, and the tags.
 *
 * Every row that is needed is in the file twice, in its table and in an index on that table. So each is read from the table up to
 * the first page that cannot be read, and then from the index:
 *
 *   names, contents .. the unique index on the text or the digest gives the row's number, too
 *   links, tags ...... the index on the content gives all but the time: a tag counts as never confirmed, so its next use
 *                      revalidates it. An index of before version 6 has no endpoint: the image's own name stands for it then.
 *
 * What is hosted stays hosted, also where the image has been pulled again meanwhile.
 *
 * Only a file with a damaged first page, which has the schema, gives nothing.
 */
import { setImmediate as turn } from 'node:timers/promises';
import SqliteDatabase, { type Database } from 'better-sqlite3';
import { type Digest, parseDigest } from '../../oci/digest.ts';
import { isHosted } from './catalogue.ts';
import { keyDigest } from './digest-key.ts';
import type { IndexRows } from './index-rows.ts';

/** Links and tags that were taken over. */
export interface Salvaged {
  links: number;
  tags: number;
}

interface KeyRow<Stored> {
  readonly key: number;
  readonly value: Stored;
  /** Last use of a content, epoch ms. */
  readonly used: number | null;
}

interface Content {
  readonly digest: Digest;
  readonly used: number | null;
}

interface SavedRow {
  readonly image: number;
  readonly tag: string;
  readonly content: number;
  readonly endpoint: number | null;
  /** Epoch ms. */
  readonly checked: number;
}

/** Rows that are read and written before others get their turn. */
const atOnce = 200;

const names = [
  'SELECT id AS key, name AS value, NULL AS used FROM names',
  'SELECT id AS key, name AS value, NULL AS used FROM names INDEXED BY sqlite_autoindex_names_1',
];
const contents = [
  'SELECT id AS key, digest AS value, used FROM contents',
  'SELECT id AS key, digest AS value, NULL AS used FROM contents INDEXED BY sqlite_autoindex_contents_1',
];
const links = [
  "SELECT image, '' AS tag, content, endpoint, 0 AS checked FROM links",
  "SELECT image, '' AS tag, content, endpoint, 0 AS checked FROM links INDEXED BY links_content",
  "SELECT image, '' AS tag, content, NULL AS endpoint, 0 AS checked FROM links INDEXED BY links_content",
];
const tags = [
  'SELECT image, tag, content, endpoint, checked FROM tags',
  'SELECT image, tag, content, endpoint, 0 AS checked FROM tags INDEXED BY tags_content',
  'SELECT image, tag, content, NULL AS endpoint, 0 AS checked FROM tags INDEXED BY tags_content',
];

export interface SalvageOptions {
  /** Epoch ms. */
  readonly now: number;
  readonly isStopped: () => boolean;
}

/**
 * Reads the file at `damaged` into `index`. What `index` knows by now stays as it is. Holds the names and digests of
 * the file in memory, about 150 bytes for each content. Never throws what SQLite says of the damaged file.
 */
export async function salvage(
  damaged: string,
  index: IndexRows,
  { now, isStopped }: SalvageOptions,
): Promise<Salvaged> {
  const nameOf = new Map<number, string>();
  const contentOf = new Map<number, Content>();

  /** Calls `take` for each row that one of the queries gives, in slices that `around` runs. */
  async function read<Row>(
    queries: readonly string[],
    take: (row: Row) => void,
    around: (work: () => void) => void = (work) => work(),
  ): Promise<void> {
    for (const sql of queries) {
      for (const rows of readSome<Row>(damaged, sql)) {
        if (isStopped()) return;
        around(() => rows.forEach(take));
        await turn();
      }
    }
  }

  await read<KeyRow<string>>(names, ({ key, value }) => nameOf.set(key, value));
  await read<KeyRow<Buffer>>(contents, ({ key, value, used }) => {
    const digest = parseDigest(keyDigest(value));
    if (digest && !contentOf.has(key)) contentOf.set(key, { digest, used });
  });
  const salvaged: Salvaged = { links: 0, tags: 0 };
  const endpointOf = ({ endpoint }: SavedRow, image: string) => nameOf.get(endpoint ?? -1) ?? image;
  await read<SavedRow>(
    links,
    (row) => {
      const image = nameOf.get(row.image);
      const content = contentOf.get(row.content);
      if (image === undefined || !content) return;
      const origin = endpointOf(row, image);
      if (index.isLinked(image, content.digest) && !isHosted(origin)) return;
      index.link(image, content.digest, origin, content.used ?? now);
      salvaged.links += 1;
    },
    index.transaction,
  );
  await read<SavedRow>(
    tags,
    (row) => {
      const image = nameOf.get(row.image);
      const content = contentOf.get(row.content);
      if (image === undefined || !content) return;
      const endpoint = endpointOf(row, image);
      const known = index.tag(image, row.tag);
      if (known && (isHosted(known.endpoint) || !isHosted(endpoint))) return;
      const checkedAt = Math.max(row.checked, known?.checkedAt ?? 0);
      index.setTag(image, row.tag, { digest: content.digest, endpoint, checkedAt });
      salvaged.tags += 1;
    },
    index.transaction,
  );
  return salvaged;
}

/** Rows, some at a time, up to the first that cannot be read. */
function* readSome<Row>(path: string, sql: string): Generator<Row[]> {
  let rows: Row[] = [];
  let db: Database | undefined;
  try {
    db = new SqliteDatabase(path, { fileMustExist: true });
    for (const row of db.prepare<[], Row>(sql).iterate()) {
      rows.push(row);
      if (rows.length < atOnce) continue;
      yield rows;
      rows = [];
    }
  } catch (error) {
    if (!(error instanceof SqliteDatabase.SqliteError)) throw error;
  } finally {
    db?.close();
  }
  if (rows.length > 0) yield rows;
}
