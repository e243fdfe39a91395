/**
 * Remembers which endpoints gave bytes of a blob that turned out wrong. They are asked last for that blob: with several
 * contributors it is not known which of them lied, so none of them is trusted first again. Among them the one that was asked
 * longest ago comes first, so each gets its turn, whichever of them lies.
 */
import { LRUCache } from 'lru-cache';
import type { Digest } from '../../oci/digest.ts';

export interface DistrustMemory {
  /** endpointKeys, in the order in which to ask. */
  of(digest: Digest): ReadonlySet<string>;
  add(digest: Digest, endpoints: Iterable<string>): void;
}

/** `max`: blobs that are remembered; the least recently used one is forgotten first. */
export function createDistrustMemory(max = 10_000): DistrustMemory {
  const memory = new LRUCache<Digest, ReadonlySet<string>>({ max });
  const none: ReadonlySet<string> = new Set();
  return {
    of: (digest) => memory.get(digest) ?? none,
    add(digest, endpoints) {
      const known = new Set(memory.get(digest));
      for (const endpoint of endpoints) {
        known.delete(endpoint);
        known.add(endpoint);
      }
      memory.set(digest, known);
    },
  };
}
