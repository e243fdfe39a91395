/** Buckets, put together: what the configuration names, and what tests hand in. */
import { join } from 'node:path';
import type { OpenCache } from '../cache/open-cache.ts';
import type { Postgres } from '../cache/shared/postgres/connection.ts';
import { createPostgresUses } from '../cache/shared/postgres/postgres-uses.ts';
import type { ServerConfig } from '../config/config.ts';
import type { Hasher } from '../lib/bytes/hasher.ts';
import type { Clock } from '../lib/clock.ts';
import { type ConfiguredBucket, createPlacement, type Placement } from '../placement/placement.ts';
import { createSharedBucket } from '../placement/shared-bucket.ts';
import type { Log } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { LiveFacts } from './live-facts.ts';

export interface PlacingDeps {
  readonly cache: OpenCache;
  readonly hasher: Hasher;
  readonly clock: Clock;
  readonly log: Pick<Log, 'info' | 'warn' | 'error'>;
  readonly metrics: Pick<Metrics, 'placed'>;
  /** Both undefined where this replica is alone, or knows nothing of the others. */
  readonly facts: LiveFacts | undefined;
  readonly postgres: Postgres | undefined;
  readonly settings: Pick<ServerConfig, 'cluster' | 'facts' | 'data'>;
}

/** Nothing happens before `start`. Throws what the file system says. */
export function createPlacing(
  { metrics, settings, facts, postgres, ...deps }: PlacingDeps,
  buckets: readonly ConfiguredBucket[],
): Placement {
  const { cache, clock, log } = deps;
  const { placements } = cache;
  const random = Math.random;
  // Also where this replica sweeps none: another one may, such as the first that was restarted with a new configuration.
  const sharing =
    facts && postgres && settings.facts && buckets.length > 0
      ? { uses: createPostgresUses(postgres), facts, goneAfter: settings.facts.goneAfter }
      : undefined;
  const shared = sharing && createSharedBucket({ ...sharing, placements, clock, random, log });
  const never =
    settings.cluster && !settings.facts
      ? 'the replicas of [cluster] share no facts, so this one cannot know what the others need: set [facts]'
      : undefined;
  const placing = join(settings.data, 'placing');
  return createPlacement({ ...deps, random, tried: metrics.placed, never, shared }, buckets, placing);
}
