/** The digest of a stored content, checked. */
import { hexHash } from '../../lib/bytes/hex-hash.ts';
import type { Digest } from '../../oci/digest.ts';
import { maxManifestBytes } from '../../oci/manifest.ts';
import { isNamedBy } from '../../oci/signed-schema1.ts';
import type { BlobStore, Fault } from '../blobs/blob-store.ts';

/**
 * As `BlobStore.verify`, but a signed manifest of schema 1 is right, too: its digest is that of its payload, a part of its bytes.
 */
export async function* verifyContent(
  store: BlobStore,
  digest: Digest,
  size: number,
): AsyncGenerator<number, Fault | undefined> {
  const fault = yield* store.verify(digest, size);
  if (fault?.kind !== 'bytes' || size > maxManifestBytes) return fault;
  const bytes = await store.read(digest);
  return bytes && isNamedBy(bytes, digest, hexHash) ? undefined : fault;
}
