/**
 * Verified content by digest: each content is whole, or not there. The seam between the cache and the place where bytes are kept: a
 * folder (`disk-store.ts`), or a bucket. Nothing here is a path, an inode or a time of the file system; `test/contract/blob-store.ts`
 * says what each implementation must do.
 *
 * An error of `open`, `read`, `verify` or `list` is an UnreadableContent if the stored object is the cause, such as missing rights;
 * any other error is of the moment, such as too many open files.
 */
import type { ByteStream } from '../../lib/bytes/byte-stream.ts';
import type { Digest, DigestAlgorithm } from '../../oci/digest.ts';

/** Values of the first byte of a digest. Contents are looked through by that byte, one *folder* at a time. */
export const folderCount = 256;

/** Differs whenever the stored bytes may differ: from the inode and its change time, or an ETag. */
export type Version = string;

export interface BlobStore {
  /** Undefined if the content is not there. */
  open(digest: Digest): Promise<StoredBlob | undefined>;
  /** The whole content, for what is small. Not verified. */
  read(digest: Digest): Promise<Uint8Array | undefined>;
  /** Whether the content is there, or at least no proof that it is not. Never rejects. */
  has(digest: Digest): Promise<boolean>;
  /** Durable when this resolves. The caller has verified the digest. */
  put(digest: Digest, bytes: Uint8Array): Promise<void>;
  /**
   * Takes a verified local file into the store: durable when this resolves, and the file is gone then. Gives the stored version. Rejects
   * if the file has not `size` bytes, and leaves it then.
   */
  commit(digest: Digest, size: number, file: string): Promise<Version>;
  /** Makes a content durable that came to its place without this store. */
  makeDurable(digest: Digest): Promise<void>;
  /** Removes the content unless `isWanted`, asked when its turn has come, says that it is wanted again. */
  remove(digest: Digest, isWanted: () => Promise<boolean>): Promise<void>;
  /** Digests that begin with the byte `first`. Foreign objects are counted, and left alone. */
  list(algorithm: DigestAlgorithm, first: number): Promise<{ digests: Digest[]; foreign: number }>;
  /**
   * Reads and hashes the content, which should have `size` bytes. Yields how many bytes it reads next: a consumer that waits before it
   * asks on sets the pace. Returns the fault, or undefined: also if the content has been stored anew meanwhile.
   */
  verify(digest: Digest, size: number): AsyncGenerator<number, Fault | undefined>;
  /** Bytes of the place where contents are kept. Infinity where it has no bound. */
  space(): Space;
  /** Ends what the store runs in the background. */
  close(): Promise<void>;
}

export interface StoredBlob {
  readonly size: number;
  /** Epoch ms of the last change of the bytes. */
  readonly modified: number;
  readonly version: Version;
  /** Whether the digest still stands for this object: it may have been removed, or stored anew, since it was opened. Never rejects. */
  isCurrent(): Promise<boolean>;
  /** Bytes from `start` to before `end`; rejects if there are fewer. Other streams of the blob may be open at the same time. */
  stream(start: number, end: number): ByteStream;
  /** Streams that are open go on: the blob is let go after the last of them. */
  close(): void;
}

export interface Space {
  /** Free for this process. */
  readonly free: number;
  readonly size: number;
}

export interface Fault {
  /** `bytes`: the digest is of other bytes. `device`: the bytes cannot be read. */
  readonly kind: 'missing' | 'size' | 'bytes' | 'device';
  /** Ends the sentence "the content is dropped: ...". */
  readonly reason: string;
}

/** See the head of the file. The message is the system's own. */
export class UnreadableContent extends Error {}
