/**
 * Where contents are besides the local disk: in buckets, nearest first.
 *
 *   reads ..... endpoints in front of mirrors and source (`bucket-reads.ts`)
 *   writes .... behind: a queue for each bucket (`queue.ts`, `place-content.ts`); pushes before their answer (`secure.ts`)
 */
import { setImmediate as turn } from 'node:timers/promises';
import type { Cache } from '../cache/cache.ts';
import type { Copies } from '../cache/copies.ts';
import type { HostedContent } from '../cache/hosted-content.ts';
import type { PlacementStore } from '../cache/index/placements/placement-store.ts';
import type { StorePlacement } from '../config/store-config.ts';
import type { JobKind } from '../jobs/job.ts';
import type { Scheduled } from '../jobs/schedule.ts';
import type { Hasher } from '../lib/bytes/hasher.ts';
import type { Clock } from '../lib/clock.ts';
import { createPace, type Pace } from '../lib/flow/pace.ts';
import type { Digest } from '../oci/digest.ts';
import type { ObjectStore } from '../stores/object-store.ts';
import type { Log } from '../telemetry/log.ts';
import type { Buckets } from '../upstream/buckets.ts';
import { createAbandonedUploads } from './abandoned-uploads.ts';
import { type Bucket, createBucket } from './bucket.ts';
import { createBucketReads } from './bucket-reads.ts';
import { type BucketUsage, usageOfBuckets } from './bucket-usage.ts';
import { createPlaceContent } from './place-content.ts';
import { createPutContent } from './put-content.ts';
import { createQueue, type Queue } from './queue.ts';
import { createRedirects, type Redirects } from './redirects.ts';
import { createSecure, type Secure } from './secure.ts';
import type { SharedBucket } from './shared-bucket.ts';
import { createStage } from './stage.ts';
import { createSweep, type SweptBucket } from './sweep.ts';
import { createSweepJob, sweepSchedule } from './sweep-job.ts';

export interface PlacementDeps {
  readonly cache: {
    readonly find: Cache['find'];
    readonly placements: PlacementStore;
    readonly copies: Copies;
    readonly hosted: Pick<HostedContent, 'reserve' | 'writeFailed'>;
    whenStored(listener: () => void): void;
  };
  readonly hasher: Hasher;
  readonly clock: Clock;
  readonly random: () => number;
  /** Why what other replicas need can never be known. */
  readonly never: string | undefined;
  /** Undefined where this replica is alone. */
  readonly shared: SharedBucket | undefined;
  readonly log: Pick<Log, 'info' | 'warn' | 'error'>;
  /** A try to place a content is over, and its bytes. */
  readonly tried: (store: string, result: 'stored' | 'present' | 'failed', bytes: number) => void;
}

/** A bucket of the configuration. */
export interface ConfiguredBucket extends StorePlacement {
  readonly store: ObjectStore;
}

export interface Placement {
  /** Nearest first. */
  readonly buckets: readonly Bucket[];
  readonly reads: Buckets;
  readonly secure: Secure;
  /** Undefined where no client is redirected. */
  readonly redirects: Redirects | undefined;
  usage(): Promise<readonly BucketUsage[]>;
  /** Removes what no image needs, as the configuration allows. */
  sweep(): Promise<readonly SweptBucket[]>;
  /** The same as a job, and when it runs by itself. */
  readonly sweeps: { readonly kind: JobKind; readonly schedule: readonly Scheduled[] };
  /** Begins to do what the index says is to be done. */
  start(): void;
  /** Resolves when what was under way is over; the buckets are closed then. */
  stop(): Promise<void>;
}

/** Contents that are looked at in one turn when a bucket is filled with what is here. */
const fillAtOnce = 200;

/** `folder`: for contents on their way between buckets. Nothing happens before `start`. */
export function createPlacement(
  deps: PlacementDeps,
  configured: readonly ConfiguredBucket[],
  folder: string,
): Placement {
  const { cache, clock, random, log, tried } = deps;
  const { placements, copies } = cache;
  const stopping = new AbortController();
  const stop = stopping.signal;
  const buckets = configured.map(({ store, ...settings }) => createBucket(store, settings, { clock, log }));
  const paces = new Map<Bucket, Pace>(
    buckets.map((bucket) => [
      bucket,
      createPace(clock, { perSecond: bucket.settings.uploadRate, signal: stop }),
    ]),
  );
  const { shared } = deps;
  const isSwept = ({ settings }: Bucket) => shared !== undefined && settings.sweep !== undefined;
  const put = createPutContent({ placements, clock, isSwept, tried, stop });
  const stage = createStage({ hasher: deps.hasher, content: cache.hosted }, folder);
  const place = createPlaceContent({
    ...{ buckets, placements, copies, stage, put, clock, random, log, stop },
    untold: async () => shared?.untold(),
    paceOf: (bucket) => paces.get(bucket) ?? unbounded,
  });
  const queues = new Map<string, Queue>(
    buckets.map((bucket) => [bucket.name, createQueue(bucket, { placements, clock, log, place })]),
  );
  function wakeAll(): void {
    for (const queue of queues.values()) queue.wake();
  }

  const sweep = createSweep({ buckets, placements, clock, never: deps.never, shared, stop });
  const abandoned = createAbandonedUploads(buckets, { clock, log, stop });
  let filling: Promise<void> | undefined;

  /** What was stored before the bucket was configured, or before the index was lost, is wanted there too. */
  async function fill(): Promise<void> {
    for (const { name } of buckets) {
      let last: Digest | undefined;
      do {
        last = await placements.fill(name, last, fillAtOnce, clock.now());
        queues.get(name)?.wake();
        await turn();
      } while (last !== undefined && !stop.aborted);
    }
  }

  return {
    buckets,
    reads: createBucketReads({
      ...{ buckets, placements, clock, log },
      wake: (store) => queues.get(store)?.wake(),
    }),
    redirects: createRedirects({ buckets, placements, cache, clock, log }),
    usage: () => usageOfBuckets(buckets, placements),
    sweep: sweep.all,
    sweeps: { kind: createSweepJob(sweep, buckets, log), schedule: sweepSchedule(buckets) },
    secure: createSecure({ buckets, placements, copies, put, isSwept, clock, log }),
    start() {
      if (buckets.length === 0) return;
      abandoned.start();
      shared?.start();
      cache.whenStored(wakeAll);
      wakeAll();
      filling = fill().catch((err: unknown) =>
        log.error(
          { event: 'placement.indexUnwritable', err },
          'contents could not be looked through for buckets',
        ),
      );
    },
    async stop() {
      stopping.abort();
      // At once: a queue would begin what the signal has ended again and again, and leave no turn to what is awaited first.
      const queued = [...queues.values()].map((queue) => queue.stop());
      await filling;
      await abandoned.stop();
      await shared?.stop();
      await Promise.all(queued);
      await Promise.all(buckets.map(({ store }) => store.close()));
    },
  };
}

const unbounded: Pace = { take: async () => {} };
