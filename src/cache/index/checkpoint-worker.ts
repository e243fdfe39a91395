/**
 * Moves what is in the write-ahead log into the index whenever it is told to: the waiting for the disk is this
 * thread's.
 */
import { parentPort, workerData } from 'node:worker_threads';
import SqliteDatabase from 'better-sqlite3';

const db = new SqliteDatabase(String(workerData), { fileMustExist: true });
// The log before the index, both flushed.
db.pragma('synchronous = NORMAL');

parentPort?.on('message', () => db.pragma('wal_checkpoint(PASSIVE)'));
