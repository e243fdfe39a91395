/**
 * Moves the write-ahead logs into the index and into its copy of what is hosted at each message, and answers it. This thread waits for the
 * disk, so that the main thread need not. The message `end` ends it.
 */
import { existsSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import SqliteDatabase from 'better-sqlite3';
import { hostedCopyPath } from './hosted-copy.ts';

const path = String(workerData);
const db = new SqliteDatabase(path, { fileMustExist: true });
const copy = hostedCopyPath(path);
if (existsSync(copy)) db.prepare('ATTACH ? AS hosted').run(copy);
// Flushes the log, then the index.
for (const { name } of db.pragma('database_list') as { name: string }[])
  db.pragma(`${name}.synchronous = NORMAL`);

parentPort?.on('message', (wanted) => {
  if (wanted === 'end') {
    db.close();
    parentPort?.close();
    return;
  }
  db.pragma('wal_checkpoint(PASSIVE)');
  parentPort?.postMessage('done');
});
