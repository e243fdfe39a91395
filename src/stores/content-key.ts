import { type Digest, digestAlgorithm, digestHex } from '../oci/digest.ts';

/** `sha256/ab/abcdef...`: the key of a content in every bucket, below the prefix of the bucket. */
export function contentKey(digest: Digest): string {
  const hex = digestHex(digest);
  return `${digestAlgorithm(digest)}/${hex.slice(0, 2)}/${hex}`;
}
