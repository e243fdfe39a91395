/** Buckets, put together: what the configuration names, and what tests hand in. */
import { join } from 'node:path';
import type { OpenCache } from '../cache/open-cache.ts';
import type { Hasher } from '../lib/bytes/hasher.ts';
import type { Clock } from '../lib/clock.ts';
import { type ConfiguredBucket, createPlacement, type Placement } from '../placement/placement.ts';
import type { Log } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';

export interface PlacingDeps {
  readonly cache: OpenCache;
  readonly hasher: Hasher;
  readonly clock: Clock;
  readonly log: Pick<Log, 'info' | 'warn' | 'error'>;
  readonly metrics: Pick<Metrics, 'placed'>;
}

/** `data`: the data folder. Nothing happens before `start`. Throws what the file system says. */
export function createPlacing(
  { metrics, ...deps }: PlacingDeps,
  buckets: readonly ConfiguredBucket[],
  data: string,
): Placement {
  const tried = metrics.placed;
  return createPlacement({ ...deps, random: Math.random, tried }, buckets, join(data, 'placing'));
}
