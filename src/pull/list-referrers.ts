/** Referrers of a manifest: upstream's index, filtered here by the type of artifact. */
import type { Digest } from '../oci/digest.ts';
import { mediaTypes } from '../oci/media-types.ts';
import { isJsonObject, parseJson } from '../oci/parse-json.ts';
import type { ReferrersTarget } from '../routing/target.ts';
import type { Upstream } from '../upstream/upstream.ts';
import { type CachedListDeps, createCachedList } from './cached-list.ts';
import type { Pulled, ReferrersContent } from './pull.ts';

export interface ListReferrersDeps extends CachedListDeps {
  readonly upstream: Upstream;
}

/** Rejects with bugs only. */
export function createListReferrers(deps: ListReferrersDeps) {
  const { cache, upstream } = deps;
  const list = createCachedList<Digest>(deps, {
    kind: 'referrers',
    ask: ({ registry, repository }, subject, onProgress) =>
      upstream.listReferrers({ registry, repository }, subject, { onProgress }),
    // No referrers is an answer, not an error (distribution-spec, "Listing Referrers").
    empty: emptyReferrers,
    isOfUse: async (image, subject, bytes) =>
      listedIn(readIndex(bytes)).length > 0 || (await cache.find(image, subject)).linked,
  });

  async function get({
    image,
    subject,
    artifactType,
    byPeer,
  }: ReferrersTarget): Promise<Pulled<ReferrersContent>> {
    const listed = await list.get(image, subject, byPeer);
    if (!listed.found) return listed;
    const matching = artifactType === undefined ? undefined : onlyType(listed.value, artifactType);
    return { ...listed, value: { bytes: matching ?? listed.value, filtered: matching !== undefined } };
  }

  return { get, expire: ({ image, subject }: ReferrersTarget) => list.expire(image, subject) };
}

/** What a manifest without referrers has. */
export const emptyReferrers: Uint8Array = Buffer.from(
  JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests: [] }),
);

/** The index with the descriptors of one artifact type alone; undefined for one that an older version kept and that is no index. */
function onlyType(bytes: Uint8Array, artifactType: string): Uint8Array | undefined {
  const index = readIndex(bytes);
  if (!index) return undefined;
  const manifests = listedIn(index).filter((one) => isJsonObject(one) && one.artifactType === artifactType);
  return Buffer.from(JSON.stringify({ ...index, manifests }));
}

function readIndex(bytes: Uint8Array): Record<string, unknown> | undefined {
  const parsed = parseJson(bytes);
  return parsed.ok && isJsonObject(parsed.value) ? parsed.value : undefined;
}

function listedIn(index: Record<string, unknown> | undefined): readonly unknown[] {
  const listed = index?.manifests;
  return Array.isArray(listed) ? listed : [];
}
