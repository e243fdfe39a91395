/** Referrers of a manifest: upstream's index, filtered here by the type of artifact. */
import type { Digest } from '../oci/digest.ts';
import { mediaTypes } from '../oci/media-types.ts';
import type { ReferrersTarget } from '../routing/target.ts';
import type { Upstream } from '../upstream/upstream.ts';
import { createKeptList, type KeptListDeps } from './kept-list.ts';
import type { Pulled, ReferrersContent } from './pull.ts';

export interface ListReferrersDeps extends KeptListDeps {
  readonly upstream: Upstream;
}

export function createListReferrers(
  deps: ListReferrersDeps,
): (target: ReferrersTarget) => Promise<Pulled<ReferrersContent>> {
  const { upstream } = deps;
  const list = createKeptList<Digest>(deps, {
    kind: 'referrers',
    ask: ({ registry, repository }, subject) => upstream.listReferrers({ registry, repository }, subject),
    // No referrers is an answer, not an error (distribution-spec, "Listing Referrers").
    empty: emptyIndex,
  });

  return async ({ image, subject, artifactType }) => {
    const listed = await list(image, subject);
    if (!listed.found) return listed;
    const filtered = artifactType !== undefined;
    const bytes = filtered ? onlyType(listed.value, artifactType) : listed.value;
    return { ...listed, value: { bytes, filtered } };
  };
}

const emptyIndex = Buffer.from(
  JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests: [] }),
);

/** The index with the descriptors of one artifact type alone. The upstream side has checked its form. */
function onlyType(bytes: Uint8Array, artifactType: string): Uint8Array {
  const index = JSON.parse(Buffer.from(bytes).toString('utf8')) as {
    manifests: { artifactType?: unknown }[] | null;
  };
  const manifests = (index.manifests ?? []).filter((descriptor) => descriptor.artifactType === artifactType);
  return Buffer.from(JSON.stringify({ ...index, manifests }));
}
