/**
 * Reads from buckets, as `upstream/` asks them. What a reader finds out about a placement is noted: an object that is not there although
 * it should be, and one with wrong bytes, are repaired behind.
 */
import type { Place, PlacementStore } from '../cache/index/placements/placement-store.ts';
import type { Clock } from '../lib/clock.ts';
import { withDeadline } from '../lib/flow/deadline.ts';
import { reasonOf } from '../lib/thrown.ts';
import type { Digest } from '../oci/digest.ts';
import { contentKey } from '../stores/content-key.ts';
import { StoreError } from '../stores/object-store.ts';
import type { Log } from '../telemetry/log.ts';
import type { AttemptContext } from '../upstream/attempt.ts';
import type { Buckets } from '../upstream/buckets.ts';
import type { Outcome } from '../upstream/outcome.ts';
import type { Bucket } from './bucket.ts';

export interface BucketReadsDeps {
  /** Nearest first. */
  readonly buckets: readonly Bucket[];
  readonly placements: PlacementStore;
  readonly clock: Clock;
  readonly log: Pick<Log, 'warn' | 'error'>;
  /** Something is to be repaired. */
  readonly wake: (store: string) => void;
}

const absent = { kind: 'notFound', reason: 'it is not in the bucket' } as const;
/** An object that need not be there. */
const probeKey = 'probe';

/** See `Buckets`. */
export function createBucketReads(deps: BucketReadsDeps): Buckets {
  const { placements, clock, log, wake } = deps;
  const byName = new Map(deps.buckets.map((bucket) => [bucket.name, bucket]));

  /** Asks one bucket. `work` gives undefined where the object is absent. */
  async function ask<T extends { readonly size: number }>(
    name: string,
    digest: Digest,
    { signal, sent, heard }: AttemptContext,
    work: (bucket: Bucket, key: string, signal: AbortSignal) => Promise<T | undefined>,
  ): Promise<Outcome<T>> {
    const bucket = byName.get(name);
    if (!bucket) return absent;
    sent();
    try {
      const found = await work(bucket, contentKey(digest), signal);
      heard();
      if (found !== undefined) {
        void met(name, digest, found);
        return { kind: 'ok', value: found };
      }
    } catch (error) {
      return outcomeOf(error, signal);
    }
    void missing(name, digest);
    return absent;
  }

  /** Another replica has put it there. */
  async function met(store: string, digest: Digest, { size }: { readonly size: number }): Promise<void> {
    if (await knownOf(store, digest)) return;
    await written({ digest, store }, () => placements.placed({ digest, store }, size, clock.now()));
  }

  /** The index said that it is there. */
  async function missing(store: string, digest: Digest): Promise<void> {
    const known = await knownOf(store, digest);
    if (known?.state !== 'placed') return;
    log.warn({ event: 'placement.missing', store, digest }, 'a content is not in the bucket any more');
    await note(store, digest, 'wanted', known.size);
  }

  async function knownOf(store: string, digest: Digest) {
    // Where the index cannot be read, the write that follows tells of it.
    const known = await placements.of(digest).catch(() => []);
    return known.find((one) => one.store === store);
  }

  async function note(
    store: string,
    digest: Digest,
    state: 'wanted' | 'doubted',
    size: number,
  ): Promise<void> {
    await written({ digest, store }, () => placements.repair({ digest, store }, state, size, clock.now()));
    wake(store);
  }

  async function written(place: Place, write: () => Promise<void>): Promise<void> {
    try {
      await write();
    } catch (err) {
      log.error({ event: 'placement.indexUnwritable', err, ...place }, 'a placement could not be written');
    }
  }

  async function distrusted(store: string, digest: Digest): Promise<void> {
    log.warn(
      { event: 'placement.wrongBytes', store, digest },
      'a bucket gave wrong bytes: its object is looked at',
    );
    const known = await knownOf(store, digest);
    await note(store, digest, 'doubted', known?.size ?? 0);
  }

  return {
    async order(image, digest) {
      const known = new Map((await placements.of(digest)).map(({ store, state }) => [store, state]));
      const rank = (name: string) => ranks[known.get(name) ?? 'unknown'];
      return deps.buckets
        .filter((bucket) => bucket.isFor([image]))
        .map(({ name }) => name)
        .sort((a, b) => rank(a) - rank(b));
    },
    async open(name, digest, range, context) {
      const got = await ask(name, digest, context, ({ store }, key, signal) => store.get(key, range, signal));
      return got;
    },
    async head(name, digest, context) {
      const got = await ask(name, digest, context, ({ store }, key, signal) => store.head(key, signal));
      return got.kind === 'ok' ? { kind: 'ok', value: true } : got;
    },
    async answers(name, within) {
      try {
        await withDeadline(clock, within, async (late) => byName.get(name)?.store.head(probeKey, late));
        return true;
      } catch (error) {
        return error instanceof StoreError && error.kind === 'invalid';
      }
    },
    distrust: (name, digest) => void distrusted(name, digest),
  };
}

/** A bucket that the index knows nothing of may have it from another replica. */
const ranks = { placed: 0, unknown: 1, doubted: 2, wanted: 3, skipped: 3 } as const;

function outcomeOf(error: unknown, signal: AbortSignal): Outcome<never> {
  if (signal.aborted) return { kind: 'unreachable', reason: 'given up', fault: 'aborted' };
  if (!(error instanceof StoreError)) throw error;
  const reason = reasonOf(error);
  switch (error.kind) {
    case 'refused':
      return { kind: 'denied', reason };
    case 'invalid':
      return { kind: 'invalid', reason };
    case 'unreachable':
    case 'throttled':
      return { kind: 'unreachable', reason };
  }
}
