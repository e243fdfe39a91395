/**
 * Where the contents of an archive wait, hashed, until an image is whole. Two kinds: on the disk (`disk-stage.ts`), and for `--verify`
 * one that keeps no bytes but those of manifests (`dry-stage.ts`).
 */
import { createHash } from 'node:crypto';
import { EntrepotError } from '../../errors.ts';
import { type Digest, digestAlgorithm, parseDigest } from '../../oci/digest.ts';
import { maxManifestBytes } from '../../oci/manifest.ts';
import type { BundleBlob } from '../bundle-manifest.ts';

/** A body on its way in. */
export interface Incoming {
  /** The archive, and the entry in it: for messages. */
  readonly file: string;
  readonly path: string;
  /** Bytes, as the archive says; the body has exactly so many. */
  readonly size: number;
  readonly bytes: AsyncIterable<Uint8Array>;
}

export interface Staged {
  readonly size: number;
  /** Begins as a gzip file does. */
  readonly isGzip: boolean;
}

/** Methods throw EntrepotError BUNDLE_INVALID for bytes of another digest, and DATA_UNUSABLE where there is no room. */
export interface Stage {
  /** Before bytes come: whether there is room for so many. */
  expect(bytes: number, file: string): Promise<void>;
  /** Takes a content of digest `wanted`; without one any, under its SHA-256. */
  take(incoming: Incoming, wanted?: Digest): Promise<Digest>;
  /** Takes one part of a blob, counted from 0. With the last one the blob is joined and hashed. */
  takePart(incoming: Incoming, blob: BundleBlob, part: number): Promise<void>;
  /** Whether this part, counted from 0, of a blob that is not joined yet came. */
  hasPart(digest: Digest, part: number): Promise<boolean>;
  /** What came in this archive or an earlier one, and was hashed. */
  find(digest: Digest): Promise<Staged | undefined>;
  /** All bytes of one that has at most `smallBytes`. */
  read(digest: Digest): Promise<Uint8Array | undefined>;
}

/** Manifests and configurations: these are read while an image is put together. */
export const smallBytes = maxManifestBytes;

/** Hashes `incoming` and gives its digest. `onChunk` gets the bytes in order. */
export async function hashIncoming(
  incoming: Incoming,
  wanted: Digest | undefined,
  onChunk: (chunk: Uint8Array) => void = () => {},
): Promise<Digest> {
  const algorithm = wanted === undefined ? 'sha256' : digestAlgorithm(wanted);
  const hash = createHash(algorithm);
  for await (const chunk of incoming.bytes) {
    hash.update(chunk);
    onChunk(chunk);
  }
  return checked(incoming, `${algorithm}:${hash.digest('hex')}`, wanted);
}

/** The digest that was found. Throws EntrepotError BUNDLE_INVALID where another one was wanted. */
export function checked({ file, path }: Incoming, found: string, wanted: Digest | undefined): Digest {
  const digest = parseDigest(found);
  if (!digest) throw new Error(`${found} is a digest`);
  if (wanted === undefined || wanted === digest) return digest;
  throw new EntrepotError('BUNDLE_INVALID', `${path} is damaged: its bytes have the digest ${found}`, {
    file,
  });
}

/** Whether a content that begins so is a gzip file (RFC 1952, 2.3.1). */
export function beginsAsGzip(first: Uint8Array): boolean {
  return first[0] === 0x1f && first[1] === 0x8b;
}

/** Throws EntrepotError BUNDLE_INVALID where a part has another size than the bundle says. */
export function checkPart({ file, path, size }: Incoming, blob: BundleBlob, part: number): void {
  const known = blob.parts[part];
  if (known?.size === size) return;
  const says = known === undefined ? 'does not know it' : `says ${known.size}`;
  throw new EntrepotError('BUNDLE_INVALID', `${path} has ${size} bytes, and the bundle ${says}`, { file });
}
