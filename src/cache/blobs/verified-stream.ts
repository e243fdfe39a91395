/**
 * The whole of a stored content, hashed on its way out: a disk that has lost some bits is found out before the last
 * bytes are given, so nobody takes a damaged blob for a whole one.
 */
import { createHash } from 'node:crypto';
import type { ByteStream } from '../../lib/bytes/byte-stream.ts';
import { type Digest, digestAlgorithm, digestHex } from '../../oci/digest.ts';

export interface VerifiedStreamOptions {
  readonly digest: Digest;
  /** Bytes that `inner` gives. */
  readonly size: number;
  onVerified(): void;
  onFault(error: Error): void;
}

export function createVerifiedStream(inner: ByteStream, options: VerifiedStreamOptions): ByteStream {
  const { digest, size } = options;
  const hash = createHash(digestAlgorithm(digest));
  let left = size;
  return {
    async next() {
      const chunk = await inner.next();
      if (!chunk) return undefined;
      hash.update(chunk);
      left -= chunk.length;
      if (left > 0) return chunk;
      if (hash.digest('hex') !== digestHex(digest)) {
        const error = new Error(`the stored bytes of ${digest} have changed`);
        options.onFault(error);
        throw error;
      }
      options.onVerified();
      return chunk;
    },
    close: () => inner.close(),
  };
}
