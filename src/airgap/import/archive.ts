/** What one archive says, whatever its format: the values between the readers of formats and what puts images together. */
import type { Digest } from '../../oci/digest.ts';
import type { Tag } from '../../oci/reference.ts';
import type { BundleManifest } from '../bundle-manifest.ts';

export type ArchiveFormat = 'bundle' | 'oci-layout' | 'docker-archive' | 'registry-tree';

/** An image that an archive names. */
export interface WantedRef {
  /** `registry/repository`. */
  readonly name: string;
  /** Null: it is wanted by its digest. */
  readonly tag: Tag | null;
  readonly digest: Digest;
  /** Of its manifest, where the archive says it. */
  readonly mediaType?: string;
}

export interface Archive {
  readonly format: ArchiveFormat;
  readonly bundle?: BundleManifest;
  readonly refs: readonly WantedRef[];
  /** Sentences for people. */
  readonly notes: readonly string[];
}

export interface ReadOptions {
  /** `--name`: a repository for images without a name, or a registry for a tree of repositories. */
  readonly name?: string | undefined;
}

/** Bytes of one JSON file that names images. */
export const maxIndexBytes = 16 * 1024 * 1024;
/** Images that one archive may name. */
export const maxRefs = 200_000;
