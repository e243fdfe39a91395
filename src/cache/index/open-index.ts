/**
 * Opens `index-v1.sqlite` and brings its schema up to date. A file that SQLite cannot read is set aside, and the start goes on:
 * content can be indexed again from the files (`reconcile.ts`), links and tags are read from the file that was set aside
 * (`salvage.ts`). Which files are still to be read stands in `index-v1.sqlite.salvaging`, one name on a line, so that a process
 * that is killed meanwhile leaves that to the next one.
 */
import { closeSync, existsSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import SqliteDatabase, { type Database } from 'better-sqlite3';
import { EntrepotError } from '../../errors.ts';
import { attachHostedCopy } from './hosted-copy.ts';
import type { IndexRows } from './index-rows.ts';
import { migrations } from './migrations.ts';
import { isDamage } from './sqlite-faults.ts';
import { createSqliteIndex } from './sqlite-index.ts';

export interface OpenedIndex {
  readonly index: IndexRows;
  /** Where a file that could not be read is now. */
  readonly setAside: string | undefined;
}

/** `now` is epoch ms, for the name of a file that is set aside. Throws EntrepotError: INDEX_TOO_NEW, DATA_UNUSABLE. */
export function openIndex(path: string, now: number): OpenedIndex {
  try {
    return { index: createSqliteIndex(openDatabase(path)), setAside: undefined };
  } catch (error) {
    if (!isDamage(error)) throw error;
    const setAside = setAsideIndex(path, now);
    return { index: createSqliteIndex(openDatabase(path)), setAside };
  }
}

/** Keeps the file, which must be closed, for salvage. Gives its new name. */
export function setAsideIndex(path: string, now: number): string {
  const name = `${path}.damaged-${new Date(now).toISOString().replaceAll(/[-:]|\.\d+/g, '')}`;
  let setAside = name;
  for (let n = 2; existsSync(setAside); n += 1) setAside = `${name}-${n}`;
  // First: a name without a file does no harm, a file without a name would never be read.
  writeUnsalvaged(path, [...unsalvaged(path), setAside]);
  for (const suffix of ['', '-wal', '-shm']) {
    if (existsSync(path + suffix)) renameSync(path + suffix, setAside + suffix);
  }
  return setAside;
}

/** Files that were set aside, and from which links and tags are still to be read; the newest last. */
export function unsalvaged(path: string): string[] {
  const list = salvageList(path);
  if (!existsSync(list)) return [];
  const names = readFileSync(list, 'utf8').split('\n').filter(Boolean);
  return names.map((name) => join(dirname(path), basename(name)));
}

/** All that can be read from the file is in the index now. */
export function forgetUnsalvaged(path: string, file: string): void {
  writeUnsalvaged(
    path,
    unsalvaged(path).filter((other) => other !== file),
  );
}

function writeUnsalvaged(path: string, files: readonly string[]): void {
  const list = salvageList(path);
  if (files.length === 0) rmSync(list, { force: true });
  else writeFileSync(list, files.map((file) => `${basename(file)}\n`).join(''), { mode: 0o660, flush: true });
}

function salvageList(path: string): string {
  return `${path}.salvaging`;
}

function openDatabase(path: string): Database {
  // SQLite itself would make a file that its group cannot write. (To close a file that is there would end its locks.)
  if (path !== ':memory:' && !existsSync(path)) closeSync(openSync(path, 'a', 0o660));
  const db = new SqliteDatabase(path, { timeout: 5000 });
  try {
    db.pragma('journal_mode = WAL');
    // The log is flushed at checkpoints only: a power cut may take the last transactions, never the rest.
    db.pragma('synchronous = NORMAL');
    db.pragma('foreign_keys = ON');
    db.pragma('cache_size = -65536');
    // The checkpointer does it on its own thread; this is for when it cannot keep up.
    db.pragma('wal_autocheckpoint = 16384');
    db.pragma('journal_size_limit = 67108864');
    const version = versionOf(db, path);
    attachHostedCopy(db, path, () => migrate(db, version));
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

/** 0: there is nothing in it. */
function versionOf(db: Database, path: string): number {
  const version = Number(db.pragma('user_version', { simple: true }));
  if (version > migrations.length) {
    throw new EntrepotError(
      'INDEX_TOO_NEW',
      `the index has version ${version}, this Entrepot knows versions up to ${migrations.length}: ` +
        'run the newer Entrepot that wrote it, or remove this file with its -wal and -shm: it is built anew from the ' +
        'content, and each image is asked for once more',
      { file: path },
    );
  }
  const tables = db.prepare<[], number>("SELECT count(*) FROM sqlite_master WHERE type = 'table'").pluck();
  if (version === 0 && tables.get() !== 0) {
    throw new EntrepotError(
      'DATA_UNUSABLE',
      'is a database that Entrepot did not write: move it away, and the index is built anew from the content',
      { file: path },
    );
  }
  return version;
}

/** Within a transaction. True: there was nothing in it before. */
function migrate(db: Database, version: number): boolean {
  for (const sql of migrations.slice(version)) db.exec(sql);
  db.pragma(`user_version = ${migrations.length}`);
  return version === 0;
}
