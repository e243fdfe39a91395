/**
 * A second record of what is hosted: `hosted-v1.sqlite`, beside the index. Hosted content has no other home, and an index with a
 * damaged first page gives no link and no tag back (`salvage.ts`). So each of them stands in two files before a client gets its 201.
 *
 * The copy is attached to the connection of the index. Temporary triggers write each change of a hosted row into it, in the same
 * transaction, so no statement can forget it. It is flushed with each commit.
 *
 *   the index is new ........................ what the copy has goes into it, in the transaction that makes its tables
 *   both were closed together, in order ..... nothing to do
 *   else, or the copy is damaged ............ the copy is written anew from the index: a commit may have reached one of them only
 */
import { randomUUID } from 'node:crypto';
import { closeSync, existsSync, openSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import SqliteDatabase, { type Database } from 'better-sqlite3';
import { isDamage } from './sqlite-faults.ts';

const origins = "(SELECT id FROM names WHERE name IN ('push', 'bundle'))";

const schema = `
  CREATE TABLE IF NOT EXISTS hosted.hosted_links (
    image_id INTEGER NOT NULL,            -- numbers of the rows of the index, by which a row is found again
    content_id INTEGER NOT NULL,
    image TEXT NOT NULL,
    digest BLOB NOT NULL,
    origin TEXT NOT NULL,
    media_type TEXT,
    PRIMARY KEY (image_id, content_id)
  ) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS hosted.hosted_tags (
    image_id INTEGER NOT NULL,
    tag TEXT NOT NULL,
    image TEXT NOT NULL,
    digest BLOB NOT NULL,
    origin TEXT NOT NULL,
    checked INTEGER NOT NULL,             -- epoch ms
    PRIMARY KEY (image_id, tag)
  ) WITHOUT ROWID;
  -- The same text stands in the index's meta while both are closed in order.
  CREATE TABLE IF NOT EXISTS hosted.hosted_state (token TEXT NOT NULL);
`;

/** Rows of the copy for rows of the index. */
const linkRow = `SELECT l.image, l.content, i.name, c.digest, o.name, m.name
  FROM contents c CROSS JOIN links l ON l.content = c.id JOIN names i ON i.id = l.image JOIN names o ON o.id = l.endpoint
    LEFT JOIN names m ON m.id = l.media_type`;
const tagRow = `SELECT t.image, t.tag, i.name, c.digest, o.name, t.checked
  FROM contents c CROSS JOIN tags t ON t.content = c.id JOIN names i ON i.id = t.image JOIN names o ON o.id = t.endpoint`;

// In a trigger the statement that fired it decides about conflicts, so OR REPLACE would mean nothing.
const dropLink = 'DELETE FROM hosted_links WHERE image_id = old.image AND content_id = old.content;';
const putLink = `INSERT INTO hosted_links ${linkRow} WHERE c.id = new.content AND l.image = new.image;`;
const dropTag = 'DELETE FROM hosted_tags WHERE image_id = old.image AND tag = old.tag;';
const putTag = `INSERT INTO hosted_tags ${tagRow} WHERE c.id = new.content AND t.image = new.image AND t.tag = new.tag;`;
const isNow = `new.endpoint IN ${origins}`;
const was = `old.endpoint IN ${origins}`;

const triggers = `
  CREATE TEMP TRIGGER hosted_link_added AFTER INSERT ON main.links WHEN ${isNow} BEGIN ${putLink} END;
  CREATE TEMP TRIGGER hosted_link_changed AFTER UPDATE ON main.links WHEN ${isNow} BEGIN ${dropLink} ${putLink} END;
  CREATE TEMP TRIGGER hosted_link_removed AFTER DELETE ON main.links WHEN ${was} BEGIN ${dropLink} END;
  CREATE TEMP TRIGGER hosted_tag_added AFTER INSERT ON main.tags WHEN ${isNow} BEGIN ${putTag} END;
  CREATE TEMP TRIGGER hosted_tag_left AFTER UPDATE ON main.tags WHEN ${was} AND NOT ${isNow} BEGIN ${dropTag} END;
  CREATE TEMP TRIGGER hosted_tag_changed AFTER UPDATE ON main.tags WHEN ${isNow} BEGIN ${dropTag} ${putTag} END;
  CREATE TEMP TRIGGER hosted_tag_removed AFTER DELETE ON main.tags WHEN ${was} BEGIN ${dropTag} END;
`;

const takeOver = `
  INSERT OR IGNORE INTO names (name)
    SELECT image FROM hosted_links UNION SELECT origin FROM hosted_links
    UNION SELECT media_type FROM hosted_links WHERE media_type IS NOT NULL
    UNION SELECT image FROM hosted_tags UNION SELECT origin FROM hosted_tags;
  INSERT OR IGNORE INTO contents (digest, used)
    SELECT digest, unixepoch() * 1000 FROM hosted_links UNION SELECT digest, unixepoch() * 1000 FROM hosted_tags;
  INSERT INTO links (image, content, endpoint, media_type)
    SELECT i.id, c.id, o.id, m.id FROM hosted_links h JOIN names i ON i.name = h.image JOIN contents c ON c.digest = h.digest
      JOIN names o ON o.name = h.origin LEFT JOIN names m ON m.name = h.media_type;
  INSERT INTO tags (image, tag, content, endpoint, checked)
    SELECT i.id, h.tag, c.id, o.id, h.checked FROM hosted_tags h JOIN names i ON i.name = h.image
      JOIN contents c ON c.digest = h.digest JOIN names o ON o.name = h.origin;
`;

const writeAnew = `
  DELETE FROM hosted_links;
  DELETE FROM hosted_tags;
  INSERT INTO hosted_links ${linkRow} WHERE c.pinned = 2 AND l.endpoint IN ${origins};
  INSERT INTO hosted_tags ${tagRow} WHERE c.pinned = 2 AND t.endpoint IN ${origins};
`;

const stateKey = 'hosted-copy';

/** Where the copy of the index at `path` is. */
export function hostedCopyPath(path: string): string {
  return path === ':memory:' ? path : join(dirname(path), 'hosted-v1.sqlite');
}

/**
 * Attaches the copy to the index at `path`. `migrate` brings the schema of the index up to date, and says whether it had none before: as
 * long as the index has not what the copy gives it, it is new. Throws what SQLite says of the index; a copy that is damaged is made anew.
 */
export function attachHostedCopy(db: Database, path: string, migrate: () => boolean): void {
  const copy = hostedCopyPath(path);
  try {
    attach(db, copy, migrate);
  } catch (error) {
    if (!isDamage(error) || copy === ':memory:') throw error;
    detach(db);
    if (isWhole(copy)) throw error;
    for (const suffix of ['', '-wal', '-shm']) rmSync(copy + suffix, { force: true });
    attach(db, copy, migrate);
  }
  db.exec(triggers);
}

/** Notes in both files that they agree. Call it right before the index is closed. Throws what SQLite says. */
export function closeHostedCopy(db: Database): void {
  const token = randomUUID();
  db.transaction(() => {
    db.prepare('INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)').run(stateKey, token);
    db.prepare('INSERT INTO hosted_state (token) VALUES (?)').run(token);
  })();
}

function attach(db: Database, copy: string, migrate: () => boolean): void {
  // SQLite itself would make a file that its group cannot write.
  if (copy !== ':memory:' && !existsSync(copy)) closeSync(openSync(copy, 'a', 0o660));
  db.prepare('ATTACH ? AS hosted').run(copy);
  db.pragma('hosted.journal_mode = WAL');
  db.pragma('hosted.synchronous = FULL');
  db.pragma('hosted.journal_size_limit = 67108864');
  db.exec(schema);
  db.transaction(() => {
    const isNew = migrate();
    if (isNew) db.exec(takeOver);
    if (isNew || !agrees(db)) db.exec(writeAnew);
    db.exec(`DELETE FROM hosted_state; DELETE FROM meta WHERE key = '${stateKey}'`);
  })();
}

function agrees(db: Database): boolean {
  return (
    db
      .prepare<[string], number>('SELECT count(*) FROM meta JOIN hosted_state ON token = value WHERE key = ?')
      .pluck()
      .get(stateKey) === 1
  );
}

/** Of which of the two files SQLite has complained, the copy alone tells: the index may be damaged in any page. */
function isWhole(copy: string): boolean {
  try {
    const db = new SqliteDatabase(copy, { fileMustExist: true });
    try {
      return db.pragma('integrity_check(1)', { simple: true }) === 'ok';
    } finally {
      db.close();
    }
  } catch (error) {
    if (!isDamage(error)) throw error;
    return false;
  }
}

function detach(db: Database): void {
  const names = db.pragma('database_list') as { name: string }[];
  if (names.some(({ name }) => name === 'hosted')) db.exec('DETACH hosted');
}
