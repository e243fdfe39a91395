/**
 * A folder for contents on their way from one bucket to another: an object is copied to a file, hashed on the way, and is a source for an
 * upload once it is right. Nothing in it outlives the process.
 */
import { mkdirSync, rmSync } from 'node:fs';
import { type FileHandle, open, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { HostedContent } from '../cache/hosted-content.ts';
import { bodyChunks } from '../lib/bytes/body-chunks.ts';
import type { ByteStream } from '../lib/bytes/byte-stream.ts';
import type { Hasher } from '../lib/bytes/hasher.ts';
import { hexHash } from '../lib/bytes/hex-hash.ts';
import { type Digest, digestAlgorithm, digestHex } from '../oci/digest.ts';
import { maxManifestBytes } from '../oci/manifest.ts';
import { isNamedBy } from '../oci/signed-schema1.ts';
import { contentKey } from '../stores/content-key.ts';
import { type ObjectSource, StoreError } from '../stores/object-store.ts';
import type { Bucket } from './bucket.ts';

export interface Staged extends ObjectSource {
  /** Removes the file. */
  close(): Promise<void>;
}

export interface Stage {
  /**
   * The object of a bucket. `absent`, `wrong`: it has not the bytes of the digest. Rejects with a StoreError, with an error of the file
   * system, or with the reason of the signal.
   */
  bring(bucket: Bucket, digest: Digest, signal: AbortSignal): Promise<Staged | 'absent' | 'wrong' | 'noRoom'>;
}

export interface StageDeps {
  readonly hasher: Hasher;
  readonly content: Pick<HostedContent, 'reserve' | 'writeFailed'>;
}

const blockSize = 1024 * 1024;

/** Removes the folder, which is made when it is needed. Throws what the file system says. */
export function createStage({ hasher, content }: StageDeps, folder: string): Stage {
  rmSync(folder, { recursive: true, force: true });
  let files = 0;

  return {
    async bring(bucket, digest, signal) {
      const object = await bucket.store.get(contentKey(digest), { start: 0 }, signal);
      if (!object) return 'absent';
      const { size, body } = object;
      let written = 0;
      const room = await content.reserve(size, [], () => written);
      if (!room) {
        body.cancel();
        return 'noRoom';
      }
      files += 1;
      const path = join(folder, `${files}`);
      const close = async () => {
        room.release();
        await rm(path, { force: true });
      };
      let isRight = false;
      try {
        mkdirSync(folder, { recursive: true, mode: 0o700 });
        const file = await open(path, 'wx', 0o600);
        try {
          const hash = hasher.begin(path, digestAlgorithm(digest));
          try {
            for await (const chunk of bodyChunks(body)) {
              signal.throwIfAborted();
              await file.appendFile(chunk);
              written += chunk.length;
              hash.advance(written);
            }
          } catch (error) {
            hash.abandon();
            throw error;
          }
          const found = await hash.finish(written);
          isRight = written === size && (found === digestHex(digest) || (await isSigned(path, size, digest)));
        } finally {
          await file.close();
        }
        return isRight ? { size, stream: (start, end) => fileStream(path, start, end), close } : 'wrong';
      } catch (error) {
        body.cancel();
        content.writeFailed(error);
        signal.throwIfAborted();
        throw error instanceof StoreError || (error instanceof Error && 'code' in error)
          ? error
          : new StoreError('unreachable', `${bucket.name}: ${error}`);
      } finally {
        if (!isRight) await close();
      }
    },
  };
}

/** The digest of a signed manifest of schema 1 is that of its payload. */
async function isSigned(path: string, size: number, digest: Digest): Promise<boolean> {
  return size <= maxManifestBytes && isNamedBy(await readFile(path), digest, hexHash);
}

function fileStream(path: string, start: number, end: number): ByteStream {
  let at = start;
  let file: Promise<FileHandle> | undefined;
  return {
    async next() {
      if (at >= end) return undefined;
      file ??= open(path);
      const block = Buffer.allocUnsafe(Math.min(blockSize, end - at));
      const { bytesRead } = await (await file).read(block, 0, block.length, at);
      if (bytesRead === 0) throw new Error(`${path} ends at byte ${at}`);
      at += bytesRead;
      return block.subarray(0, bytesRead);
    },
    close() {
      // One that could not be opened has told `next`.
      file?.then((one) => one.close()).catch(() => {});
      file = undefined;
    },
  };
}
