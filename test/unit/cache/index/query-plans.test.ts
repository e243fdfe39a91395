import assert from 'node:assert/strict';
import { test } from 'node:test';
import SqliteDatabase from 'better-sqlite3';
import { migrations } from '../../../../src/cache/index/migrations.ts';
import { createSqliteIndex } from '../../../../src/cache/index/sqlite-index.ts';

/** Every statement that the index prepares, caught on its way. */
function preparedStatements(): { sql: string; plan: string[] }[] {
  const db = new SqliteDatabase(':memory:');
  for (const step of migrations) db.exec(step);
  const statements: string[] = [];
  const caught = new Proxy(db, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== 'function') return value;
      if (name !== 'prepare') return value.bind(target);
      return (sql: string) => {
        statements.push(sql);
        return target.prepare(sql);
      };
    },
  });
  createSqliteIndex(caught);
  return statements.map((sql) => {
    const names = [...sql.matchAll(/\$(\w+)/g)].map(([, name]) => [name, null]);
    const parameters =
      names.length > 0 ? [Object.fromEntries(names)] : Array(sql.split('?').length - 1).fill(null);
    const rows = db.prepare(`EXPLAIN QUERY PLAN ${sql}`).all(...parameters) as { detail: string }[];
    return { sql, plan: rows.map(({ detail }) => detail) };
  });
}

const allowed = [
  /^SCAN totals$/, // one row
  /^SCAN (?:p|b|l|listed|below|a|u|asked|up|one)$/, // what the statement itself gathered, which is bounded
  /^SCAN CONSTANT ROW$/,
  /^SCAN (?:j|json_each) VIRTUAL TABLE INDEX 1:$/, // a parameter
  /^SCAN lists USING COVERING INDEX lists_checked$/, // its first entry
  /^SCAN jobs USING (?:COVERING )?INDEX jobs_(?:failed|over)$/, // its first entries
  /^SCAN replicas USING (?:COVERING )?INDEX replicas_failed$/, // its first entry
  /^SCAN replica_counts$/, // one row for each state
  /^SCAN (?:s|stores)$/, // the buckets of the configuration
  /^SCAN placement_counts$/, // one row for each bucket and state
  /^SCAN job_counts$/, // one row for each kind and state
  /^SCAN inbox$/, // its first entries
  /^SCAN facts$/, // its first entries
  /^SCAN outbox_counts$/, // one row for each sink and state
  /^SCAN lists$/, // all lists, whose bytes are bounded: only gc reads them
];

test('no statement of the index scans a table or sorts what it found, so none slows down as the index grows', () => {
  const statements = preparedStatements();
  assert.ok(statements.length > 30, `${statements.length} statements were caught`);
  for (const { sql, plan } of statements) {
    const slow = plan.filter(
      (detail) =>
        (/\bSCAN\b/.test(detail) && !allowed.some((pattern) => pattern.test(detail))) ||
        /TEMP B-TREE/.test(detail),
    );
    assert.deepEqual(slow, [], `${sql}\n${plan.join('\n')}`);
  }
});
