/**
 * Remembers which endpoints gave the bytes of a partial download. A client that reads in ranges resumes the download with each of
 * them, in a new transfer: it blames the contributors of the earlier ones as well when the whole turns out wrong. What another
 * process left has no entry here: its bytes may have been lost in a power cut.
 */
import { LRUCache } from 'lru-cache';
import type { Endpoint } from '../../upstream/endpoint.ts';

/** By endpointKey; undefined where it is not known which endpoints gave the bytes. */
export type KnownContributors = ReadonlyMap<string, Endpoint> | undefined;

/** Of no bytes. */
export const noContributors: KnownContributors = new Map();

export interface ContributorMemory {
  /** A transfer ends and leaves bytes in the file at `path`. */
  keep(path: string, contributors: KnownContributors): void;
  /** A transfer begins with `bytes` bytes in the file at `path`: the endpoints that gave them. */
  take(path: string, bytes: number): KnownContributors;
}

/** `max`: partial downloads that are remembered; the oldest one is forgotten first. */
export function createContributorMemory(max = 10_000): ContributorMemory {
  const memory = new LRUCache<string, ReadonlyMap<string, Endpoint>>({ max });
  return {
    keep(path, contributors) {
      if (contributors) memory.set(path, contributors);
    },
    take(path, bytes) {
      const contributors = memory.get(path);
      memory.delete(path);
      return bytes > 0 ? contributors : noContributors;
    },
  };
}
