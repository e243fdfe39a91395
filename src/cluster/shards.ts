/**
 * Which of 256 shards content and names belong to:
 *
 *   by digest ........ the first byte of the digest: the folder of the content on disk
 *   by tag ........... the first byte of the SHA-256 of `registry/repository:tag`
 *   tag list ......... the first byte of the SHA-256 of `registry/repository`
 */
import { createHash } from 'node:crypto';
import { digestHex } from '../oci/digest.ts';
import { type Reference, referenceName } from '../oci/reference.ts';

/** From 0 to 255. */
export type Shard = number;

export const shardCount = 256;

/** Every replica comes to the same shard. */
export function shardOf(reference: Reference): Shard {
  const { digest, tag } = reference;
  if (digest !== undefined) return Number.parseInt(digestHex(digest).slice(0, 2), 16);
  const name = referenceName(reference);
  const hash = createHash('sha256').update(tag === undefined ? name : `${name}:${tag}`);
  return hash.digest()[0] ?? 0;
}
