/** A manifest from the image's endpoints, into the cache: fetched once for all requests that wait for the same one. */
import type { Cache } from '../cache/cache.ts';
import { SingleFlight } from '../lib/flow/single-flight.ts';
import type { Digest } from '../oci/digest.ts';
import type { Reference, Repository, Tag } from '../oci/reference.ts';
import type { Log } from '../telemetry/log.ts';
import { endpointKey } from '../upstream/endpoint.ts';
import type { Answer, FetchedManifest, Upstream } from '../upstream/upstream.ts';
import type { NegativeCache } from './negative-cache.ts';
import type { ManifestContent, Pulled } from './pull.ts';
import type { RevalidationTimeout } from './revalidation-timeout.ts';

export interface FetchManifestDeps {
  readonly cache: Cache;
  readonly upstream: Upstream;
  /** What every endpoint said 404 to. */
  readonly absences: NegativeCache;
  /** Failed revalidations: for a short while such a tag is served stale without asking again. */
  readonly unconfirmed: NegativeCache;
  readonly timeout: RevalidationTimeout;
  readonly log: Pick<Log, 'debug' | 'warn'>;
}

export type Pulling = Promise<Pulled<ManifestContent>>;

type FetchedAnswer = Extract<Answer<FetchedManifest>, { ok: true }>;

export interface FetchManifest {
  /** From the endpoints, unless it was absent a moment ago; joined if the same is being fetched. */
  once(image: string, reference: Reference, what: Digest | Tag): Pulling;
  /** From the endpoints, now. */
  fetch(image: string, reference: Reference, what: Digest | Tag): Pulling;
  /** What the image may serve, from buckets alone: its file had to make room. */
  recall(image: string, digest: Digest): Pulling;
  /** Takes an answer into the cache. One that cannot be kept is served all the same. */
  keep(image: string, reference: Reference, answer: FetchedAnswer): Pulling;
}

/** Tags made of a digest: a signature, an attestation, an SBOM (cosign), or the index of referrers (distribution-spec). */
const attachedTag = /^sha(?:256|384|512)-[0-9a-f]{64,128}(?:\.[\w.-]+)?$/;

/** Its functions reject with bugs only. */
export function createFetchManifest(deps: FetchManifestDeps): FetchManifest {
  const { cache, upstream, absences, unconfirmed, timeout, log } = deps;
  const flights = new SingleFlight<Pulled<ManifestContent>>();

  async function once(image: string, reference: Reference, what: Digest | Tag): Pulling {
    const missing = absences.get(image, what);
    if (missing) return { found: false, verdict: { kind: 'notFound' }, trail: missing };
    if (attachedTag.test(what) && absences.has(image, what)) return absentBefore(image, reference, what);
    return join(image, reference, what);
  }

  async function join(image: string, reference: Reference, what: Digest | Tag): Pulling {
    const key = `${image}@${what}`;
    const joins = flights.has(key);
    const pulled = await flights.run(key, () => fetch(image, reference, what));
    return joins && pulled.found && pulled.cache === 'fetched' ? { ...pulled, cache: 'joined' } : pulled;
  }

  /** An image that had no signature before has none now, if no endpoint can say: a policy controller need not fail in an outage. */
  async function absentBefore(image: string, reference: Reference, what: Digest | Tag): Pulling {
    const unanswered = unconfirmed.get(image, what);
    const pulled = unanswered ? undefined : await timeout.wait(reference, () => join(image, reference, what));
    if (pulled && (pulled.found || pulled.verdict.kind === 'notFound')) return pulled;
    if (pulled) unconfirmed.add(image, what, pulled.trail);
    const trail = unanswered ?? pulled?.trail ?? [];
    return { found: false, verdict: { kind: 'notFound' }, cache: 'stale', trail };
  }

  async function fetch(image: string, reference: Reference, what: Digest | Tag): Pulling {
    const { digest } = reference;
    const known = digest && (await cache.find(image, digest));
    const buckets = known?.linked ? ('first' as const) : undefined;
    const answer = await upstream.getManifest(reference, { prefer: known?.described?.endpoint, buckets });
    if (answer.ok) return keep(image, reference, answer);
    const { verdict, trail } = answer;
    if (verdict.kind === 'notFound') absences.add(image, what, trail);
    return { found: false, verdict, trail };
  }

  async function keep(
    image: string,
    { tag }: Reference,
    { value, endpoint: giver, age, trail }: FetchedAnswer,
  ): Pulling {
    const endpoint = endpointKey(giver);
    const { digest } = value;
    absences.forget(image, tag ?? digest);
    const isFromBucket = giver.role === 'store';
    let kept: ManifestContent | undefined;
    try {
      await cache.putManifest(image, { ...value, endpoint: isFromBucket ? undefined : endpoint });
      // The image's registry may have given it another type than its bytes tell.
      if (isFromBucket) kept = await cache.manifest(image, digest);
      if (tag) await cache.setTag(image, tag, { digest, endpoint, age });
    } catch (error) {
      log.warn(
        { event: 'pull.manifestNotKept', err: error, image, digest },
        'a manifest is served but cannot be kept',
      );
    }
    const isStale = tag !== undefined && age === Number.POSITIVE_INFINITY;
    return { found: true, value: kept ?? value, cache: isStale ? 'stale' : 'fetched', endpoint, trail };
  }

  async function recall(image: string, digest: Digest): Pulling {
    const slash = image.indexOf('/');
    const repository = image.slice(slash + 1) as Repository;
    const reference = { registry: image.slice(0, slash), repository, digest };
    return flights.run(`${image}@${digest} in buckets`, async () => {
      const { linked } = await cache.find(image, digest);
      if (!linked) return { found: false, verdict: { kind: 'notFound', isLocal: true }, trail: [] };
      const answer = await upstream.getManifest(reference, { buckets: 'only' });
      if (answer.ok) return keep(image, reference, answer);
      return { found: false, verdict: answer.verdict, trail: answer.trail };
    });
  }

  return { once, fetch, keep, recall };
}
