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

/**
 * A peer of the cluster asks. It waits for the endpoints, since it has an answer of its own for the time being; and it takes an answer
 * for that of the endpoints, so nothing is answered from what a manifest lists.
 */
export interface AskedByPeer {
  readonly byPeer?: true;
  /** It asks for what is stored here alone: it looks for hosted content, which no endpoint has. */
  readonly isStoredOnly?: true;
}

export interface UploadTarget {
  readonly kind: 'upload';
  readonly image: ImageName;
  /** Of the session; undefined: a new one. */
  readonly id: string | undefined;
}

export interface ManifestTarget extends AskedByPeer {
  readonly kind: 'manifest';
  readonly image: ImageName;
  /** With a tag, or with a digest, never both. */
  readonly reference: Reference & ({ readonly tag: Tag } | { readonly digest: Digest });
  /** A tag is wanted as its registry has it now (`Cache-Control: no-cache`). */
  readonly revalidates?: true;
}

export interface BlobTarget extends AskedByPeer {
  readonly kind: 'blob';
  readonly image: ImageName;
  readonly digest: Digest;
  /** From the Range header, several for a multi-range request; undefined for the whole blob. */
  readonly ranges?: readonly RangeSpec[];
}

export interface TagsTarget extends AskedByPeer {
  readonly kind: 'tags';
  readonly image: ImageName;
  /** Largest number of tags (`n`). */
  readonly limit?: number;
  /** Only tags after this one, in the order of the list (`last`). */
  readonly after?: string;
}

export interface ReferrersTarget extends AskedByPeer {
  readonly kind: 'referrers';
  readonly image: ImageName;
  readonly subject: Digest;
  readonly artifactType?: string;
  /** Only what follows this one, in the order of the list (`last`). */
  readonly after?: Digest;
}

/** `bytes=5-9` {start 5, end 10}, `bytes=5-` {start 5}, `bytes=-5` {suffix 5}. `end` is exclusive. */
export type RangeSpec = OpenRange | { readonly suffix: number };

/** The reference that a target is about. */
export function referenceOf(target: Target): Reference {
  const { registry, repository } = target.image;
  switch (target.kind) {
    case 'manifest':
      return target.reference;
    case 'blob':
      return { registry, repository, digest: target.digest };
    case 'referrers':
      return { registry, repository, digest: target.subject };
    case 'tags':
      return { registry, repository };
  }
}
