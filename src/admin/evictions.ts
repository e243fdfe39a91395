/** What eviction would take next. */
import type { CacheAdmin } from '../cache/cache-admin.ts';

/** A content that no manifest lists, and what goes with it. */
export interface EvictedNext {
  readonly digest: string;
  /** `registry/repository` of the images that have it, and `image:tag` of their tags. */
  readonly images: readonly string[];
  readonly tags: readonly string[];
  /** Bytes and number of all that go. */
  readonly bytes: number;
  readonly contents: number;
  /** ISO 8601: the last use of any of them. */
  readonly lastUsed: string;
}

const most = 500;

/** At most `limit` of them and at most 500, the first to go first. */
export async function nextEvictions(
  cache: Pick<CacheAdmin, 'nextEvictions' | 'namesOf'>,
  limit: number,
): Promise<readonly EvictedNext[]> {
  const next = await cache.nextEvictions(Math.min(limit, most));
  const names = await cache.namesOf(next.map(({ digest }) => digest));
  return next.map(({ digest, bytes, contents, used }, n) => {
    const { images = [], tags = [] } = names[n] ?? {};
    return { digest, images, tags, bytes, contents, lastUsed: new Date(used).toISOString() };
  });
}
