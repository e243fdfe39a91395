/** Uses of contents in memory, for the replicas of one test. */
import type { ContentUses } from '../../src/cache/shared/content-uses.ts';
import type { Digest } from '../../src/oci/digest.ts';

/** `now`: its clock, epoch ms. */
export function createMemoryUses(now: () => number = Date.now): ContentUses {
  const known = new Map<Digest, number>();
  const told = new Map<string, number>();

  return {
    async tell(uses) {
      for (const { digest, used } of uses)
        known.set(digest, Math.max(Math.floor(used), known.get(digest) ?? 0));
    },
    of: async (digests) =>
      new Map(digests.flatMap((one) => (known.has(one) ? [[one, known.get(one) ?? 0]] : []))),
    here: async (replica) => void told.set(replica, now()),
    gone: async (replica) => void told.delete(replica),
    replicas: async () =>
      [...told].sort(([a], [b]) => (a < b ? -1 : 1)).map(([replica, at]) => ({ replica, age: now() - at })),
    async forget({ uses, silent }) {
      for (const [digest, used] of known) if (used < uses) known.delete(digest);
      for (const [replica, at] of told) if (at < now() - silent) told.delete(replica);
    },
  };
}
