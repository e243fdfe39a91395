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
export async function completenessOf(
  cache: Pick<CacheAdmin, 'children' | 'serves'>,
  image: string,
  digest: Digest,
): Promise<Completeness> {
  const needs = async (root: Digest): Promise<Set<Digest>> => {
    const found = new Set([root]);
    for (const one of found) {
      for (const child of await cache.children(one)) {
        if (child.platform !== attestationPlatform && !isElsewhere(child)) found.add(child.digest);
      }
    }
    return found;
  };
  const count = async (root: Digest) => {
    const needed = await needs(root);
    let here = 0;
    for (const one of needed) if (await cache.serves(image, one)) here += 1;
    return { needed: needed.size, here, complete: here === needed.size };
  };
  const platforms = [];
  for (const { digest: child, platform } of await cache.children(digest)) {
    if (platform === undefined || platform === attestationPlatform) continue;
    platforms.push({ platform, ...(await count(child)) });
  }
  return { ...(await count(digest)), platforms };
}
