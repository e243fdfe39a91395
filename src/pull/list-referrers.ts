/** Referrers of a manifest: upstream's index, kept for as long as a tag is fresh, and served stale when nobody answers. */
import type { Cache } from '../cache/cache.ts';
import type { Freshness } from '../cache/freshness.ts';
import type { Clock } from '../lib/clock.ts';
import { SingleFlight } from '../lib/single-flight.ts';
import { mediaTypes } from '../oci/media-types.ts';
import type { ReferrersTarget } from '../routing/target.ts';
import { endpointKey } from '../upstream/endpoint.ts';
import type { Upstream } from '../upstream/upstream.ts';
import type { Patience } from './patience.ts';
import type { Pulled, ReferrersContent } from './pull.ts';

export interface ListReferrersDeps {
  readonly cache: Cache;
  readonly upstream: Upstream;
  readonly clock: Clock;
  readonly freshness: Freshness;
  readonly patience: Patience;
}

type Listed = Pulled<Uint8Array>;

export function createListReferrers(
  deps: ListReferrersDeps,
): (target: ReferrersTarget) => Promise<Pulled<ReferrersContent>> {
  const { cache, upstream, clock, freshness, patience } = deps;
  const flights = new SingleFlight<Listed>();

  async function list(target: ReferrersTarget): Promise<Listed> {
    const { image, subject } = target;
    const kept = cache.list(image.name, 'referrers', subject);
    if (kept && clock.now() - kept.checkedAt < freshness(image.name, '')) {
      return { found: true, value: kept.bytes, cache: 'hit', trail: [] };
    }
    const key = `${image.name}@${subject}`;
    const ask = (): Promise<Listed> => flights.run(key, () => fetch(target));
    if (!kept) return ask();
    const stale: Listed = { found: true, value: kept.bytes, cache: 'stale', trail: [] };
    const fetched = (await patience.wait(image, ask)) ?? stale;
    return fetched.found ? fetched : { ...stale, trail: fetched.trail };
  }

  async function fetch({ image, subject }: ReferrersTarget): Promise<Listed> {
    const { name, registry, repository } = image;
    const answer = await upstream.listReferrers({ registry, repository }, subject);
    const { trail } = answer;
    if (!answer.ok && answer.verdict.kind !== 'notFound')
      return { found: false, verdict: answer.verdict, trail };
    // No referrers is an answer, not an error (distribution-spec, "Listing Referrers").
    const bytes = answer.ok ? answer.value : emptyIndex;
    cache.setList(name, 'referrers', subject, bytes);
    const endpoint = answer.ok ? endpointKey(answer.endpoint) : undefined;
    return { found: true, value: bytes, cache: 'fetched', endpoint, trail };
  }

  return async (target) => {
    const listed = await list(target);
    if (!listed.found) return listed;
    const { artifactType } = target;
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
    manifests: { artifactType?: unknown }[];
  };
  const manifests = index.manifests.filter((descriptor) => descriptor.artifactType === artifactType);
  return Buffer.from(JSON.stringify({ ...index, manifests }));
}
