/** All that a manifest lists, at any depth, as it is in the cache. No host is asked. */
import type { Cache } from '../../cache/cache.ts';
import type { Digest } from '../../oci/digest.ts';
import { type Descriptor, type Manifest, readManifest } from '../../oci/manifest.ts';
import { isManifestType, isSchema1Type } from '../../oci/media-types.ts';
import { attestationPlatform, chosenParts } from '../../pull/image-parts.ts';

export interface ImageContent {
  readonly manifests: ReadonlyMap<Digest, ContentManifest>;
  /** Bytes of each blob. */
  readonly blobs: ReadonlyMap<Digest, number>;
  /** Of platforms that are not wanted, and attestations that are not here. */
  readonly leftOut: ReadonlySet<Digest>;
  /** What is needed and not here, with its bytes as the manifests say. */
  readonly missing: ReadonlyMap<Digest, number>;
  /** Why it cannot be in a bundle, in a clause. */
  readonly problem: string | undefined;
}

export interface ContentManifest {
  readonly mediaType: string;
  readonly bytes: Uint8Array;
  readonly manifest: Manifest;
}

interface Waiting extends Pick<Descriptor, 'digest' | 'size'> {
  /** Part of an attestation, which no client needs. */
  readonly isExtra: boolean;
}

/** `root`: a manifest. `platforms`: empty for all. Layers that have URLs of their own are in no registry, and in no bundle. */
export async function imageContent(
  cache: Pick<Cache, 'find' | 'manifest'>,
  image: string,
  { root, platforms }: { readonly root: Digest; readonly platforms: readonly string[] },
): Promise<ImageContent> {
  const manifests = new Map<Digest, ContentManifest>();
  const blobs = new Map<Digest, number>();
  const leftOut = new Set<Digest>();
  const missing = new Map<Digest, number>();
  let problem: string | undefined;
  const seen = new Set<Digest>([root]);
  const waiting: Waiting[] = [{ digest: root, size: 0, isExtra: false }];
  const lack = ({ digest, size, isExtra }: Waiting) => {
    if (isExtra) leftOut.add(digest);
    else missing.set(digest, size);
  };
  for (let next = waiting.pop(); next; next = waiting.pop()) {
    const stored = await cache.manifest(image, next.digest);
    if (!stored) {
      lack(next);
      continue;
    }
    const { mediaType, bytes } = stored;
    const manifest = readManifest(bytes, mediaType);
    if ('problem' in manifest) problem = `the manifest ${next.digest} ${manifest.problem}`;
    else if (isSchema1Type(mediaType)) problem = `${next.digest} is of schema 1, which no OCI layout holds`;
    else {
      manifests.set(next.digest, { mediaType, bytes, manifest });
      const chosen = new Set(chosenParts(manifest.children, platforms).map(({ digest }) => digest));
      for (const child of manifest.children) {
        if (child.isElsewhere) continue;
        if (!chosen.has(child.digest)) {
          leftOut.add(child.digest);
          continue;
        }
        const isExtra = next.isExtra || child.platform === attestationPlatform;
        if (seen.has(child.digest) && (isExtra || !leftOut.has(child.digest))) continue;
        seen.add(child.digest);
        const wanted = { digest: child.digest, size: child.size, isExtra };
        if (isManifestType(child.mediaType)) waiting.push(wanted);
        else {
          const { content, linked } = await cache.find(image, child.digest);
          if (content && linked) blobs.set(child.digest, content.size);
          else lack(wanted);
        }
      }
    }
  }
  // What is left out in one place may be wanted in another.
  for (const digest of [...manifests.keys(), ...blobs.keys()]) leftOut.delete(digest);
  return { manifests, blobs, leftOut, missing, problem };
}
