/** A stored content that the index does not know: whole or not, and a manifest or not, by its own bytes alone. */
import type { Digest } from '../../oci/digest.ts';
import { type Manifest, maxManifestBytes, readManifest } from '../../oci/manifest.ts';
import type { BlobStore } from '../blobs/blob-store.ts';
import { verifyContent } from './verify-content.ts';

export interface Orphan {
  readonly size: number;
  /** Epoch ms. */
  readonly modified: number;
  /** Undefined for a blob. */
  readonly manifest: Manifest | undefined;
}

/**
 * Undefined if there is no such content any more, or if it was stopped; `damaged` if its bytes are not those of the digest. What is whole is durable when
 * this resolves. Throws what `BlobStore.verify` throws.
 */
export async function readOrphan(
  store: BlobStore,
  digest: Digest,
  isStopped: () => boolean,
): Promise<Orphan | 'damaged' | undefined> {
  const blob = await store.open(digest);
  if (!blob) return undefined;
  const { size, modified } = blob;
  blob.close();
  const verifying = verifyContent(store, digest, size);
  let step = await verifying.next();
  while (!step.done && !isStopped()) step = await verifying.next();
  if (!step.done) {
    await verifying.return(undefined);
    return undefined;
  }
  if (step.value) return 'damaged';
  const bytes = size <= maxManifestBytes ? await store.read(digest) : undefined;
  // Copied here by hand, its bytes may be in memory alone: with a row, a file of zeros would pass for it after a power cut.
  await store.makeDurable(digest);
  return { size, modified, manifest: bytes && recogniseManifest(Buffer.from(bytes)) };
}

function recogniseManifest(bytes: Buffer): Manifest | undefined {
  if (bytes[0] !== 0x7b && !/^\s*\{/.test(bytes.toString('latin1', 0, 64))) return undefined;
  const read = readManifest(bytes, '');
  return 'problem' in read ? undefined : read;
}
