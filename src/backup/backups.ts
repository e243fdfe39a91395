/**
 * `entrepot backup`: the state of one moment, while the server goes on. The process that holds the data folder takes the snapshot and gives
 * out its bytes; the command writes them (docs/decisions/0043).
 *
 *   a snapshot of the index, its files held --> BackupSource --> write-backup.ts: file-backup.ts, or folder-backup.ts
 *
 * Content that turns out to be damaged is lost from then on, for clients, too. The rest is then read for more of it, and a second
 * snapshot leaves all of it out.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { CacheSnapshot, SnapshotScope, Snapshots } from '../cache/snapshots.ts';
import { EntrepotError } from '../errors.ts';
import type { Clock } from '../lib/clock.ts';
import { KeyedLock } from '../lib/flow/keyed-lock.ts';
import { systemCode } from '../lib/thrown.ts';
import type { Digest } from '../oci/digest.ts';
import type { Log } from '../telemetry/log.ts';
import { type BackupFile, type BackupManifest, indexPath } from './backup-manifest.ts';
import { type BackupSource, overBlobs } from './backup-place.ts';
import { bytesStream, DamagedContent, fileStream, watchedStream } from './source-stream.ts';

export interface BackupReport extends BackupManifest {
  /** Bytes that were written. A folder keeps what it has. */
  readonly written: number;
  /** Hosted contents that are lost here, and so are not in the backup. */
  readonly lost: readonly Digest[];
  /** Hosted contents that buckets alone have: they are not in the backup. */
  readonly inBuckets: number;
}

/** Writes all of a backup, and gives the bytes that were written. May be called twice. */
export type WriteBackup = (source: BackupSource) => Promise<number>;

export interface BackupOptions {
  readonly write: WriteBackup;
  readonly signal: AbortSignal;
}

export interface Backups {
  /**
   * Rejects with what `write` rejects with, EntrepotError DATA_UNUSABLE if no snapshot can be taken, and BUNDLE_UNWRITABLE if content is
   * damaged again and again.
   */
  backup(scope: SnapshotScope, options: BackupOptions): Promise<BackupReport>;
}

export interface BackupsDeps {
  readonly snapshots: Snapshots;
  readonly clock: Pick<Clock, 'now'>;
  readonly log: Pick<Log, 'info'>;
  /** The data folder, and the small files in it that come along if they are there. */
  readonly data: string;
  readonly files: readonly string[];
  readonly version?: string | undefined;
}

/** One backup at a time. */
export function createBackups(deps: BackupsDeps): Backups {
  const running = new KeyedLock();
  return {
    backup: (scope, options) =>
      running.run('backup', async () => {
        options.signal.throwIfAborted();
        const report = (await attempt(deps, scope, options)) ?? (await attempt(deps, scope, options));
        if (!report) throw new EntrepotError('BUNDLE_UNWRITABLE', damagedAgain, { file: deps.data });
        const { contents, written } = report;
        const lost = report.lost.length;
        deps.log.info({ event: 'backup.done', scope, contents, written, lost }, 'a backup is done');
        return report;
      }),
  };
}

const damagedAgain = 'content is damaged again and again while it is read: check the disk';

/** Undefined if content turned out to be damaged: it counts as lost by now. */
async function attempt(
  deps: BackupsDeps,
  scope: SnapshotScope,
  { write, signal }: BackupOptions,
): Promise<BackupReport | undefined> {
  const snapshot = await deps.snapshots.take(scope);
  try {
    const source = await sourceOf(deps, snapshot, scope);
    const { lost, inBuckets } = snapshot;
    try {
      return { ...source.manifest, written: await write(source), lost, inBuckets };
    } catch (error) {
      if (!(error instanceof DamagedContent)) throw error;
      await readAll(source, signal);
      return undefined;
    }
  } finally {
    await snapshot.release();
  }
}

async function sourceOf(
  { data, files: named, clock, version = '' }: BackupsDeps,
  { index, contents, bytes, open }: CacheSnapshot,
  scope: SnapshotScope,
): Promise<BackupSource> {
  const indexDigest = await hashOf(createReadStream(index.file, { highWaterMark: 1024 * 1024 }));
  const files: BackupFile[] = [{ path: indexPath, digest: indexDigest, size: index.size }];
  /** Read at once: such a file is replaced by commands. */
  const bytesOf = new Map<Digest, Uint8Array>();
  for (const path of named) {
    const bytes = await readFile(join(data, path)).catch((error: unknown) => {
      if (systemCode(error) === 'ENOENT') return undefined;
      throw error;
    });
    if (!bytes) continue;
    const digest = await hashOf([bytes]);
    files.push({ path, digest, size: bytes.length });
    bytesOf.set(digest, bytes);
  }
  const isFile = (digest: Digest) => digest === indexDigest || bytesOf.has(digest);
  return {
    manifest: {
      created: new Date(clock.now()).toISOString(),
      program: version,
      scope,
      files,
      contents: contents.size,
      bytes,
    },
    *blobs() {
      for (const { digest, size } of files) yield [digest, size] as const;
      for (const one of contents) if (!isFile(one[0])) yield one;
    },
    bytes: files.reduce((sum, { size }) => sum + size, bytes),
    has: (digest) => isFile(digest) || contents.has(digest),
    async open(digest) {
      const bytes = bytesOf.get(digest);
      if (bytes) return bytesStream(bytes);
      if (digest === indexDigest) return fileStream(index.file);
      const content = await open(digest);
      if (!content) throw new DamagedContent(digest);
      return watchedStream(content, digest);
    },
  };
}

async function hashOf(chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<Digest> {
  const hash = createHash('sha256');
  for await (const chunk of chunks) hash.update(chunk);
  return `sha256:${hash.digest('hex')}` as Digest;
}

/** So that all damage is found at once. */
async function readAll(source: BackupSource, signal: AbortSignal): Promise<void> {
  await overBlobs(source, async (digest) => {
    signal.throwIfAborted();
    try {
      const { stream, close } = await source.open(digest);
      try {
        while (await stream.next());
      } finally {
        stream.close();
        close();
      }
    } catch (error) {
      if (!(error instanceof DamagedContent)) throw error;
    }
  });
}
