/** Digests as the index keeps them: one byte for the algorithm, then the raw bytes. Half the size of the text. */
import {
  type Digest,
  type DigestAlgorithm,
  digestAlgorithm,
  digestAlgorithms,
  digestHex,
} from '../../oci/digest.ts';

/** See the head of the file. */
export function digestKey(digest: Digest): Buffer {
  const hex = digestHex(digest);
  const key = Buffer.allocUnsafe(1 + hex.length / 2);
  key[0] = digestAlgorithms.indexOf(digestAlgorithm(digest)) + 1;
  key.write(hex, 1, 'hex');
  return key;
}

/** The digest of a key that `digestKey` gave. */
export function keyDigest(key: Buffer): Digest {
  return `${digestAlgorithms[(key[0] ?? 0) - 1]}:${key.toString('hex', 1)}` as Digest;
}

/** The keys from `from` to before `before` are those of the digests that start with this byte. */
export function shardKeys(algorithm: DigestAlgorithm, first: number): { from: Buffer; before: Buffer } {
  const prefix = ((digestAlgorithms.indexOf(algorithm) + 1) << 8) | first;
  return {
    from: Buffer.from([prefix >> 8, prefix & 0xff]),
    before: Buffer.from([(prefix + 1) >> 8, (prefix + 1) & 0xff]),
  };
}
