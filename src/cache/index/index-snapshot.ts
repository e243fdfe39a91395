/** The index as it was at one moment, in a file of its own, and what it says of contents. */
import { Worker } from 'node:worker_threads';
import SqliteDatabase from 'better-sqlite3';
import type { Digest } from '../../oci/digest.ts';
import { keyDigest } from './digest-key.ts';

export interface SnapshotContent {
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
  /** Some image hosts it. */
  readonly isHosted: boolean;
  /** Of a manifest. */
  readonly mediaType: string | undefined;
}

/** Hosted contents without a file here. */
export interface SnapshotMissing {
  /** No bucket has them either. */
  readonly lost: readonly Digest[];
  /** How many a bucket has. */
  readonly inBuckets: number;
}

interface Row {
  readonly digest: Buffer;
  readonly size: number;
  readonly isHosted: number;
  readonly mediaType: string | null;
}

const atOnce = 500;

/** `to` must not exist. Rejects with what SQLite says; then a part of `to` may be there. */
export function writeIndexSnapshot(from: string, to: string): Promise<void> {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  const url = new URL(`./snapshot-worker.${extension}`, import.meta.url);
  return new Promise((resolve, reject) => {
    const worker = new Worker(url, { workerData: { from, to } });
    worker.on('error', reject);
    worker.on('exit', () => resolve());
  });
}

/** What is stored by the snapshot, which may be of an earlier version; some at a time. */
export function* snapshotContents(file: string): Generator<readonly SnapshotContent[]> {
  const db = new SqliteDatabase(file, { fileMustExist: true, readonly: true });
  try {
    const rows = db.prepare<[Buffer, number], Row>(`
      SELECT digest, size, pinned = 2 AS isHosted, name AS mediaType FROM contents LEFT JOIN names ON names.id = media_type
      WHERE digest > ? AND size IS NOT NULL ORDER BY digest LIMIT ?`);
    for (let after: Buffer = Buffer.alloc(0); ; ) {
      const some = rows.all(after, atOnce);
      yield some.map(({ digest, size, isHosted, mediaType }) => ({
        digest: keyDigest(digest),
        size,
        isHosted: isHosted === 1,
        mediaType: mediaType ?? undefined,
      }));
      const last = some.at(-1);
      if (!last || some.length < atOnce) return;
      after = last.digest;
    }
  } finally {
    db.close();
  }
}

/** Of a snapshot of this version. */
export function snapshotMissing(file: string): SnapshotMissing {
  const db = new SqliteDatabase(file, { fileMustExist: true, readonly: true });
  try {
    const missing = 'FROM contents INDEXED BY contents_hosted WHERE pinned = 2 AND size IS NULL AND placed';
    const lost = db.prepare<[], Buffer>(`SELECT digest ${missing} = 0`).pluck().all();
    const inBuckets = db.prepare<[], number>(`SELECT count(*) ${missing} > 0`).pluck().get();
    return { lost: lost.map(keyDigest).toSorted(), inBuckets: inBuckets ?? 0 };
  } finally {
    db.close();
  }
}
