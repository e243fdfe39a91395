/**
 * A data folder that is made from a backup, whole or not at all:
 *
 *   restoring-v1/ .... contents and index come in; a kill leaves it, and a start or the next restore removes it
 *   restored-v1/ ..... the same, renamed once all of it is right and on the disk; a start or the restore moves it up
 *
 * The folder is locked meanwhile, so no server opens it.
 */
import { existsSync, mkdirSync, readdirSync, renameSync, rmdirSync, rmSync, statSync } from 'node:fs';
import { mkdir, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { EntrepotError } from '../errors.ts';
import { syncPath } from '../lib/sync-path.ts';
import { type Digest, digestAlgorithm, digestAlgorithms, digestHex } from '../oci/digest.ts';
import { folderCount } from './blobs/blob-store.ts';
import { flushFolder, makeFolder, unusable } from './data-folder.ts';
import { lockData } from './index/data-lock.ts';
import type { IndexRows } from './index/index-rows.ts';
import { openIndex } from './index/open-index.ts';
import { forgetReplica } from './index/placements/sqlite-placements.ts';
import { isWrongFile } from './index/sqlite-faults.ts';

const stageName = 'restoring-v1';
const wholeName = 'restored-v1';
const lockName = 'entrepot.lock';

export interface RestoredFolder {
  /** Where a content goes. The caller flushes the file. */
  pathOf(digest: Digest): Promise<string>;
  /** Where a file of the data folder goes, such as `index-v1.sqlite`. The caller flushes the file. */
  pathOfFile(name: string): string;
  /**
   * All that comes has come: index and contents are made to agree. Cached content that did not come is forgotten. `isList`: hosted content
   * need not come. Rejects with EntrepotError: BUNDLE_INVALID if the index is damaged or lacks hosted content, INDEX_TOO_NEW.
   */
  fit(options: { readonly isList: boolean; readonly now: number }): Promise<Fitted>;
  /** After `fit`: from here on the folder is a data folder. */
  commit(): Promise<void>;
  /** Removes what was not committed, and unlocks the folder. */
  close(): void;
}

export interface Fitted {
  /** Contents with their bytes. */
  readonly contents: number;
  /** Hosted contents without bytes. */
  readonly listed: number;
}

/** Throws EntrepotError: DATA_UNUSABLE for a folder with something in it, DATA_LOCKED. */
export function beginRestore(data: string): RestoredFolder {
  try {
    makeFolder(data);
  } catch (error) {
    throw unusable(data, error);
  }
  refuseUsed(data);
  const lock = lockData(join(data, lockName), { boot: undefined, afterPowerCut: () => {} });
  const stage = join(data, stageName);
  const content = join(stage, 'content-v1');
  /** Folders of contents, and of other files. */
  const made = new Set<string>();
  const folders = new Set<string>();
  try {
    // Another restore may have ended while this one waited for the lock.
    refuseUsed(data);
    rmSync(stage, { recursive: true, force: true });
    mkdirSync(content, { recursive: true, mode: 0o770 });
  } catch (error) {
    lock.release(true);
    throw unusable(data, error);
  }
  return {
    async pathOf(digest) {
      const folder = join(content, digestAlgorithm(digest), digestHex(digest).slice(0, 2));
      if (!made.has(folder)) await mkdir(folder, { recursive: true, mode: 0o770 });
      made.add(folder);
      return join(folder, digestHex(digest));
    },
    pathOfFile(name) {
      const path = join(stage, name);
      mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
      folders.add(dirname(path));
      return path;
    },
    async fit({ isList, now }) {
      try {
        return await fitIndex(stage, isList, now);
      } catch (error) {
        throw isWrongFile(error) ? damagedIndex(stage, error) : error;
      }
    },
    async commit() {
      for (const folder of made) await syncPath(folder);
      for (const algorithm of new Set([...made].map(dirname))) await syncPath(algorithm);
      for (const folder of folders) await syncPath(folder);
      for (const folder of [content, stage]) await syncPath(folder);
      await rename(stage, join(data, wholeName));
      await syncPath(data);
      finishRestore(data);
    },
    close() {
      rmSync(stage, { recursive: true, force: true });
      lock.release(true);
    },
  };
}

function refuseUsed(data: string): void {
  const found = readdirSync(data).find((name) => !isNothing(data, name));
  if (found === undefined) return;
  if (found === wholeName) {
    const message = 'is restored: start Entrepot on it, or remove it all to restore it again';
    throw new EntrepotError('DATA_UNUSABLE', message, { file: data });
  }
  const message = `has ${JSON.stringify(found)} in it, and a backup is restored into an empty folder only: name another one with --data, or move what is there away`;
  throw new EntrepotError('DATA_UNUSABLE', message, { file: data });
}

/** A server that met the lock has made folders. */
function isNothing(data: string, name: string): boolean {
  if (name === stageName || name === 'lost+found' || name.startsWith(lockName)) return true;
  const path = join(data, name);
  return statSync(path).isDirectory() && readdirSync(path).length === 0;
}

/** `file`: the backup, or the folder that it comes into. */
export function damagedIndex(file: string, cause?: unknown): EntrepotError {
  return new EntrepotError('BUNDLE_INVALID', 'the index in the backup is damaged', { file, cause });
}

/** Brings the index of the stage up to date, and makes it agree with the contents of the stage. */
async function fitIndex(stage: string, isList: boolean, now: number): Promise<Fitted> {
  const file = join(stage, 'index-v1.sqlite');
  const { index, setAside } = openIndex(file, now);
  try {
    if (setAside !== undefined) throw damagedIndex(stage);
    const fitted = { contents: 0, listed: 0 };
    for (const algorithm of digestAlgorithms) {
      for (let first = 0; first < folderCount; first += 1) {
        const folder = join(stage, 'content-v1', algorithm, hexOf(first));
        const here = new Set(existsSync(folder) ? readdirSync(folder) : []);
        const stored = index.storedIn(algorithm, first, undefined, Number.MAX_SAFE_INTEGER);
        index.transaction(() => {
          for (const { digest } of stored) {
            if (here.delete(digestHex(digest))) fitted.contents += 1;
            else if (!index.isHosted(digest)) forget(index, digest);
            else if (isList) {
              index.loseContent(digest);
              fitted.listed += 1;
            } else {
              const message = `the backup lacks ${digest}, which was pushed or imported`;
              throw new EntrepotError('BUNDLE_INVALID', message);
            }
          }
        });
        // What a folder of backups still had of an earlier one.
        for (const name of here) rmSync(join(folder, name));
      }
    }
    forgetReplica(index);
    return fitted;
  } finally {
    index.close();
  }
}

/** Cached content. What a bucket has keeps its names: it comes back from there. */
function forget(index: IndexRows, digest: Digest): void {
  if (index.isPlaced(digest)) index.loseContent(digest);
  else index.dropContent(digest);
}

function hexOf(byte: number): string {
  return byte.toString(16).padStart(2, '0');
}

/**
 * Call it with the lock of the data folder, before anything in it is opened. Moves up what a restore has finished, and removes what one
 * has left. True: something was left.
 */
export function finishRestore(data: string): boolean {
  const whole = join(data, wholeName);
  if (existsSync(whole)) {
    for (const name of readdirSync(whole)) renameSync(join(whole, name), join(data, name));
    flushFolder(data);
    rmdirSync(whole);
  }
  const stage = join(data, stageName);
  if (!existsSync(stage)) return false;
  rmSync(stage, { recursive: true, force: true });
  return true;
}
