/**
 * Clients that fetch a blob from the bucket itself: those of networks that the configuration names, and only what the bucket has at this
 * moment. Any doubt means that this server sends the bytes, and a bucket that did not answer is left out for a while: else each of these
 * clients would wait for it.
 *
 *   client in redirect.networks? -> image linked? -> placed? -> HEAD says so within a second? -> 307, a URL that works for some seconds
 */
import type { Cache } from '../cache/cache.ts';
import type { PlacementStore } from '../cache/index/placements/placement-store.ts';
import type { Clock } from '../lib/clock.ts';
import { withDeadline } from '../lib/flow/deadline.ts';
import { networkMatcher } from '../lib/networks.ts';
import { reasonOf } from '../lib/thrown.ts';
import type { Digest } from '../oci/digest.ts';
import { contentKey } from '../stores/content-key.ts';
import type { Log } from '../telemetry/log.ts';
import type { Bucket } from './bucket.ts';

export interface Redirects {
  /** The URL for a client with this address; undefined: this server answers. It is a secret. Rejects when the index cannot be read. */
  urlFor(image: string, digest: Digest, client: string): Promise<string | undefined>;
}

export interface RedirectsDeps {
  /** Nearest first. */
  readonly buckets: readonly Bucket[];
  readonly placements: Pick<PlacementStore, 'of'>;
  readonly cache: Pick<Cache, 'find'>;
  readonly clock: Clock;
  readonly log: Pick<Log, 'warn'>;
}

/** ms that a bucket has to say that it has the object. */
const patience = 1000;
/** ms for which a bucket is left out after it did not answer. */
const rest = 10_000;

/** Undefined where no bucket has `redirect`. */
export function createRedirects({
  buckets,
  placements,
  cache,
  clock,
  log,
}: RedirectsDeps): Redirects | undefined {
  const redirecting = buckets.flatMap((bucket) => {
    const { redirect } = bucket.settings;
    return redirect
      ? [{ bucket, isClient: networkMatcher(redirect.networks), seconds: redirect.seconds }]
      : [];
  });
  if (redirecting.length === 0) return undefined;
  /** Monotonic ms. */
  const restsUntil = new Map<Bucket, number>();

  async function signed(bucket: Bucket, digest: Digest, seconds: number): Promise<string | undefined> {
    const { name, store } = bucket;
    const key = contentKey(digest);
    return withDeadline(clock, patience, async (late) => {
      try {
        return (await store.head(key, late)) && (await store.presign(key, seconds));
      } catch (error) {
        restsUntil.set(bucket, clock.monotonic() + rest);
        const reason = late.aborted ? 'it does not answer' : reasonOf(error);
        log.warn(
          { event: 'placement.notRedirected', store: name, reason },
          'a client could not be sent to a bucket',
        );
        return undefined;
      }
    });
  }

  return {
    async urlFor(image, digest, client) {
      const meant = redirecting.filter(
        ({ bucket, isClient }) =>
          isClient(client) && bucket.pausedFor() === 0 && (restsUntil.get(bucket) ?? 0) <= clock.monotonic(),
      );
      if (meant.length === 0 || !(await cache.find(image, digest)).linked) return undefined;
      const known = await placements.of(digest);
      for (const { bucket, seconds } of meant) {
        if (!known.some(({ store, state }) => store === bucket.name && state === 'placed')) continue;
        const url = await signed(bucket, digest, seconds);
        if (url !== undefined) return url;
      }
      return undefined;
    },
  };
}
