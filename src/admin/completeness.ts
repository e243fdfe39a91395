/** How much of an image is cached: whether it can be pulled without a registry, and for which platforms. */
import type { CacheAdmin } from '../cache/cache-admin.ts';
import type { Digest } from '../oci/digest.ts';
import { attestationPlatform, isElsewhere } from '../pull/image-parts.ts';

export interface Completeness {
  /** Manifests and blobs that a client needs, as far as the cached manifests list them. Attestations do not count. */
  readonly needed: number;
  /** How many of those the image can serve from the cache. */
  readonly here: number;
  readonly complete: boolean;
  /** The platforms of an index, in its order; else empty. */
  readonly platforms: readonly (Omit<Completeness, 'platforms'> & { readonly platform: string })[];
}

/** `image`: `registry/repository`. `digest`: of a cached manifest. */
export function completenessOf(
  cache: Pick<CacheAdmin, 'children' | 'serves'>,
  image: string,
  digest: Digest,
): Completeness {
  const needs = (root: Digest): Set<Digest> => {
    const found = new Set([root]);
    for (const one of found) {
      for (const child of cache.children(one)) {
        if (child.platform !== attestationPlatform && !isElsewhere(child)) found.add(child.digest);
      }
    }
    return found;
  };
  const count = (needed: ReadonlySet<Digest>) => {
    const here = [...needed].filter((one) => cache.serves(image, one)).length;
    return { needed: needed.size, here, complete: here === needed.size };
  };
  const platforms = cache.children(digest).flatMap((child) => {
    const { platform } = child;
    if (platform === undefined || platform === attestationPlatform) return [];
    return [{ platform, ...count(needs(child.digest)) }];
  });
  return { ...count(needs(digest)), platforms };
}
