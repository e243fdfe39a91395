/** The bytes that go into a backup, as streams. */
import { createReadStream } from 'node:fs';
import type { ByteStream } from '../lib/bytes/byte-stream.ts';
import type { Digest } from '../oci/digest.ts';

export interface SourceStream {
  readonly stream: ByteStream;
  close(): void;
}

/** Stored content has not the bytes that it should have. */
export class DamagedContent extends Error {
  constructor(digest: Digest, cause?: unknown) {
    super(`${digest} is damaged here and counts as lost`, { cause });
  }
}

/** A content of the cache. Its stream says DamagedContent where it fails. */
export function watchedStream({ stream, close }: SourceStream, digest: Digest): SourceStream {
  return {
    stream: {
      async next() {
        try {
          return await stream.next();
        } catch (error) {
          throw new DamagedContent(digest, error);
        }
      },
      close: () => stream.close(),
    },
    close,
  };
}

/** A plain file. */
export function fileStream(file: string): SourceStream {
  const source = createReadStream(file, { highWaterMark: 1024 * 1024 });
  const chunks = source[Symbol.asyncIterator]();
  return {
    stream: {
      async next() {
        const { done, value } = await chunks.next();
        return done ? undefined : (value as Uint8Array);
      },
      close: () => void source.destroy(),
    },
    close: () => {},
  };
}

/** Bytes that are there. */
export function bytesStream(bytes: Uint8Array): SourceStream {
  let left: Uint8Array | undefined = bytes.length > 0 ? bytes : undefined;
  return {
    stream: {
      async next() {
        const next = left;
        left = undefined;
        return next;
      },
      close: () => {},
    },
    close: () => {},
  };
}
