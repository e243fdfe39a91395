/** The Listing: what people want to see of the index. Its answers may cost more than a request may. */
import type { Digest } from '../../oci/digest.ts';

export interface ImageSummary {
  readonly image: string;
  readonly tags: number;
  /** Stored contents that it links. */
  readonly contents: number;
  /** Of those. */
  readonly bytes: number;
}

export interface KeptManifest {
  readonly digest: Digest;
  readonly tag: string | undefined;
  readonly mediaType: string;
  /** Stored bytes of the manifest and of all below it. */
  readonly bytes: number;
  /** Latest use of any of them, epoch ms. */
  readonly used: number;
  /** Origin of the link, or the endpoint that last confirmed the tag. */
  readonly endpoint: string;
  /** Epoch ms of that confirmation. */
  readonly checkedAt: number | undefined;
}

export interface Listing {
  /** Images that link something stored or referenced, by name, from after `after`, at most `limit`. */
  images(after: string, limit: number): Promise<readonly ImageSummary[]>;
  /** Stored manifests that the image links and that have a tag there, or no parent; by tag, those without one last. */
  keptManifests(image: string): Promise<readonly KeptManifest[]>;
}
