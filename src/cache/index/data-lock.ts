/**
 * One process per data folder. `entrepot.lock` is a tiny SQLite database in which the holder keeps a transaction
 * open: a lock of the kernel, which ends with the process however it ends, `kill -9` included. SQLite's RESERVED
 * lock keeps other writers out and lets readers in, so a second process can read who holds it.
 */
import { hostname } from 'node:os';
import SqliteDatabase, { type Database } from 'better-sqlite3';
import { EntrepotError } from '../../errors.ts';

export interface DataLock {
  release(): void;
}

/** A process that is just ending is waited for this long, ms. */
const patience = 500;

/** Throws DATA_LOCKED naming the holder. */
export function lockData(path: string): DataLock {
  let db: Database | undefined;
  try {
    db = new SqliteDatabase(path, { timeout: patience });
    db.exec('BEGIN IMMEDIATE');
    db.exec('CREATE TABLE IF NOT EXISTS holder (pid INTEGER NOT NULL, host TEXT NOT NULL)');
    db.exec('DELETE FROM holder');
    db.prepare('INSERT INTO holder VALUES (?, ?)').run(process.pid, hostname());
    db.exec('COMMIT; BEGIN IMMEDIATE');
    const held = db;
    return { release: () => held.close() };
  } catch (error) {
    const problem = explain(db, path, error);
    db?.close();
    throw problem;
  }
}

function explain(db: Database | undefined, path: string, error: unknown): unknown {
  if (!db || !(error instanceof SqliteDatabase.SqliteError)) return error;
  if (error.code.startsWith('SQLITE_BUSY')) {
    return new EntrepotError(
      'DATA_LOCKED',
      `the data folder is in use by ${readHolder(db)}: stop it, or use another folder (--data)`,
      { file: path, cause: error },
    );
  }
  if (error.code.startsWith('SQLITE_NOTADB') || error.code.startsWith('SQLITE_CORRUPT')) {
    return new EntrepotError('DATA_UNUSABLE', 'is no lock file of Entrepot: remove it', {
      file: path,
      cause: error,
    });
  }
  return error;
}

function readHolder(db: Database): string {
  try {
    const row = db.prepare<[], { pid: number; host: string }>('SELECT pid, host FROM holder').get();
    return row ? `process ${row.pid} on ${row.host}` : 'another process';
  } catch {
    // The holder is just writing its name.
    return 'another process';
  }
}
