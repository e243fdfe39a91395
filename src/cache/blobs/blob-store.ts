/** Verified content by digest: files that are whole, or not there. */
import type { ByteStream } from '../../lib/bytes/byte-stream.ts';
import type { Digest, DigestAlgorithm } from '../../oci/digest.ts';

/** First bytes that a digest can have: contents are gone through by them, a *folder* at a time. */
export const folderCount = 256;

export interface BlobStore {
  /** Undefined where there is no such file. */
  open(digest: Digest): Promise<StoredFile | undefined>;
  /** The whole content, for what is small and about to be verified. */
  read(digest: Digest): Promise<Buffer | undefined>;
  /** Durable when this resolves. The caller has verified the digest. */
  write(digest: Digest, bytes: Uint8Array): Promise<void>;
  /** Moves a file of `incoming` into the store; durable when this resolves. Rejects where it has not `size` bytes. */
  adopt(digest: Digest, size: number, file: string): Promise<void>;
  /** Makes a file durable that came to its place in another way. */
  flush(digest: Digest): Promise<void>;
  /** Removes the file unless `isWanted` says, when its turn has come, that it is wanted again. */
  remove(digest: Digest, isWanted: () => boolean): Promise<void>;
  /** Digests of the files whose first byte is `first`. Foreign files are counted, and left alone. */
  filesIn(algorithm: DigestAlgorithm, first: number): Promise<{ digests: Digest[]; foreign: number }>;
  /** Whether there is such a file, or at least no proof that there is none. */
  has(digest: Digest): Promise<boolean>;
}

export interface StoredFile {
  /** For those who read it on another thread. */
  readonly path: string;
  readonly size: number;
  /** Epoch ms. */
  readonly modified: number;
  /** Epoch ms of the last change of any kind, which nobody can set back. */
  readonly changed: number;
  /** Whether the digest still stands for this file: it may have been dropped, and another one may have come, since it was opened. */
  isCurrent(): boolean;
  /** Bytes from `start` to before `end`; rejects where the file gives fewer. */
  stream(start: number, end: number): ByteStream;
  /** Streams that are open go on; the file is closed after the last of them. */
  close(): void;
}
