import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import SqliteDatabase from 'better-sqlite3';
import { createCheckpointer } from '../../../../src/cache/index/checkpointer.ts';
import { createManualClock } from '../../../support/clock.ts';
import { dataFolder } from '../data-folder-fixture.ts';

/** An index whose log is moved by the checkpointer alone. */
function setUp(t: TestContext) {
  const path = join(dataFolder(t), 'index.sqlite');
  const db = new SqliteDatabase(path);
  t.after(() => db.close());
  db.pragma('journal_mode = WAL');
  db.pragma('wal_autocheckpoint = 0');
  db.exec('CREATE TABLE t (x)');
  const clock = createManualClock();
  const problems: unknown[] = [];
  const checkpointer = createCheckpointer({ clock, onError: (error) => problems.push(error) }, path);
  return {
    ...{ path, clock, checkpointer, problems },
    /** More than a log that is left alone. */
    write: () => db.exec('INSERT INTO t VALUES (randomblob(5000000))'),
    /** Pages of the log that are not in the index. */
    unmoved() {
      const [state] = db.pragma('wal_checkpoint(NOOP)') as [{ log: number; checkpointed: number }];
      return state.log - state.checkpointed;
    },
  };
}

test('a log that has grown is moved into the index by another thread', async (t) => {
  const { path, clock, checkpointer, problems, write, unmoved } = setUp(t);
  write();
  await clock.advance(1000);
  const reader = new SqliteDatabase(path, { readonly: true });
  t.after(() => reader.close());
  while (unmoved() > 0 && problems.length === 0) await pause(5);
  assert.deepEqual(problems, []);
  await checkpointer.stop();
});

test('a part that writes very much waits for the checkpoint, and for the next one a while later', async (t) => {
  const { clock, checkpointer, problems, write, unmoved } = setUp(t);
  t.after(() => checkpointer.stop());
  write();
  await checkpointer.pace();
  assert.equal(unmoved(), 0);
  write();
  await checkpointer.pace();
  assert.ok(unmoved() > 0, 'the last checkpoint was a moment ago');
  await clock.advance(200);
  await checkpointer.pace();
  assert.equal(unmoved(), 0);
  await checkpointer.stop();
  write();
  await clock.advance(200);
  await checkpointer.pace();
  assert.ok(unmoved() > 0, 'it is stopped');
  assert.deepEqual(problems, []);
});

// To end it by force while it loads SQLite would end the process.
test('a thread that is stopped while it starts ends by itself, after what it was asked for', async (t) => {
  const { clock, checkpointer, problems, write, unmoved } = setUp(t);
  write();
  await clock.advance(1000);
  await checkpointer.stop();
  assert.equal(unmoved(), 0);
  assert.deepEqual(problems, []);
});

test('a thread that cannot work is reported, and stopping it does no harm', async (t) => {
  const path = join(dataFolder(t), 'index.sqlite');
  const db = new SqliteDatabase(path);
  db.pragma('journal_mode = WAL');
  db.exec('CREATE TABLE t (x); INSERT INTO t VALUES (randomblob(5000000))');
  const clock = createManualClock();
  const problem = Promise.withResolvers<unknown>();
  const checkpointer = createCheckpointer({ clock, onError: problem.resolve }, path);
  db.close();
  const { writeFileSync } = await import('node:fs');
  writeFileSync(`${path}-wal`, Buffer.alloc(5_000_000));
  writeFileSync(path, 'no database'.repeat(1000));
  await clock.advance(1000);
  await checkpointer.pace();
  assert.match(String(await problem.promise), /not a database/);
  await checkpointer.stop();
});
