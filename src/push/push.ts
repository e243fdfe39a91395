/**
 * Takes what clients push (distribution-spec, "Pushing" and "Content Management"). Rights are checked before these are called.
 *
 * Hosted content has no other home: it is never evicted or revalidated, and it is durable before it is acknowledged.
 */
import type { EventCause } from '../cache/index/outbox/outbox-event.ts';
import type { PushRule } from '../config/config.ts';
import type { Digest, DigestAlgorithm } from '../oci/digest.ts';
import type { Tag } from '../oci/reference.ts';
import type { ImageName } from '../routing/target.ts';

/** The body of a request, in order. It throws where the client leaves in the middle. */
export type PushedBytes = AsyncIterable<Uint8Array>;

/** An upload session as a client sees it. */
export interface UploadState {
  /** URL-safe. */
  readonly id: string;
  /** Bytes that are here. */
  readonly size: number;
}

/** Where an upload belongs: only the same owner finds it again, for the same image. */
export interface UploadKey {
  readonly image: ImageName;
  readonly id: string;
  /** Of the principal: its kind and name. */
  readonly owner: string;
}

/** A part of an upload. */
export interface Chunk {
  readonly body: PushedBytes;
  /** First byte by Content-Range; undefined: the next one. */
  readonly start: number | undefined;
  /** Bytes by Content-Range or Content-Length; undefined: until the body ends. */
  readonly length: number | undefined;
}

/** A blob that is here and that the image may serve, durable. */
export interface StoredUpload {
  readonly kind: 'stored';
  readonly digest: Digest;
}

export type UploadFailure =
  | { readonly kind: 'unknownUpload' }
  /** The chunk does not begin where the upload ends, or another request is writing. */
  | { readonly kind: 'outOfOrder'; readonly upload: UploadState }
  /** Fewer or more bytes came than were announced. What came is kept. */
  | { readonly kind: 'sizeMismatch'; readonly upload: UploadState; readonly announced: number }
  | { readonly kind: 'digestMismatch'; readonly wanted: Digest; readonly found: string }
  /** Of this owner, or of all. */
  | { readonly kind: 'tooManyUploads'; readonly limit: number; readonly isOwn: boolean }
  /** No room in the cache, in a quota or on the disk. */
  | { readonly kind: 'full'; readonly bytes: number }
  /** The client left in the middle of a body. */
  | { readonly kind: 'clientLeft' }
  | NotDurable;

/** Too few buckets have taken the content. `retryAfter`: seconds. */
export interface NotDurable {
  readonly kind: 'notDurable';
  readonly reason: string;
  readonly retryAfter: number;
}

export type ManifestFailure =
  | { readonly kind: 'manifestInvalid'; readonly problem: string }
  | { readonly kind: 'digestMismatch'; readonly wanted: Digest; readonly found: string }
  /** Content that the manifest lists and this repository has not. At most 20. */
  | { readonly kind: 'unknownContent'; readonly digests: readonly Digest[] }
  /** Of these, endpoints had not given all when the longest wait was over. A later push goes on from there. */
  | { readonly kind: 'slow'; readonly digests: readonly Digest[] }
  | { readonly kind: 'immutable'; readonly tag: Tag; readonly digest: Digest }
  | { readonly kind: 'full'; readonly bytes: number }
  | NotDurable;

export interface StoredManifest {
  readonly kind: 'stored';
  readonly digest: Digest;
  /** Tags that were set. */
  readonly tags: readonly Tag[];
  /** Of a manifest that is attached to another: it is listed among the referrers of that one. */
  readonly subject: Digest | undefined;
  /** What a client should know although nothing failed. */
  readonly warnings: readonly string[];
}

export interface PushedManifest {
  readonly bytes: Uint8Array;
  /** Content-Type without parameters; empty where there is none. */
  readonly mediaType: string;
  /** Of the URL, where it names one. */
  readonly digest: Digest | undefined;
  readonly tags: readonly Tag[];
  /** The request, for events. */
  readonly cause?: EventCause | undefined;
}

/** Removed; not there; no rule allows it; or only endpoints have it, so it would be back with the next pull. */
export type Removed = { readonly kind: 'removed' | 'unknown' | 'disabled' | 'upstream' };

export interface Push {
  /** The rule for an image; undefined: no pushes. */
  rule(image: ImageName): PushRule | undefined;
  /** Images that can serve the blob now and that `isWanted`. At most 100. */
  imagesServing(digest: Digest, isWanted: (image: ImageName) => boolean): Promise<readonly ImageName[]>;
  /** `algorithm`: of the digest that will come; SHA-256 where the client does not say. */
  begin(
    image: ImageName,
    owner: string,
    algorithm?: DigestAlgorithm,
  ): Promise<{ kind: 'begun'; upload: UploadState } | UploadFailure>;
  /** Lets `image` serve a blob that `from` may serve. Undefined: it is not here, so the client must send it. */
  mount(image: ImageName, digest: Digest, from: readonly ImageName[]): Promise<StoredUpload | undefined>;
  status(key: UploadKey): Promise<UploadState | undefined>;
  append(key: UploadKey, chunk: Chunk): Promise<{ kind: 'appended'; upload: UploadState } | UploadFailure>;
  /** Takes the last chunk, verifies and stores. A digest that differs ends the session. */
  finish(key: UploadKey, digest: Digest, chunk: Chunk): Promise<StoredUpload | UploadFailure>;
  /** False: there is no such session. */
  cancel(key: UploadKey): Promise<boolean>;
  putManifest(image: ImageName, manifest: PushedManifest): Promise<StoredManifest | ManifestFailure>;
  /** `cause`: the request, for events. */
  removeTag(image: ImageName, tag: Tag, cause?: EventCause): Promise<Removed>;
  /** With all tags of it. */
  removeManifest(image: ImageName, digest: Digest, cause?: EventCause): Promise<Removed>;
  /** From this repository alone. */
  removeBlob(image: ImageName, digest: Digest, cause?: EventCause): Promise<Removed>;
}
