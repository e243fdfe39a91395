/** One content into one bucket, and the note that it is there. */
import type { PlacementStore } from '../cache/index/placements/placement-store.ts';
import type { Clock } from '../lib/clock.ts';
import { withDeadline } from '../lib/flow/deadline.ts';
import { SingleFlight } from '../lib/flow/single-flight.ts';
import { reasonOf } from '../lib/thrown.ts';
import { type Digest, digestAlgorithm, digestHex } from '../oci/digest.ts';
import { maxManifestBytes } from '../oci/manifest.ts';
import { contentKey } from '../stores/content-key.ts';
import { type ObjectSource, StoreError } from '../stores/object-store.ts';
import type { Bucket } from './bucket.ts';

export interface PutDeps {
  readonly placements: Pick<PlacementStore, 'of' | 'placed' | 'lookAt'>;
  readonly clock: Clock;
  /** As of `SecureDeps`. */
  readonly isSwept: (bucket: Bucket) => boolean;
  /** Aborted when the server stops. */
  readonly stop: AbortSignal;
  /** A try to place a content is over, and its bytes. */
  readonly tried: (store: string, result: 'stored' | 'present' | 'failed', bytes: number) => void;
}

/** ms without which no upload is given up, and the slowest rate in bytes per ms. A client of a bucket has closer bounds of its own. */
const leastTime = 60_000;
const slowest = 64;
/** ms after which a content is looked for in a bucket once more: by then other replicas know that it is needed. */
export const lookAfter = 600_000;

/** Resolves when the content is durable in the bucket, and noted. */
export type PutContent = (bucket: Bucket, digest: Digest, source: ObjectSource) => Promise<void>;

/**
 * A content that is on its way to the bucket already is waited for. The function rejects with a StoreError, with what the index says, or
 * with the reason of `stop`.
 */
export function createPutContent(deps: PutDeps): PutContent {
  const flights = new SingleFlight<void>();
  return (bucket, digest, source) =>
    flights.run(`${bucket.name} ${digest}`, () => put(deps, bucket, digest, source));
}

async function put(
  { placements, clock, isSwept, tried, stop }: PutDeps,
  bucket: Bucket,
  digest: Digest,
  source: ObjectSource,
): Promise<void> {
  const { name, store } = bucket;
  // The digest of a signed manifest of schema 1 is not that of its bytes. What is small is hashed once more.
  const isNamedByHash = digestAlgorithm(digest) === 'sha256' && source.size > maxManifestBytes;
  const sha256 = isNamedByHash ? digestHex(digest) : source.sha256;
  const named = { ...source, name: digest, sha256 };
  const known = (await placements.of(digest)).find((one) => one.store === name);
  // It has come there since it was found to be missing.
  if (known?.state === 'placed') return;
  // A wrong object would count as present.
  const isDoubted = known?.state === 'doubted';
  try {
    const work = async (late: AbortSignal) => {
      const signal = AbortSignal.any([stop, late]);
      if (isDoubted) await store.delete(contentKey(digest), signal);
      return store.put(contentKey(digest), named, signal);
    };
    const tooLate = () => new StoreError('unreachable', `${name}: the upload took too long`);
    const result = await withDeadline(clock, leastTime + source.size / slowest, work, tooLate);
    tried(name, result, source.size);
  } catch (error) {
    stop.throwIfAborted();
    tried(name, 'failed', source.size);
    if (!(error instanceof StoreError)) {
      // Of the source: it says nothing of the bucket.
      const reason = `the content cannot be read: ${reasonOf(error)}`;
      throw new StoreError('unreachable', reason, { cause: error });
    }
    bucket.failed(error);
    throw error;
  }
  bucket.worked();
  const place = { digest, store: name };
  await placements.placed(place, source.size, clock.now());
  if (isSwept(bucket)) await placements.lookAt(place, clock.now() + lookAfter);
}
