/** A blob of the store, as an answer. */
import type { Cache } from '../cache/cache.ts';
import type { Digest } from '../oci/digest.ts';
import type { BlobContent, Pulled } from './pull.ts';

export type FoundBlob = Pulled<BlobContent> & { readonly found: true };

/** Undefined where it is not stored, or not linked for the image `name`. The caller closes it. */
export async function openStoredBlob(
  cache: Pick<Cache, 'open'>,
  name: string,
  digest: Digest,
): Promise<FoundBlob | undefined> {
  const stored = await cache.open(name, digest);
  if (!stored) return undefined;
  const value: BlobContent = {
    digest,
    size: stored.size,
    open: (start, end) => stored.stream(start, end ?? stored.size),
    close: () => stored.close(),
  };
  return { found: true, value, cache: 'hit', trail: [] };
}
