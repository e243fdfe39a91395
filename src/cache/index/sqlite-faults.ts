/** What SQLite says of a file that is broken, or of a disk that is full. */
import SqliteDatabase from 'better-sqlite3';

/** Whether SQLite says that the file is no database, or no longer one. */
export function isDamage(error: unknown): boolean {
  return error instanceof SqliteDatabase.SqliteError && /^SQLITE_(?:CORRUPT|NOTADB)/.test(error.code);
}

/** Whether SQLite found no space on the disk. */
export function isDiskFull(error: unknown): boolean {
  return error instanceof SqliteDatabase.SqliteError && error.code === 'SQLITE_FULL';
}

/** Whether SQLite refuses a file for what is in it: it is damaged, or has other tables. Not for its disk or its rights. */
export function isWrongFile(error: unknown): boolean {
  const passing = /^SQLITE_(?:FULL|IOERR|READONLY|CANTOPEN|PERM|NOMEM|BUSY|LOCKED)/;
  return error instanceof SqliteDatabase.SqliteError && !passing.test(error.code);
}
