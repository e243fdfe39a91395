import { type Digest, digestAlgorithm, digestHex, parseDigest } from '../oci/digest.ts';

/** `sha256/ab/abcdef...`: the key of a content in every bucket, below the prefix of the bucket. */
export function contentKey(digest: Digest): string {
  const hex = digestHex(digest);
  return `${digestAlgorithm(digest)}/${hex.slice(0, 2)}/${hex}`;
}

/** The digest of a key that `contentKey` gave; undefined for any other key. */
export function digestOfKey(key: string): Digest | undefined {
  const [algorithm, , hex] = key.split('/');
  const digest = parseDigest(`${algorithm}:${hex}`);
  return digest && contentKey(digest) === key ? digest : undefined;
}
