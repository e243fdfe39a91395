/**
 * What we have. The facade over content on disk (`blobs/`) and the index that makes it findable (`index/`): nothing else
 * in the program knows how either is kept. An image name is `registry/repository` as clients mean it, never as an endpoint has it.
 */
import type { ByteStream } from '../lib/bytes/byte-stream.ts';
import type { Digest } from '../oci/digest.ts';
import type { Manifest } from '../oci/manifest.ts';
import type { Tag } from '../oci/reference.ts';
import type { Leftovers } from './capacity/partial-downloads.ts';
import type { IncomingFolder } from './incoming/incoming-folder.ts';

export interface Cache {
  /** The tag as last seen upstream, however old. */
  tag(image: string, tag: Tag): CachedTag | undefined;
  /** Points the tag at a manifest that is here, checked now. */
  setTag(image: string, tag: Tag, value: { digest: Digest; endpoint: string }): void;
  dropTag(image: string, tag: Tag): void;
  /** Tags that are here, sorted by bytes. */
  tags(image: string): readonly string[];

  /** The manifest, where this image links it. Served from memory when it was asked lately. */
  manifest(image: string, digest: Digest): Promise<CachedManifest | undefined>;
  /** Writes content, then index rows and the link. The caller has verified the digest. */
  putManifest(image: string, value: NewManifest): Promise<void>;

  /** The blob, where it is here and this image links it. The stored file is kept from eviction until closed. */
  blob(image: string, digest: Digest): Promise<StoredBlob | undefined>;
  /** Whether the content is here, linked or not. */
  hasBlob(digest: Digest): boolean;
  /** Lets `image` serve the blob; `endpoint` is the one that answered for it. Remembered also before the blob is here. */
  link(image: string, digest: Digest, endpoint: string): Promise<void>;
  isLinked(image: string, digest: Digest): boolean;
  /**
   * Takes a verified file into the store: fsync, rename, fsync of the folder, index row. The file is in `incoming`, and is
   * gone from there when this resolves.
   */
  adoptBlob(digest: Digest, size: number, file: string): Promise<void>;
  /** Folder of transfers in flight, on the same file system as the store. */
  readonly incoming: IncomingFolder;
  /** What is there of transfers that are over. */
  readonly leftovers: Pick<Leftovers, 'add' | 'hold' | 'forget'>;
  /**
   * Whether `bytes` more may be written for these images (free space, `cache.max_size` and quotas after what eviction can
   * give). Reserves them until released.
   */
  reserve(
    bytes: number,
    images?: readonly string[],
    /** How many of them are on the disk by now, and so no longer free there. */
    written?: () => number,
  ): Promise<Reservation | undefined>;

  /** A write of a transfer failed: one that had no room makes the disk count as full for a while. */
  writeFailed(error: unknown): void;

  /** What the cached manifests of this image say of a digest: size and type, and the endpoint that gave the manifest. */
  descriptor(image: string, digest: Digest): KnownDescriptor | undefined;

  /** Lists of upstreams, kept to be served when nobody answers: tag lists, and referrers of one subject. */
  list(image: string, kind: 'tags' | 'referrers', key: string): CachedList | undefined;
  setList(image: string, kind: 'tags' | 'referrers', key: string, bytes: Uint8Array): void;
  dropList(image: string, kind: 'tags' | 'referrers', key: string): void;

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
  readonly endpoint: string;
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
}

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
