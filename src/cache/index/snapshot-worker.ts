/**
 * Writes the index as it is at one moment into a new file, on a thread of its own: to read all of it takes seconds. `VACUUM INTO` runs in
 * one read transaction, so writers go on beside it, and the write-ahead log grows meanwhile.
 */
import { workerData } from 'node:worker_threads';
import SqliteDatabase from 'better-sqlite3';

const { from, to } = workerData as { readonly from: string; readonly to: string };
const db = new SqliteDatabase(from, { fileMustExist: true });
db.prepare('VACUUM INTO ?').run(to);
db.close();
const copy = new SqliteDatabase(to, { fileMustExist: true });
const found = copy.pragma('quick_check(1)', { simple: true });
copy.close();
if (found !== 'ok') throw new Error(`the snapshot of the index is damaged: ${String(found)}`);
