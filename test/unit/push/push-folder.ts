/** A data folder that was closed, read from outside: rows, files and sums must agree. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import SqliteDatabase from 'better-sqlite3';
import type { UploadUsage } from '../../../src/push/uploads.ts';
import { digestOf } from './push-universe.ts';

/** Fails with the first thing that does not fit. `charged`: bytes by the quota of all images. */
export function assertInOrder(
  data: string,
  { uploads, charged }: { readonly uploads: UploadUsage; readonly charged: number },
): void {
  const db = new SqliteDatabase(join(data, 'index-v1.sqlite'), { readonly: true });
  try {
    const one = <Row>(sql: string) => db.prepare<[], Row>(sql).get() as Row;
    const hosted = "endpoint IN (SELECT id FROM names WHERE name IN ('push', 'bundle'))";
    const lost = one<{ n: number }>(
      `SELECT count(*) AS n FROM links JOIN contents c ON c.id = content WHERE ${hosted} AND c.size IS NULL`,
    );
    assert.equal(lost.n, 0, 'each hosted link has its content');
    const tags = one<{ n: number }>(`
      SELECT count(*) AS n FROM tags t WHERE ${hosted} AND NOT EXISTS (
        SELECT 1 FROM links l WHERE l.image = t.image AND l.content = t.content)`);
    assert.equal(tags.n, 0, 'each hosted tag points to what its image links');
    const sums = one<Record<string, number>>(`
      SELECT coalesce(sum(size), 0) AS bytes, count(size) AS contents,
        coalesce(sum(iif(pinned = 2, size, 0)), 0) AS hosted_bytes, sum(pinned = 2 AND size IS NOT NULL) AS hosted_contents
      FROM contents`);
    const totals = one<Record<string, number>>(
      'SELECT bytes, contents, hosted_bytes, hosted_contents FROM totals',
    );
    assert.deepEqual({ ...totals }, { ...sums, hosted_contents: sums.hosted_contents ?? 0 });
    const linked = one<{ bytes: number }>(`
      SELECT coalesce(sum(size), 0) AS bytes FROM contents
      WHERE EXISTS (SELECT 1 FROM links WHERE content = contents.id)`);
    assert.equal(charged, linked.bytes, 'the quota has what images link');
    const marks = one<{ n: number }>(`
      SELECT count(*) AS n FROM contents WHERE (pinned = 2) <> EXISTS (
        SELECT 1 FROM links WHERE content = contents.id AND ${hosted})`);
    assert.equal(marks.n, 0, 'what is hosted is marked, and nothing else');
    const rows = db
      .prepare<[], { digest: string; size: number }>(
        "SELECT 'sha256:' || lower(hex(substr(digest, 2))) AS digest, size FROM contents WHERE size IS NOT NULL",
      )
      .all();
    const files = new Map(
      filesOf(join(data, 'content-v1', 'sha256')).map((bytes) => [digestOf(bytes), bytes.length]),
    );
    assert.deepEqual(
      files,
      new Map(
        rows.toSorted((a, b) => (a.digest < b.digest ? -1 : 1)).map(({ digest, size }) => [digest, size]),
      ),
      'each stored content has its file, whole, and each file its row',
    );
    db.prepare('ATTACH ? AS hosted').run(join(data, 'hosted-v1.sqlite'));
    const names =
      'JOIN names i ON i.id = image JOIN contents c ON c.id = content JOIN names o ON o.id = endpoint';
    const differing = (mine: string, copied: string) =>
      db
        .prepare(
          `SELECT * FROM (${mine} EXCEPT ${copied}) UNION ALL SELECT * FROM (${copied} EXCEPT ${mine})`,
        )
        .all();
    assert.deepEqual(
      [
        differing(
          `SELECT i.name, c.digest, o.name FROM links ${names} WHERE ${hosted}`,
          'SELECT image, digest, origin FROM hosted_links',
        ),
        differing(
          `SELECT i.name, tag, c.digest, o.name FROM tags ${names} WHERE ${hosted}`,
          'SELECT image, tag, digest, origin FROM hosted_tags',
        ),
      ],
      [[], []],
      'the copy of what is hosted has the same',
    );
  } finally {
    db.close();
  }
  assert.equal(readdirSync(join(data, 'uploads')).length, 2 * uploads.uploads);
}

function filesOf(folder: string): Buffer[] {
  if (!existsSync(folder)) return [];
  const names = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((one) => one.isFile());
  return names
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .map(({ parentPath, name }) => readFileSync(join(parentPath, name)));
}
