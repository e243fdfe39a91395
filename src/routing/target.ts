/** What one client request means, in whichever of the four ways the client named the registry (`namespaces.ts`). */
import type { OpenRange } from '../lib/bytes/byte-range.ts';
import type { Digest } from '../oci/digest.ts';
import type { Reference, Repository, Tag } from '../oci/reference.ts';

/** The image that a request is about: registry and repository, checked. */
export interface ImageName {
  readonly registry: string;
  readonly repository: Repository;
  /** `registry/repository`. */
  readonly name: string;
}

export type Target = ManifestTarget | BlobTarget | TagsTarget | ReferrersTarget;

/** What a request that writes is about. */
export type PushTarget = ManifestTarget | BlobTarget | UploadTarget;

export interface UploadTarget {
  readonly kind: 'upload';
  readonly image: ImageName;
  /** Of the session; undefined: a new one. */
  readonly id: string | undefined;
}

export interface ManifestTarget {
  readonly kind: 'manifest';
  readonly image: ImageName;
  /** With a tag, or with a digest, never both. */
  readonly reference: Reference & ({ readonly tag: Tag } | { readonly digest: Digest });
}

export interface BlobTarget {
  readonly kind: 'blob';
  readonly image: ImageName;
  readonly digest: Digest;
  /** From the Range header, several for a multi-range request; undefined for the whole blob. */
  readonly ranges?: readonly RangeSpec[];
}

export interface TagsTarget {
  readonly kind: 'tags';
  readonly image: ImageName;
  /** Largest number of tags (`n`). */
  readonly limit?: number;
  /** Only tags after this one, in the order of the list (`last`). */
  readonly after?: string;
}

export interface ReferrersTarget {
  readonly kind: 'referrers';
  readonly image: ImageName;
  readonly subject: Digest;
  readonly artifactType?: string;
  /** Only what follows this one, in the order of the list (`last`). */
  readonly after?: Digest;
}

/** `bytes=5-9` {start 5, end 10}, `bytes=5-` {start 5}, `bytes=-5` {suffix 5}. `end` is exclusive. */
export type RangeSpec = OpenRange | { readonly suffix: number };
