/** What the manifests among `roots` list, and what those list, with the roots themselves. */
import type { Digest } from '../oci/digest.ts';
import type { IndexStore } from './index/index-store.ts';

export function descendants(index: Pick<IndexStore, 'children'>, roots: Iterable<Digest>): Set<Digest> {
  const found = new Set(roots);
  for (const digest of found) for (const child of index.children(digest)) found.add(child.digest);
  return found;
}
