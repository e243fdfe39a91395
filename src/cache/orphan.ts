/** A stored file that the index does not know: whole or not, and a manifest or not, by its own bytes alone. */
import { createHash } from 'node:crypto';
import { type Digest, digestAlgorithm, digestHex } from '../oci/digest.ts';
import { type Manifest, maxManifestBytes, readManifest } from '../oci/manifest.ts';
import { mediaTypes } from '../oci/media-types.ts';
import type { StoredFile } from './blobs/blob-store.ts';

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
  if (hash.digest('hex') !== digestHex(digest)) return undefined;
  const manifest = kept && recogniseManifest(Buffer.concat(kept));
  return { size: file.size, modified: file.modified, manifest };
}

/** OCI manifests need not bear their media type: then the fields that only one of them has tell. */
function recogniseManifest(bytes: Buffer): Manifest | undefined {
  if (bytes[0] !== 0x7b && !/^\s*\{/.test(bytes.toString('latin1', 0, 64))) return undefined;
  for (const guess of ['', mediaTypes.ociIndex, mediaTypes.ociManifest]) {
    const read = readManifest(bytes, guess);
    if (!('problem' in read)) return read;
  }
  return undefined;
}
