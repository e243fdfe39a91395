/**
 * Moves the write-ahead log into the index at each message. This thread waits for the disk, so that the main thread need not.
 */
import { parentPort, workerData } from 'node:worker_threads';
import SqliteDatabase from 'better-sqlite3';

const db = new SqliteDatabase(String(workerData), { fileMustExist: true });
// Flushes the log, then the index.
db.pragma('synchronous = NORMAL');

parentPort?.on('message', () => db.pragma('wal_checkpoint(PASSIVE)'));
