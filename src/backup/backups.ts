/**
 * `entrepot backup`: the state of one moment, while the server goes on.
 *
 *   a snapshot of the index, its files held --> file-backup.ts     one tar: a draft, flushed, then renamed
 *                                           '-> folder-backup.ts   a folder that is brought up to date; its manifest is renamed last
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
import { freeOnDisk } from '../lib/disk-space.ts';
import { KeyedLock } from '../lib/flow/keyed-lock.ts';
import { systemCode } from '../lib/thrown.ts';
import type { Digest } from '../oci/digest.ts';
import type { Log } from '../telemetry/log.ts';
import { type BackupFile, type BackupManifest, indexPath } from './backup-manifest.ts';
import { type BackupSource, isFolderBackup, overBlobs } from './backup-place.ts';
import { writeFileBackup } from './file-backup.ts';
import { writeFolderBackup } from './folder-backup.ts';
import { bytesStream, DamagedContent, fileStream, watchedStream } from './source-stream.ts';

export interface BackupRequest {
  /** Absolute. A folder that is there, or a path that ends with a slash: a folder; else a file. */
  readonly to: string;
  readonly scope: SnapshotScope;
}

export interface BackupProgress {
  /** Bytes that are in the backup, and of all. */
  readonly done: number;
  readonly size: number;
}

export interface BackupReport extends BackupManifest {
  readonly to: string;
  readonly kind: 'file' | 'folder';
  /** Bytes that were written. A folder keeps what it has. */
  readonly written: number;
  /** Hosted contents that are lost here, and so are not in the backup. */
  readonly lost: readonly Digest[];
  /** Hosted contents that buckets alone have: they are not in the backup. */
  readonly inBuckets: number;
}

export interface BackupOptions {
  readonly onProgress: (progress: BackupProgress) => void;
  readonly signal: AbortSignal;
}

export interface Backups {
  /**
   * Throws EntrepotError: USAGE for a wrong `to`, BUNDLE_UNWRITABLE where it cannot be written, or once `signal` is aborted. A backup that
   * was at `to` is whole until the new one is.
   */
  backup(request: BackupRequest, options: BackupOptions): Promise<BackupReport>;
}

export interface BackupsDeps {
  readonly snapshots: Snapshots;
  readonly clock: Pick<Clock, 'now' | 'monotonic'>;
  readonly log: Pick<Log, 'info'>;
  /** The data folder, and the small files in it that come along if they are there. */
  readonly data: string;
  readonly files: readonly string[];
  readonly version?: string | undefined;
  readonly freeBytes?: ((folder: string) => number) | undefined;
}

/** ms between two words about the progress. */
const progressEvery = 250;

/** One backup at a time. */
export function createBackups(deps: BackupsDeps): Backups {
  const running = new KeyedLock();
  return {
    backup: (request, options) =>
      running.run('backup', async () => {
        try {
          const report = (await attempt(deps, request, options)) ?? (await attempt(deps, request, options));
          if (!report) throw new EntrepotError('BUNDLE_UNWRITABLE', damagedAgain, { file: deps.data });
          const { kind, to, contents, written } = report;
          const lost = report.lost.length;
          deps.log.info({ event: 'backup.done', kind, to, contents, written, lost }, 'a backup is done');
          return report;
        } catch (error) {
          if (!options.signal.aborted) throw error;
          const message = 'the backup was cancelled; one that was there before is as it was';
          throw new EntrepotError('BUNDLE_UNWRITABLE', message, { file: request.to, cause: error });
        }
      }),
  };
}

const damagedAgain = 'content is damaged again and again while it is read: check the disk';

/** Undefined if content turned out to be damaged: it counts as lost by now. */
async function attempt(
  deps: BackupsDeps,
  { to, scope }: BackupRequest,
  { onProgress, signal }: BackupOptions,
): Promise<BackupReport | undefined> {
  const { clock, freeBytes = freeOnDisk } = deps;
  const isFolder = isFolderBackup(to);
  const snapshot = await deps.snapshots.take(scope);
  try {
    const source = await sourceOf(deps, snapshot, scope);
    const size = source.bytes;
    let done = 0;
    let toldAt = Number.NEGATIVE_INFINITY;
    const onBytes = (bytes: number) => {
      done += bytes;
      if (clock.monotonic() - toldAt < progressEvery) return;
      toldAt = clock.monotonic();
      onProgress({ done: Math.min(done, size), size });
    };
    try {
      const write = isFolder ? writeFolderBackup : writeFileBackup;
      const written = await write(to, source, { signal, onBytes, freeBytes });
      const { lost, inBuckets } = snapshot;
      return { ...source.manifest, to, kind: isFolder ? 'folder' : 'file', written, lost, inBuckets };
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
