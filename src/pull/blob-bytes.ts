/** Small blobs, whole in memory. */
import type { Digest } from '../oci/digest.ts';
import type { ImageName } from '../routing/target.ts';
import type { Trail } from '../upstream/outcome.ts';
import type { Verdict } from '../upstream/upstream.ts';
import type { Pull } from './pull.ts';

export type BlobBytes =
  | { readonly ok: true; readonly bytes: Buffer }
  /** `verdict`: undefined for a blob of more than `cap` bytes, or of no announced size. */
  | { readonly ok: false; readonly verdict: Verdict | undefined; readonly trail: Trail };

/** The verified bytes of a blob of at most `cap` bytes. Rejects where they cannot be had whole. */
export async function blobBytes(
  pull: Pick<Pull, 'blob'>,
  image: ImageName,
  digest: Digest,
  cap: number,
): Promise<BlobBytes> {
  const pulled = await pull.blob({ kind: 'blob', image, digest });
  if (!pulled.found) return { ok: false, verdict: pulled.verdict, trail: pulled.trail };
  const { value } = pulled;
  try {
    if (value.size === undefined || value.size > cap) {
      return { ok: false, verdict: undefined, trail: pulled.trail };
    }
    const stream = value.open(0, value.size);
    const parts: Buffer[] = [];
    try {
      // A chunk is valid until the call after the next one, so each is copied.
      for (let chunk = await stream.next(); chunk; chunk = await stream.next())
        parts.push(Buffer.from(chunk));
    } finally {
      stream.close();
    }
    return { ok: true, bytes: Buffer.concat(parts) };
  } finally {
    value.close();
  }
}
