/**
 * One process per data folder. `entrepot.lock` is a tiny SQLite database in which the holder keeps a transaction
 * open: a lock of the kernel, which ends with the process however it ends, `kill -9` included. SQLite's RESERVED
 * lock keeps other writers out and lets readers in, so a second process can read which process holds it.
 *
 * `held` has a row from the start to an orderly end: with the boot in which that was, so that the next start can tell a killed
 * process from a machine that went down, and took with it what was not flushed. This database flushes each commit.
 */
import { closeSync, existsSync, openSync } from 'node:fs';
import { hostname } from 'node:os';
import SqliteDatabase, { type Database } from 'better-sqlite3';
import { EntrepotError } from '../../errors.ts';

export interface DataLock {
  /** `inOrder`: all that was written in the folder is on the disk. */
  release(inOrder: boolean): void;
}

export interface LockOptions {
  /** What tells this start of the machine from others, where known. */
  readonly boot: string | undefined;
  /** Called when the last holder came to no end and the machine has been started anew since, until once it returns. */
  readonly afterPowerCut: () => void;
}

/** A process that is just ending is waited for this long, ms. */
const patience = 500;

/** Throws DATA_LOCKED naming the holder. */
export function lockData(path: string, { boot, afterPowerCut }: LockOptions): DataLock {
  let db: Database | undefined;
  try {
    // SQLite itself would make a file that its group cannot write. (To close a file that is there would end its locks.)
    if (!existsSync(path)) closeSync(openSync(path, 'a', 0o660));
    db = new SqliteDatabase(path, { timeout: patience });
    db.exec('BEGIN IMMEDIATE');
    db.exec('CREATE TABLE IF NOT EXISTS holder (pid INTEGER NOT NULL, host TEXT NOT NULL)');
    db.exec('DELETE FROM holder');
    db.prepare('INSERT INTO holder VALUES (?, ?)').run(process.pid, hostname());
    db.exec('CREATE TABLE IF NOT EXISTS held (boot TEXT)');
    const left = db.prepare<[], { boot: string | null }>('SELECT boot FROM held').get();
    if (left && (left.boot === null || left.boot !== boot)) afterPowerCut();
    db.exec('DELETE FROM held');
    db.prepare('INSERT INTO held VALUES (?)').run(boot ?? null);
    db.exec('COMMIT; BEGIN IMMEDIATE');
    const held = db;
    return { release: (inOrder) => release(held, inOrder) };
  } catch (error) {
    const problem = explain(db, path, error);
    db?.close();
    throw problem;
  }
}

function release(db: Database, inOrder: boolean): void {
  try {
    if (inOrder) db.exec('DELETE FROM held; COMMIT');
  } finally {
    db.close();
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
