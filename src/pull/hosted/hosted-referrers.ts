/**
 * Referrers that are here: manifests of this image with that subject, and what the fallback tag `ALGORITHM-HEX` lists
 * (distribution-spec, "Referrers Tag Schema"). Clients that pushed to a registry without the API kept their list under that tag, so
 * both are merged; each referrer counts once.
 *
 * A page looks at so many manifests that are here. The first one begins with what the endpoints and the fallback tag list, which is bounded;
 * the next ones leave out what that had. A page of one artifact type may be empty, and more may follow.
 */
import type { Cache } from '../../cache/cache.ts';
import type { HostedContent } from '../../cache/hosted-content.ts';
import { type Digest, digestAlgorithm, digestHex, parseDigest } from '../../oci/digest.ts';
import { readManifest } from '../../oci/manifest.ts';
import { mediaTypes } from '../../oci/media-types.ts';
import { isJsonObject, parseJson } from '../../oci/parse-json.ts';
import { parseTag } from '../../oci/reference.ts';
import type { ReferrersTarget } from '../../routing/target.ts';
import type { ReferrersContent } from '../pull.ts';

export interface HostedReferrersDeps {
  readonly cache: Pick<Cache, 'tag' | 'manifest'>;
  readonly content: Pick<HostedContent, 'referrersOf'>;
}

export interface MergedReferrers {
  readonly value: ReferrersContent;
  /** False: the endpoints' are all. */
  readonly hasOurs: boolean;
}

export interface HostedReferrers {
  /** Those that are here, added to those of the endpoints. */
  merged(target: ReferrersTarget, theirs: ReferrersContent | undefined): Promise<MergedReferrers>;
}

/** Characters of one descriptor with its annotations, and of all of them; beyond, a descriptor stands without its annotations. */
const maxDescriptor = 64 * 1024;
const maxAnnotated = 2 * 1024 * 1024;
/** Manifests of one page: about 4 MiB of descriptors, which is what clients read of an index. */
const pageSize = 10_000;

/** A descriptor as it stands in an index. */
type Listed = Record<string, unknown>;

/** Rejects when the index or the disk cannot be read. */
export function createHostedReferrers(
  { cache, content }: HostedReferrersDeps,
  options: { readonly pageSize: number } = { pageSize },
): HostedReferrers {
  async function descriptorOf(image: string, digest: Digest, subject: Digest): Promise<Listed | undefined> {
    const stored = await cache.manifest(image, digest);
    if (!stored) return undefined;
    const { bytes, mediaType } = stored;
    const manifest = readManifest(bytes, mediaType);
    // What another replica told of it is a hint.
    if ('problem' in manifest || manifest.subject !== subject) return undefined;
    const { artifactType, annotations } = manifest;
    return {
      mediaType,
      digest,
      size: bytes.length,
      ...(artifactType !== undefined && { artifactType }),
      ...(annotations && { annotations }),
    };
  }

  async function underFallbackTag(image: string, subject: Digest): Promise<readonly Listed[]> {
    const tag = parseTag(`${digestAlgorithm(subject)}-${digestHex(subject).slice(0, 64)}`);
    const known = tag && (await cache.tag(image, tag));
    const index = known && (await cache.manifest(image, known.digest));
    return index ? listedIn(index.bytes) : [];
  }

  /** `theirs`: of the endpoints, all of the wanted type. */
  async function pageOf(target: ReferrersTarget, theirs: readonly Listed[]): Promise<MergedReferrers> {
    const { image, subject, artifactType, after } = target;
    const isWanted = (one: Listed) => artifactType === undefined || one.artifactType === artifactType;
    const fallback = await underFallbackTag(image.name, subject);
    const known = new Map([...theirs, ...fallback.filter(isWanted)].map((one) => [one.digest, one]));
    const found = await content.referrersOf(image.name, subject, after, options.pageSize + 1);
    const digests = found.slice(0, options.pageSize);
    const listed = after === undefined ? new Map(known) : new Map<unknown, Listed>();
    let bytes = 0;
    // One after the other: each may be a manifest of 4 MiB.
    for (const digest of digests) {
      if (after !== undefined && known.has(digest)) continue;
      const one = await descriptorOf(image.name, digest, subject);
      if (!one || !isWanted(one)) continue;
      const size = JSON.stringify(one).length;
      const isLarge = size > maxDescriptor || bytes + size > maxAnnotated;
      const { annotations: _, ...bare } = one;
      listed.set(digest, isLarge ? bare : one);
      bytes += isLarge ? 0 : size;
    }
    const manifests = [...listed.values()];
    const index = { schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests };
    const value: ReferrersContent = {
      bytes: Buffer.from(JSON.stringify(index)),
      filtered: artifactType !== undefined,
      next: found.length > digests.length ? digests.at(-1) : undefined,
    };
    return { value, hasOurs: fallback.length > 0 || found.length > 0 || after !== undefined };
  }

  return {
    merged: (target, theirs) => pageOf(target, theirs ? listedIn(theirs.bytes) : []),
  };
}

/** Descriptors of an index that have a digest; none of anything else. */
function listedIn(bytes: Uint8Array): readonly Listed[] {
  const parsed = parseJson(bytes);
  const manifests = parsed.ok && isJsonObject(parsed.value) ? parsed.value.manifests : undefined;
  if (!Array.isArray(manifests)) return [];
  return manifests.filter(
    (one): one is Listed =>
      isJsonObject(one) && typeof one.digest === 'string' && parseDigest(one.digest) !== undefined,
  );
}
