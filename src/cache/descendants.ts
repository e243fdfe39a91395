import type { Digest } from '../oci/digest.ts';
import type { Catalogue } from './index/catalogue.ts';

/** The roots, what the manifests among them list, and what those list. Rejects when the index cannot be read. */
export async function descendants(
  catalogue: Pick<Catalogue, 'children'>,
  roots: Iterable<Digest>,
): Promise<Set<Digest>> {
  const found = new Set(roots);
  for (const digest of found) for (const child of await catalogue.children(digest)) found.add(child.digest);
  return found;
}
