/**
 * Tag lists and referrers are kept for as long as a tag is fresh.
 *
 *   here, fresh ............................ hit
 *   here, old, somebody answers ............ fetched
 *   here, old, every endpoint says 404 ..... it goes, 404
 *   here, old, nobody answers in time ...... stale, for two seconds without asking again
 *   not here ............................... fetched, once for all who ask meanwhile
 */
import type { Cache } from '../cache/cache.ts';
import type { Freshness } from '../cache/freshness.ts';
import type { Clock } from '../lib/clock.ts';
import { SingleFlight } from '../lib/single-flight.ts';
import type { ImageName } from '../routing/target.ts';
import { endpointKey } from '../upstream/endpoint.ts';
import type { Answer } from '../upstream/upstream.ts';
import type { Patience } from './patience.ts';
import type { Pulled } from './pull.ts';
import type { RememberedTrails } from './remembered-trails.ts';

export interface KeptListDeps {
  readonly cache: Cache;
  readonly clock: Clock;
  readonly freshness: Freshness;
  readonly absences: RememberedTrails;
  readonly unconfirmed: RememberedTrails;
  readonly patience: Patience;
}

export interface KeptListKind<Key extends string> {
  readonly kind: 'tags' | 'referrers';
  ask(image: ImageName, key: Key): Promise<Answer<Uint8Array>>;
  /** What it means that every endpoint says 404, where that is a list, too. */
  readonly empty?: Uint8Array;
}

export function createKeptList<Key extends string>(
  deps: KeptListDeps,
  { kind, ask, empty }: KeptListKind<Key>,
): (image: ImageName, key: Key) => Promise<Pulled<Uint8Array>> {
  const { cache, clock, freshness, absences, unconfirmed, patience } = deps;
  const flights = new SingleFlight<Pulled<Uint8Array>>();
  /** No tag and no digest has such a name. */
  const nameOf = (key: Key) => `${kind}/${key}`;

  async function fetch(image: ImageName, key: Key): Promise<Pulled<Uint8Array>> {
    const { name } = image;
    const answer = await ask(image, key);
    const { trail } = answer;
    const isMissing = !answer.ok && answer.verdict.kind === 'notFound';
    const value = answer.ok ? answer.value : isMissing ? empty : undefined;
    if (value) {
      cache.setList(name, kind, key, value);
      const endpoint = answer.ok ? endpointKey(answer.endpoint) : undefined;
      return { found: true, value, cache: 'fetched', endpoint, trail };
    }
    if (isMissing) cache.dropList(name, kind, key);
    (isMissing ? absences : unconfirmed).add(name, nameOf(key), trail);
    return { found: false, verdict: answer.ok ? { kind: 'notFound' } : answer.verdict, trail };
  }

  return async (image, key) => {
    const { name } = image;
    const kept = cache.list(name, kind, key);
    if (kept && clock.now() - kept.checkedAt < freshness(name, '')) {
      return { found: true, value: kept.bytes, cache: 'hit', trail: [] };
    }
    const missing = absences.get(name, nameOf(key));
    if (missing) return { found: false, verdict: { kind: 'notFound' }, trail: missing };
    const fetchOnce = () => flights.run(`${name} ${key}`, () => fetch(image, key));
    if (!kept) return fetchOnce();
    const trail = unconfirmed.get(name, nameOf(key));
    const fetched = trail ? undefined : await patience.wait(image, fetchOnce);
    if (fetched && (fetched.found || fetched.verdict.kind === 'notFound')) return fetched;
    return { found: true, value: kept.bytes, cache: 'stale', trail: trail ?? fetched?.trail ?? [] };
  };
}
