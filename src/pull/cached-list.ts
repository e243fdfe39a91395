/**
 * Tag lists and referrers are kept for as long as a tag is fresh.
 *
 *   kept, fresh ................................ hit
 *   kept, old, an endpoint answers ............. fetched
 *   kept, old, every endpoint says 404 ......... dropped, 404
 *   kept, old, no endpoint answers in time ..... stale, for two seconds without asking again
 *   absent before, no endpoint answers in time . 404, stale
 *   not kept ................................... fetched, once for all requests that come meanwhile
 *
 * Registries give an empty list for any name and any digest. So an empty list of what is not here is remembered in memory
 * alone: names that a client makes up leave nothing in the index.
 */
import { LRUCache } from 'lru-cache';
import type { Cache, CachedList } from '../cache/cache.ts';
import type { Clock } from '../lib/clock.ts';
import { SingleFlight } from '../lib/flow/single-flight.ts';
import type { ImageName } from '../routing/target.ts';
import { endpointKey } from '../upstream/endpoint.ts';
import type { Answer } from '../upstream/upstream.ts';
import { type Freshness, isFresh } from './freshness.ts';
import type { NegativeCache } from './negative-cache.ts';
import type { Pulled } from './pull.ts';
import type { RevalidationTimeout } from './revalidation-timeout.ts';

export interface CachedListDeps {
  readonly cache: Cache;
  readonly clock: Clock;
  readonly freshness: Freshness;
  readonly absences: NegativeCache;
  readonly unconfirmed: NegativeCache;
  readonly timeout: RevalidationTimeout;
}

export interface CachedListKind<Key extends string> {
  readonly kind: 'tags' | 'referrers';
  /** `onProgress` is called for each page that came. */
  ask(image: ImageName, key: Key, onProgress: () => void): Promise<Answer<Uint8Array>>;
  /** What a 404 of every endpoint means, if that is a list. */
  readonly empty?: Uint8Array;
  /** Whether the list has entries, or is of something that is here. */
  isOfUse(image: string, key: Key, bytes: Uint8Array): boolean | Promise<boolean>;
}

const maxInMemory = 10_000;
const maxBytesInMemory = 8 * 1024 * 1024;

export interface KeptList<Key extends string> {
  /** Answers one request. `byPeer`: it waits for the endpoints. Rejects with bugs only. */
  get(image: ImageName, key: Key, byPeer?: boolean): Promise<Pulled<Uint8Array>>;
  /** The next request asks the endpoints. */
  expire(image: ImageName, key: Key): Promise<void>;
}

/** One kind of list, of all images. */
export function createCachedList<Key extends string>(
  deps: CachedListDeps,
  { kind, ask, empty, isOfUse }: CachedListKind<Key>,
): KeptList<Key> {
  const { cache, clock, freshness, absences, unconfirmed, timeout } = deps;
  const flights = new SingleFlight<Pulled<Uint8Array>>();
  const inMemory = new LRUCache<string, CachedList>({
    max: maxInMemory,
    maxSize: maxBytesInMemory,
    sizeCalculation: ({ bytes }, key) => bytes.length + key.length,
  });
  /** No tag and no digest has such a name. */
  const nameOf = (key: Key) => `${kind}/${key}`;

  async function keep(image: string, key: Key, bytes: Uint8Array, age = 0): Promise<void> {
    absences.forget(image, nameOf(key));
    if (await isOfUse(image, key, bytes)) {
      inMemory.delete(`${image} ${key}`);
      await cache.setList(image, kind, key, bytes, age);
    } else {
      await cache.dropList(image, kind, key);
      inMemory.set(`${image} ${key}`, { bytes, checkedAt: Math.max(0, clock.now() - age) });
    }
  }

  async function drop(image: string, key: Key): Promise<void> {
    inMemory.delete(`${image} ${key}`);
    await cache.dropList(image, kind, key);
  }

  async function fetch(image: ImageName, key: Key, onProgress: () => void): Promise<Pulled<Uint8Array>> {
    const { name } = image;
    const answer = await ask(image, key, onProgress);
    const { trail } = answer;
    const isMissing = !answer.ok && answer.verdict.kind === 'notFound';
    const value = answer.ok ? answer.value : isMissing ? empty : undefined;
    if (value) {
      const { age = 0, endpoint: giver } = answer.ok ? answer : {};
      await keep(name, key, value, age);
      const endpoint = giver && endpointKey(giver);
      return {
        found: true,
        value,
        cache: age === Number.POSITIVE_INFINITY ? 'stale' : 'fetched',
        endpoint,
        trail,
      };
    }
    if (isMissing) await drop(name, key);
    (isMissing ? absences : unconfirmed).add(name, nameOf(key), trail);
    return { found: false, verdict: answer.ok ? { kind: 'notFound' } : answer.verdict, trail };
  }

  async function expire({ name }: ImageName, key: Key): Promise<void> {
    inMemory.delete(`${name} ${key}`);
    absences.forget(name, nameOf(key));
    unconfirmed.forget(name, nameOf(key));
    await cache.expireList(name, kind, key);
  }

  async function get(image: ImageName, key: Key, byPeer = false): Promise<Pulled<Uint8Array>> {
    const { name } = image;
    const kept = inMemory.get(`${name} ${key}`) ?? (await cache.list(name, kind, key));
    if (kept && isFresh(kept.checkedAt, clock.now(), freshness(name, ''))) {
      return { found: true, value: kept.bytes, cache: 'hit', checkedAt: kept.checkedAt, trail: [] };
    }
    const missing = absences.get(name, nameOf(key));
    if (missing) return { found: false, verdict: { kind: 'notFound' }, trail: missing };
    const fetchOnce = (onProgress: () => void) =>
      flights.run(`${name} ${key}`, () => fetch(image, key, onProgress));
    if (!kept && !absences.has(name, nameOf(key))) return fetchOnce(() => {});
    const unanswered = unconfirmed.get(name, nameOf(key));
    const fetched = unanswered ? undefined : await timeout.wait(image, fetchOnce, byPeer);
    if (fetched && (fetched.found || fetched.verdict.kind === 'notFound')) return fetched;
    const trail = unanswered ?? fetched?.trail ?? [];
    return kept
      ? { found: true, value: kept.bytes, cache: 'stale', trail }
      : { found: false, verdict: { kind: 'notFound' }, cache: 'stale', trail };
  }

  return { get, expire };
}
