/**
 * Bytes that can be read at any offset without being held in memory: what the fake registry serves.
 * A generated blob is a 1 MiB pseudorandom block, rotated by another step for each MiB: no two MiB are alike, any offset is
 * a slice of one buffer, so 1 GiB costs 2 MiB and serving it costs no copy.
 */
import { createCipheriv, createHash } from 'node:crypto';
import type { Digest, DigestAlgorithm } from '../../src/oci/digest.ts';

export interface ByteSource {
  readonly size: number;
  /** At least one byte and at most `max`, from offset `at`; a view that must not be written to. */
  read(at: number, max: number): Buffer;
}

/** Content with its name. */
export interface Blob extends ByteSource {
  /** Computed at the first use. */
  readonly digest: Digest;
  /** A copy of the bytes from `start` to `end` (exclusive), for comparing. */
  bytes(start?: number, end?: number): Buffer;
}

export function digestOf(bytes: Uint8Array, algorithm: DigestAlgorithm = 'sha256'): Digest {
  return `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}` as Digest;
}

/** The blob of these bytes. */
export function blobOf(content: Uint8Array | string, algorithm: DigestAlgorithm = 'sha256'): Blob {
  const bytes = typeof content === 'string' ? Buffer.from(content) : Buffer.from(content);
  return named({ size: bytes.length, read: (at, max) => bytes.subarray(at, at + max) }, algorithm);
}

const blockSize = 1 << 20;
/** Odd, so that the rotations repeat only after as many blocks as a block has bytes. */
const rotation = 4099;

/** A blob of `size` bytes that `seed` determines; costs no memory but one block. */
export function generateBlob(size: number, seed: number | string = 0): Blob {
  const key = createHash('sha256').update(`entrepot ${seed}`).digest();
  const block = createCipheriv('aes-256-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(blockSize));
  const twice = Buffer.concat([block, block]);
  return named({
    size,
    read(at, max) {
      const start = ((Math.floor(at / blockSize) * rotation) % blockSize) + (at % blockSize);
      return twice.subarray(start, start + Math.min(max, blockSize - (at % blockSize), size - at));
    },
  });
}

/** The part of `source` from `start` to `end` (exclusive). */
export function slice(source: ByteSource, start: number, end: number): ByteSource {
  return { size: end - start, read: (at, max) => source.read(start + at, Math.min(max, end - start - at)) };
}

/** `source` with the byte at `offset` changed. */
export function corrupted(source: ByteSource, offset: number): ByteSource {
  return {
    size: source.size,
    read(at, max) {
      const bytes = source.read(at, max);
      if (offset < at || offset >= at + bytes.length) return bytes;
      const changed = Buffer.from(bytes);
      changed[offset - at] = (changed[offset - at] ?? 0) ^ 0xff;
      return changed;
    },
  };
}

/** `first` and then `second`. */
export function joined(first: ByteSource, second: ByteSource): ByteSource {
  return {
    size: first.size + second.size,
    read: (at, max) =>
      at < first.size
        ? first.read(at, Math.min(max, first.size - at))
        : second.read(at - first.size, Math.min(max, first.size + second.size - at)),
  };
}

/** All bytes of `source` in one buffer of their own. */
export function collect(source: ByteSource): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at < source.size; ) {
    const part = source.read(at, source.size - at);
    parts.push(part);
    at += part.length;
  }
  return Buffer.concat(parts);
}

function named(source: ByteSource, algorithm: DigestAlgorithm = 'sha256'): Blob {
  let digest: Digest | undefined;
  return {
    ...source,
    get digest() {
      digest ??= digestThrough(source, algorithm);
      return digest;
    },
    bytes: (start = 0, end = source.size) => collect(slice(source, start, end)),
  };
}

function digestThrough(source: ByteSource, algorithm: DigestAlgorithm): Digest {
  const hash = createHash(algorithm);
  for (let at = 0; at < source.size; ) {
    const part = source.read(at, source.size - at);
    hash.update(part);
    at += part.length;
  }
  return `${algorithm}:${hash.digest('hex')}` as Digest;
}
