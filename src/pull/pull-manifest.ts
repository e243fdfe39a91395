/**
 * Manifests. A digest never goes stale: once here, it is served for ever. A tag is fresh for a while; then one HEAD, shared
 * by all who wait, says whether it still means what it meant.
 *
 *   tag here, fresh ................................ hit
 *   tag here, old, HEAD says the same digest ....... revalidated
 *   tag here, old, HEAD says another digest ........ GET, fetched
 *   tag here, old, every endpoint says 404 ......... the tag goes, 404 (or stale, with freshness.on_missing = "keep")
 *   tag here, old, nobody can say, or not in time .. stale, for two seconds without asking again
 *   nothing here ................................... GET, fetched; joined for those who wait for the same GET
 *   attached tag, absent before, nobody can say .... 404, stale
 */
import type { Cache, CachedManifest, CachedTag } from '../cache/cache.ts';
import type { Clock } from '../lib/clock.ts';
import { SingleFlight } from '../lib/flow/single-flight.ts';
import type { Digest } from '../oci/digest.ts';
import type { Reference, Tag } from '../oci/reference.ts';
import type { ManifestTarget } from '../routing/target.ts';
import type { Log } from '../telemetry/log.ts';
import { endpointKey } from '../upstream/endpoint.ts';
import type { Answer, FetchedManifest, Upstream } from '../upstream/upstream.ts';
import { type Freshness, isFresh } from './freshness.ts';
import type { RememberedTrails } from './negative-cache.ts';
import type { ManifestContent, Pulled } from './pull.ts';
import type { Patience } from './revalidation-timeout.ts';

export interface PullManifestDeps {
  readonly cache: Cache;
  readonly upstream: Upstream;
  readonly clock: Clock;
  readonly freshness: Freshness;
  readonly absences: RememberedTrails;
  /** Tags that were just found to be neither the same, nor another, nor gone. */
  readonly unconfirmed: RememberedTrails;
  readonly patience: Patience;
  readonly log: Pick<Log, 'debug' | 'warn'>;
  readonly onMissing: 'drop' | 'keep';
}

type Pulling = Promise<Pulled<ManifestContent>>;

/** Made of a digest: a signature, an attestation, an SBOM (cosign), or the index of referrers (distribution-spec). */
const attachedTag = /^sha(?:256|384|512)-[0-9a-f]{64,128}(?:\.[\w.-]+)?$/;

export function createPullManifest(deps: PullManifestDeps): (target: ManifestTarget) => Pulling {
  const { cache, upstream, clock, freshness, absences, unconfirmed, patience, log } = deps;
  const flights = new SingleFlight<Pulled<ManifestContent>>();

  async function byDigest(image: string, reference: Reference, digest: Digest): Pulling {
    const cached = await cache.manifest(image, digest);
    if (cached) return { found: true, value: cached, cache: 'hit', trail: [] };
    return fetchOnce(image, reference, digest);
  }

  async function byTag(image: string, reference: Reference, tag: Tag): Pulling {
    const known = cache.tag(image, tag);
    const cached = known && (await cache.manifest(image, known.digest));
    if (!known || !cached) {
      const pulled = await fetchOnce(image, reference, tag);
      // The manifest was lost here, and is nowhere else either.
      if (known && !pulled.found && pulled.verdict.kind === 'notFound') cache.dropTag(image, tag);
      return pulled;
    }
    if (isFresh(known.checkedAt, clock.now(), freshness(image, tag))) {
      return { found: true, value: cached, cache: 'hit', trail: [] };
    }
    const age = clock.now() - known.checkedAt;
    // Only with on_missing = "keep" is there a tag and an absence.
    const trail = absences.get(image, tag) ?? unconfirmed.get(image, tag);
    const revalidated =
      !trail &&
      (await patience.wait(reference, () =>
        flights.run(`${image}:${tag}`, () => revalidate(image, reference, tag, known, cached)),
      ));
    const pulled: Pulled<ManifestContent> = revalidated || {
      ...{ found: true, value: cached, cache: 'stale', trail: trail ?? [] },
    };
    const became = pulled.found ? pulled.cache : pulled.verdict.kind;
    log.debug({ image, tag, age, became, asked: !trail }, 'a tag was past its freshness');
    return pulled;
  }

  async function revalidate(
    image: string,
    reference: Reference,
    tag: Tag,
    known: CachedTag,
    cached: CachedManifest,
  ): Pulling {
    const head = await upstream.headManifest(reference);
    const { trail } = head;
    if (!head.ok) {
      const isMissing = head.verdict.kind === 'notFound';
      (isMissing ? absences : unconfirmed).add(image, tag, trail);
      if (!isMissing || deps.onMissing === 'keep') {
        return { found: true, value: cached, cache: 'stale', trail };
      }
      cache.dropTag(image, tag);
      return { found: false, verdict: head.verdict, trail };
    }
    const endpoint = endpointKey(head.endpoint);
    const { digest, fetched } = head.value;
    const named = digest === known.digest ? cached : await cache.manifest(image, digest);
    if (named) {
      cache.setTag(image, tag, { digest, endpoint });
      return { found: true, value: named, cache: 'revalidated', endpoint, trail };
    }
    if (fetched) return keep(image, reference, { ...head, value: fetched });
    const pulled = await fetch(image, reference, tag);
    // An endpoint that announces a new image but cannot give it must not take the old one away.
    return pulled.found ? pulled : { found: true, value: cached, cache: 'stale', trail: pulled.trail };
  }

  async function fetchOnce(image: string, reference: Reference, what: Digest | Tag): Pulling {
    const missing = absences.get(image, what);
    if (missing) return { found: false, verdict: { kind: 'notFound' }, trail: missing };
    if (attachedTag.test(what) && absences.has(image, what)) return absentBefore(image, reference, what);
    return fetchWith(image, reference, what);
  }

  async function fetchWith(image: string, reference: Reference, what: Digest | Tag): Pulling {
    const key = `${image}@${what}`;
    const joins = flights.has(key);
    const pulled = await flights.run(key, () => fetch(image, reference, what));
    return joins && pulled.found && pulled.cache === 'fetched' ? { ...pulled, cache: 'joined' } : pulled;
  }

  /** Without a signature before, and no endpoint that can say: without a signature now. */
  async function absentBefore(image: string, reference: Reference, what: Digest | Tag): Pulling {
    const unanswered = unconfirmed.get(image, what);
    const pulled = unanswered
      ? undefined
      : await patience.wait(reference, () => fetchWith(image, reference, what));
    if (pulled && (pulled.found || pulled.verdict.kind === 'notFound')) return pulled;
    if (pulled) unconfirmed.add(image, what, pulled.trail);
    const trail = unanswered ?? pulled?.trail ?? [];
    return { found: false, verdict: { kind: 'notFound' }, cache: 'stale', trail };
  }

  async function fetch(image: string, reference: Reference, what: Digest | Tag): Pulling {
    const { digest: asked } = reference;
    const prefer = asked && cache.descriptor(image, asked)?.endpoint;
    const answer = await upstream.getManifest(reference, { prefer });
    if (answer.ok) return keep(image, reference, answer);
    const { verdict, trail } = answer;
    if (verdict.kind === 'notFound') absences.add(image, what, trail);
    return { found: false, verdict, trail };
  }

  async function keep(
    image: string,
    { tag }: Reference,
    { value, endpoint: giver, trail }: Extract<Answer<FetchedManifest>, { ok: true }>,
  ): Pulling {
    const endpoint = endpointKey(giver);
    absences.forget(image, tag ?? value.digest);
    try {
      await cache.putManifest(image, { ...value, endpoint });
      if (tag) cache.setTag(image, tag, { digest: value.digest, endpoint });
    } catch (error) {
      log.warn({ err: error, image, digest: value.digest }, 'a manifest is served but cannot be kept');
    }
    return { found: true, value, cache: 'fetched', endpoint, trail };
  }

  return ({ image, reference }) => {
    const { digest, tag } = reference;
    if (digest) return byDigest(image.name, reference, digest);
    return byTag(image.name, reference, tag as Tag);
  };
}
