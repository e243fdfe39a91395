/**
 * The cache as it was at one moment, for a backup, while it goes on serving:
 *
 *   hold all files -> copy the index -> hold the files that the copy names, and no others -> read them
 *
 * Content is never written in place, so a file that stays has the bytes that the index names.
 */
import { statSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { setImmediate as turn } from 'node:timers/promises';
import type { ByteStream } from '../lib/bytes/byte-stream.ts';
import { hexHash } from '../lib/bytes/hex-hash.ts';
import type { Digest } from '../oci/digest.ts';
import { isSchema1Type } from '../oci/media-types.ts';
import { isNamedBy } from '../oci/signed-schema1.ts';
import type { BlobStore } from './blobs/blob-store.ts';
import type { Contents } from './contents.ts';
import { type DataFolder, unusable } from './data-folder.ts';
import {
  type SnapshotMissing,
  snapshotContents,
  snapshotMissing,
  writeIndexSnapshot,
} from './index/index-snapshot.ts';
import { type CheckedStreams, createCheckedStreams } from './integrity/checked-streams.ts';

export interface CacheSnapshot extends SnapshotMissing {
  /** A copy of the index. */
  readonly index: { readonly file: string; readonly size: number };
  /** Bytes of each content that was asked for. */
  readonly contents: ReadonlyMap<Digest, number>;
  /** Of all of them. */
  readonly bytes: number;
  /** The whole content, hashed on its way. Undefined if its file is missing; a damaged one fails at its end, and is lost from then on. */
  open(digest: Digest): Promise<{ readonly stream: ByteStream; close(): void } | undefined>;
  /** Until then, eviction and deletions leave the files of the snapshot alone. */
  release(): Promise<void>;
}

/** Which contents a snapshot holds: what is pushed or imported, also what is cached, or none. */
export const snapshotScopes = ['hosted', 'all', 'list'] as const;
export type SnapshotScope = (typeof snapshotScopes)[number];

export interface SnapshotsDeps {
  readonly folder: Pick<DataFolder, 'index' | 'incoming'>;
  readonly contents: Pick<Contents, 'holdFiles' | 'reading' | 'discard' | 'discardIfCurrent'>;
  readonly store: Pick<BlobStore, 'open' | 'read'>;
}

export interface Snapshots {
  /** Rejects with EntrepotError DATA_UNUSABLE, or what SQLite or the file system says; then nothing is held. */
  take(scope: SnapshotScope): Promise<CacheSnapshot>;
}

interface Wanted {
  readonly digest: Digest;
  readonly size: number;
  readonly isSchema1: boolean;
}

/** Contents between two turns of the event loop. */
const atOnce = 500;

/** The index is open, and stays so until the last snapshot is released. */
export function createSnapshots({ folder, contents, store }: SnapshotsDeps): Snapshots {
  async function open(streams: CheckedStreams, { digest, size, isSchema1 }: Wanted) {
    // The digest of schema 1 is that of its payload, a part of its bytes.
    const bytes = isSchema1 ? await store.read(digest) : undefined;
    const blob = await store.open(digest);
    if (blob?.size === size) {
      if (bytes && isNamedBy(bytes, digest, hexHash)) streams.trust(digest, blob.version);
      return { stream: streams.stream(digest, blob, 0, size), close: () => blob.close() };
    }
    blob?.close();
    await contents.discard(digest, blob ? `its file has ${blob.size} bytes` : 'its file is missing');
    return undefined;
  }

  return {
    async take(scope) {
      const file = folder.incoming.pathForSnapshot();
      const files = contents.holdFiles();
      const named = new Map<Digest, number>();
      const schema1 = new Set<Digest>();
      const uses: (() => void)[] = [];
      let bytes = 0;
      async function release(): Promise<void> {
        for (const [n, end] of uses.entries()) {
          end();
          if (n % atOnce === 0) await turn();
        }
        files.release();
        await rm(file, { force: true });
      }
      try {
        await writeIndexSnapshot(folder.index, file);
        const missing = snapshotMissing(file);
        for (const some of snapshotContents(file)) {
          for (const { digest, size, isHosted, mediaType = '' } of some) {
            if (scope === 'list' || (scope === 'hosted' && !isHosted)) continue;
            named.set(digest, size);
            if (isSchema1Type(mediaType)) schema1.add(digest);
            uses.push(contents.reading.take(digest));
            bytes += size;
          }
          await turn();
        }
        files.narrow(named);
        // Of its own, so that each content is hashed: a file that was right once may have changed on the disk since.
        const streams = createCheckedStreams((digest, blob, reason) =>
          contents.discardIfCurrent(digest, blob, reason),
        );
        return {
          index: { file, size: statSync(file).size },
          contents: named,
          bytes,
          ...missing,
          async open(digest) {
            const size = named.get(digest);
            if (size === undefined) return undefined;
            return await open(streams, { digest, size, isSchema1: schema1.has(digest) });
          },
          release,
        };
      } catch (error) {
        await release();
        throw unusable(file, error);
      }
    },
  };
}
