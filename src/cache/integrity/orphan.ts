/** A stored file that the index does not know: whole or not, and a manifest or not, by its own bytes alone. */
import { createHash } from 'node:crypto';
import { hexHash } from '../../lib/bytes/hex-hash.ts';
import { type Digest, digestAlgorithm, digestHex } from '../../oci/digest.ts';
import { type Manifest, maxManifestBytes, readManifest } from '../../oci/manifest.ts';
import { isNamedBy } from '../../oci/signed-schema1.ts';
import type { StoredFile } from '../blobs/blob-store.ts';

export interface Orphan {
  readonly size: number;
  /** Epoch ms. */
  readonly modified: number;
  readonly manifest: Manifest | undefined;
}

/** Undefined where the bytes are not those that the digest promises. */
export async function readOrphan(digest: Digest, file: StoredFile): Promise<Orphan | undefined> {
  const hash = createHash(digestAlgorithm(digest));
  const kept: Uint8Array[] | undefined = file.size <= maxManifestBytes ? [] : undefined;
  const stream = file.stream(0, file.size);
  try {
    for (let chunk = await stream.next(); chunk; chunk = await stream.next()) {
      hash.update(chunk);
      kept?.push(Buffer.from(chunk));
    }
  } finally {
    stream.close();
  }
  const bytes = kept && Buffer.concat(kept);
  if (hash.digest('hex') !== digestHex(digest) && !(bytes && isNamedBy(bytes, digest, hexHash)))
    return undefined;
  const manifest = bytes && recogniseManifest(bytes);
  return { size: file.size, modified: file.modified, manifest };
}

function recogniseManifest(bytes: Buffer): Manifest | undefined {
  if (bytes[0] !== 0x7b && !/^\s*\{/.test(bytes.toString('latin1', 0, 64))) return undefined;
  const read = readManifest(bytes, '');
  return 'problem' in read ? undefined : read;
}
