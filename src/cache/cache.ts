/**
 * The facade over stored content (`blobs/`) and the index that makes it findable (`index/`): no other part of the program knows how
 * either is kept. Every method gives a promise, so that either may be elsewhere one day: between two questions anything can happen.
 *
 * An image name is `registry/repository` as clients mean it, never as an endpoint has it.
 */
import type { ByteStream } from '../lib/bytes/byte-stream.ts';
import type { Digest } from '../oci/digest.ts';
import type { Manifest } from '../oci/manifest.ts';
import type { Tag } from '../oci/reference.ts';
import type { PartialDownloads } from './capacity/partial-downloads.ts';
import type { IncomingFolder } from './incoming/incoming-folder.ts';

export interface Cache {
  /** What is known of the digest where this image asks for it. */
  find(image: string, digest: Digest): Promise<Found>;
  /** Whether the content is stored, linked or not. */
  isStored(digest: Digest): Promise<boolean>;

  /** The tag as an endpoint last confirmed it, however old. */
  tag(image: string, tag: Tag): Promise<CachedTag | undefined>;
  /** Points the tag at a manifest, confirmed `age` ms ago (default: now). Never rejects: what cannot be written is in the log. */
  setTag(
    image: string,
    tag: Tag,
    value: { digest: Digest; endpoint: string; age?: number | undefined },
  ): Promise<void>;
  /** The next use of the tag asks an endpoint: it may have moved. Hosted tags stay as they are. Never rejects. */
  expireTag(image: string, tag: Tag): Promise<void>;
  /** Never rejects. */
  dropTag(image: string, tag: Tag): Promise<void>;
  /** Tags of the image, sorted by bytes. */
  tags(image: string): Promise<readonly string[]>;

  /** The manifest, if it is stored and this image links it. Served from memory if it was asked for lately. */
  manifest(image: string, digest: Digest): Promise<CachedManifest | undefined>;
  /** Writes the content, then its row and the link. The caller has verified the digest. Rejects if it cannot be kept. */
  putManifest(image: string, value: NewManifest): Promise<void>;

  /** The blob, if it is stored and this image links it. Eviction leaves it alone until it is closed. */
  open(image: string, digest: Digest): Promise<StoredBlob | undefined>;
  /**
   * Lets `image` serve the blob, also before the blob is stored; `endpoint` is the endpointKey of the one that answered for it. Never
   * rejects: what cannot be written is in the log.
   */
  link(image: string, digest: Digest, endpoint: string): Promise<void>;
  /**
   * Takes a verified file of `incoming` into the store, with its row. The content is durable and the file is gone when this resolves.
   * Rejects if the store cannot take it.
   */
  commit(digest: Digest, size: number, file: string): Promise<void>;
  /** Folder of transfers in flight. */
  readonly incoming: IncomingFolder;
  /** Partial downloads in it that no running transfer owns. */
  readonly partialDownloads: Pick<PartialDownloads, 'add' | 'hold' | 'forget'>;
  /**
   * Whether `bytes` more may be written for these images (free space, `cache.max_size` and quotas, after what eviction can free).
   * Reserves them until released. `written` gives how many of `bytes` have been written so far: the file system counts those as used.
   * With the `digest` of a blob nothing is reserved if the images that list it are larger than a limit: what can never be kept whole must
   * not evict others.
   */
  reserve(
    bytes: number,
    images?: readonly string[],
    written?: () => number,
    digest?: Digest,
  ): Promise<Reservation | undefined>;
  /** A write of a transfer failed: one that had no space makes the disk count as full for a while. */
  writeFailed(error: unknown): void;

  /** Lists of upstreams, kept to be served when no endpoint answers: tag lists, and referrers of one subject. */
  list(image: string, kind: ListKind, key: string): Promise<CachedList | undefined>;
  /** A list that was checked `age` ms ago (default: now). Never rejects. */
  setList(image: string, kind: ListKind, key: string, bytes: Uint8Array, age?: number): Promise<void>;
  /** The next use of the list asks an endpoint. Never rejects. */
  expireList(image: string, kind: ListKind, key: string): Promise<void>;
  /** Never rejects. */
  dropList(image: string, kind: ListKind, key: string): Promise<void>;

  /** Waits for what is being written. */
  close(): Promise<void>;
}

export interface CachedTag {
  readonly digest: Digest;
  /** endpointKey of the one that said so. */
  readonly endpoint: string;
  /** Epoch ms of the last time that an endpoint confirmed it. */
  readonly checkedAt: number;
}

export interface CachedManifest {
  readonly digest: Digest;
  readonly mediaType: string;
  readonly bytes: Uint8Array;
}

export interface NewManifest extends CachedManifest {
  readonly manifest: Manifest;
  /** endpointKey of the one that gave it; undefined: a bucket did, which gives no link. */
  readonly endpoint: string | undefined;
}

export interface StoredBlob {
  readonly digest: Digest;
  readonly size: number;
  /** Bytes from `start` to before `end`. Several streams may be open at once. */
  stream(start: number, end: number): ByteStream;
  close(): void;
}

export interface KnownDescriptor {
  readonly size: number;
  readonly mediaType: string;
  readonly endpoint: string;
  /** Its bytes lie at URLs of their own: the registry need not have it. */
  readonly isElsewhere: boolean;
  /** Bytes of all that the same manifest lists. */
  readonly imageBytes: number;
}

/** Lists of upstreams: the tags of an image (one list under each key), and the referrers of one subject. */
export type ListKind = 'tags' | 'referrers';

export interface CachedList {
  readonly bytes: Uint8Array;
  readonly checkedAt: number;
}

export interface Reservation {
  release(): void;
}

/** A content that has a file in the store. */
export interface StoredContent {
  readonly digest: Digest;
  /** Bytes of the file. */
  readonly size: number;
  /** Of a manifest; undefined for a blob. */
  readonly mediaType: string | undefined;
}

/** What is known of one digest where one image asks for it. */
export interface Found {
  /** The content if it is stored, also where the image does not link it. A linked manifest has the type that the image's registry gave. */
  readonly content: StoredContent | undefined;
  /** The image may serve the content. */
  readonly linked: boolean;
  /** What the image's manifests say of the digest. It is not looked up where the image can serve the content from the store. */
  readonly described: KnownDescriptor | undefined;
}
