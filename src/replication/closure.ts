/** What a tag needs to be served without a registry, and how much of it is here. Reads the index alone: no host is asked. */
import type { CacheAdmin } from '../cache/cache-admin.ts';
import type { Digest } from '../oci/digest.ts';
import { isManifestType } from '../oci/media-types.ts';
import { attestationPlatform, chosenParts, isElsewhere } from '../pull/image-parts.ts';

export interface Closure {
  /** Every manifest, blob and config that is needed can be served here. Attestations do not count: no client needs them. */
  readonly isWhole: boolean;
  /** The manifests of it as far as they are known, attestations too: what signatures and referrers are attached to. */
  readonly manifests: readonly Digest[];
  /** Bytes of what is missing; undefined where a manifest is missing that would tell. */
  readonly missingBytes: number | undefined;
}

/** `root`: a manifest that may not be here. `platforms`: as of a `[[sync]]`; a filter never changes an index. */
export async function closureOf(
  cache: Pick<CacheAdmin, 'children' | 'serves'>,
  image: string,
  { root, platforms }: { readonly root: Digest; readonly platforms: readonly string[] },
): Promise<Closure> {
  const seen = new Set<Digest>([root]);
  const manifests: Digest[] = [];
  let isWhole = true;
  let isKnown = true;
  let missingBytes = 0;
  const waiting: { digest: Digest; size: number; isManifest: boolean; isExtra: boolean }[] = [
    { digest: root, size: 0, isManifest: true, isExtra: false },
  ];
  for (let next = waiting.pop(); next; next = waiting.pop()) {
    const { digest, size, isManifest, isExtra } = next;
    if (isManifest) manifests.push(digest);
    if (!(await cache.serves(image, digest))) {
      if (isExtra) continue;
      isWhole = false;
      if (isManifest) isKnown = false;
      missingBytes += size;
      continue;
    }
    if (!isManifest) continue;
    for (const child of chosenParts(await cache.children(digest), platforms)) {
      if (isElsewhere(child) || seen.has(child.digest)) continue;
      seen.add(child.digest);
      const isExtraChild = isExtra || child.platform === attestationPlatform;
      waiting.push({ ...child, isManifest: isManifestType(child.mediaType), isExtra: isExtraChild });
    }
  }
  return { isWhole, manifests, missingBytes: isKnown ? missingBytes : undefined };
}
