/**
 * Who gave bytes of a blob that turned out wrong. They are asked last for that blob, for as long as it is remembered:
 * with several contributors nobody knows who lied, so none of them is trusted first again. Among them, whose turn was the longest ago
 * comes first: so each gets one, whoever of them lies each time.
 */
import { LRUCache } from 'lru-cache';
import type { Digest } from '../../oci/digest.ts';

export interface DistrustMemory {
  /** endpointKeys, in the order in which to ask. */
  of(digest: Digest): ReadonlySet<string>;
  add(digest: Digest, endpoints: Iterable<string>): void;
}

export function createDistrustMemory(max = 10_000): DistrustMemory {
  const memory = new LRUCache<Digest, ReadonlySet<string>>({ max });
  const nobody: ReadonlySet<string> = new Set();
  return {
    of: (digest) => memory.get(digest) ?? nobody,
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
