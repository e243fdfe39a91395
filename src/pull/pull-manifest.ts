/**
 * Manifests. A digest never goes stale: once cached, it is served for ever. A tag is fresh for a while; then one HEAD, shared by all
 * requests that wait, says whether it still means the same.
 *
 *   imported ....................................... hit, always
 *   cached, fresh .................................. hit; where the client wants it revalidated, for a second only
 *   cached, old, HEAD says the same digest ......... revalidated
 *   cached, old, HEAD says another digest .......... GET, fetched
 *   cached, old, every endpoint says 404 ........... the tag goes, 404 (or stale, with freshness.on_missing = "keep")
 *   cached, old, no endpoint can say, or in time ... stale, for two seconds without asking again
 *   not cached ..................................... GET, fetched; joined by requests that come meanwhile
 *   attached tag, absent before, no endpoint can say 404, stale
 */
import type { CachedManifest, CachedTag } from '../cache/cache.ts';
import { isImported } from '../cache/index/catalogue.ts';
import type { Clock } from '../lib/clock.ts';
import { SingleFlight } from '../lib/flow/single-flight.ts';
import type { Digest } from '../oci/digest.ts';
import type { Reference, Tag } from '../oci/reference.ts';
import type { ManifestTarget } from '../routing/target.ts';
import { endpointKey } from '../upstream/endpoint.ts';
import { createFetchManifest, type FetchManifestDeps, type Pulling } from './fetch-manifest.ts';
import { type Freshness, isFresh } from './freshness.ts';
import type { ManifestContent, Pulled } from './pull.ts';

export interface PullManifestDeps extends FetchManifestDeps {
  readonly clock: Clock;
  readonly freshness: Freshness;
  /** What to do with a cached tag that every endpoint says 404 to. */
  readonly onMissing: 'drop' | 'keep';
}

/** ms: what was confirmed so lately is not asked about again, however many clients want it revalidated. */
const justNow = 1000;

/** A tag with its manifest, both cached. */
interface CachedImage {
  readonly known: CachedTag;
  readonly cached: CachedManifest;
}

/** The function rejects with bugs only. */
export function createPullManifest(deps: PullManifestDeps): (target: ManifestTarget) => Pulling {
  const { cache, upstream, clock, freshness, absences, unconfirmed, timeout, log } = deps;
  const fetchManifest = createFetchManifest(deps);
  const revalidations = new SingleFlight<Pulled<ManifestContent>>();

  async function byDigest(image: string, reference: Reference, digest: Digest): Pulling {
    const cached = await cache.manifest(image, digest);
    if (cached) return { found: true, value: cached, cache: 'hit', trail: [] };
    return fetchManifest.once(image, reference, digest);
  }

  /** In the cache, or in a bucket since it had to make room. */
  async function here(image: string, digest: Digest) {
    const cached = await cache.manifest(image, digest);
    if (cached) return cached;
    const recalled = await fetchManifest.recall(image, digest);
    return recalled.found ? recalled.value : undefined;
  }

  async function byTag(tag: Tag, { image: { name: image }, reference, ...asked }: ManifestTarget): Pulling {
    const { byPeer = false, revalidates = false } = asked;
    const known = await cache.tag(image, tag);
    const cached = known && (await here(image, known.digest));
    if (!known || !cached) {
      const pulled = await fetchManifest.once(image, reference, tag);
      // The stored manifest was damaged, and no endpoint has the tag any more.
      if (known && !pulled.found && pulled.verdict.kind === 'notFound') await cache.dropTag(image, tag);
      return pulled;
    }
    // No endpoint knows better, and on a site without a network there may be none.
    if (isImported(known.endpoint)) return { found: true, value: cached, cache: 'hit', trail: [] };
    const { checkedAt } = known;
    const fresh = freshness(image, tag);
    if (isFresh(checkedAt, clock.now(), revalidates ? Math.min(justNow, fresh) : fresh)) {
      return { found: true, value: cached, cache: 'hit', checkedAt, trail: [] };
    }
    const age = clock.now() - known.checkedAt;
    // Only with on_missing = "keep" is there a tag and an absence.
    const trail = absences.get(image, tag) ?? unconfirmed.get(image, tag);
    const ask = () =>
      revalidations.run(`${image}:${tag}`, () => revalidate(image, reference, tag, { known, cached }));
    const revalidated = trail ? undefined : await timeout.wait(reference, ask, byPeer);
    const pulled: Pulled<ManifestContent> = revalidated ?? {
      found: true,
      value: cached,
      cache: 'stale',
      trail: trail ?? [],
    };
    const became = pulled.found ? pulled.cache : pulled.verdict.kind;
    log.debug(
      { event: 'pull.tagPastFreshness', image, tag, age, became, asked: !trail },
      'a tag was past its freshness',
    );
    return pulled;
  }

  async function revalidate(
    image: string,
    reference: Reference,
    tag: Tag,
    { known, cached }: CachedImage,
  ): Pulling {
    const head = await upstream.headManifest(reference);
    const { trail } = head;
    if (!head.ok) {
      const isMissing = head.verdict.kind === 'notFound';
      (isMissing ? absences : unconfirmed).add(image, tag, trail);
      if (!isMissing || deps.onMissing === 'keep') {
        return { found: true, value: cached, cache: 'stale', trail };
      }
      await cache.dropTag(image, tag);
      return { found: false, verdict: head.verdict, trail };
    }
    const endpoint = endpointKey(head.endpoint);
    const { digest, fetched } = head.value;
    const named = digest === known.digest ? cached : await cache.manifest(image, digest);
    if (named) {
      await cache.setTag(image, tag, { digest, endpoint, age: head.age });
      return { found: true, value: named, cache: 'revalidated', endpoint, trail };
    }
    if (fetched) return fetchManifest.keep(image, reference, { ...head, value: fetched });
    const pulled = await fetchManifest.fetch(image, reference, tag);
    // An endpoint that announces a new image but cannot give it must not take the old one away.
    return pulled.found ? pulled : { found: true, value: cached, cache: 'stale', trail: pulled.trail };
  }

  return (target) => {
    const { image, reference } = target;
    const { digest, tag } = reference;
    if (digest) return byDigest(image.name, reference, digest);
    return byTag(tag as Tag, target);
  };
}
