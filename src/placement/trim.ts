/**
 * Which contents leave a bucket for `max_size`: the least recently used ones that are neither hosted nor pinned, and whose objects are an
 * hour old. The listing of the bucket tells the sizes, so objects that this replica never heard of count as well.
 */
import type { Digest } from '../oci/digest.ts';

export interface Candidate {
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
  /** Epoch ms: the last use that is known, else when the object was written. */
  readonly used: number;
}

export interface Trim {
  /** An object that is there and stays for now. `used`, `modified`: epoch ms, `used` 0 where no use is known. */
  met(
    digest: Digest,
    object: {
      readonly size: number;
      readonly modified: number;
      readonly used: number;
      readonly isKept: boolean;
    },
  ): void;
  gone(size: number): void;
  /** Bytes above the bound; negative below it. */
  excess(): number;
  /** What may go, the least recently used first. */
  oldest(): readonly Candidate[];
}

/** Contents that one sweep removes at most: what it holds in memory is twice that. */
const most = 50_000;
const youngFor = 3_600_000;

/** `now`: epoch ms. Without a bound nothing goes. */
export function createTrim(maxSize: number | undefined, now: number): Trim {
  let bytes = 0;
  let candidates: Candidate[] = [];
  const sorted = () => candidates.toSorted((a, b) => a.used - b.used);

  return {
    met(digest, { size, modified, used, isKept }) {
      bytes += size;
      if (maxSize === undefined || isKept || modified > now - youngFor) return;
      candidates.push({ digest, size, used: used || modified });
      if (candidates.length >= 2 * most) candidates = sorted().slice(0, most);
    },
    gone(size) {
      bytes -= size;
    },
    excess: () => (maxSize === undefined ? 0 : bytes - maxSize),
    oldest: () => sorted().slice(0, most),
  };
}
