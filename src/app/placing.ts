/** Buckets, put together: what the configuration names, and what tests hand in. */
import { join } from 'node:path';
import type { OpenCache } from '../cache/open-cache.ts';
import type { ServerConfig } from '../config/config.ts';
import type { Hasher } from '../lib/bytes/hasher.ts';
import type { Clock } from '../lib/clock.ts';
import { type ConfiguredBucket, createPlacement, type Placement } from '../placement/placement.ts';
import type { Log } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { LiveFacts } from './live-facts.ts';

export interface PlacingDeps {
  readonly cache: OpenCache;
  readonly hasher: Hasher;
  readonly clock: Clock;
  readonly log: Pick<Log, 'info' | 'warn' | 'error'>;
  readonly metrics: Pick<Metrics, 'placed'>;
  readonly facts: Pick<LiveFacts, 'state'> | undefined;
  readonly settings: Pick<ServerConfig, 'cluster' | 'facts' | 'data'>;
}

/** Nothing happens before `start`. Throws what the file system says. */
export function createPlacing(
  { metrics, settings, facts, ...deps }: PlacingDeps,
  buckets: readonly ConfiguredBucket[],
): Placement {
  const tried = metrics.placed;
  const unsure = () => unsureOf(settings, facts);
  const placing = join(settings.data, 'placing');
  return createPlacement({ ...deps, random: Math.random, tried, unsure }, buckets, placing);
}

/** Other replicas may need content that the index of this one does not know. */
function unsureOf(
  { cluster, facts: shared }: PlacingDeps['settings'],
  facts: PlacingDeps['facts'],
): string | undefined {
  if (!shared)
    return cluster
      ? 'the replicas of [cluster] share no facts, so this one cannot know what the others need: set [facts]'
      : undefined;
  const { isConnected = false, behind } = facts?.state() ?? {};
  return isConnected && behind === 0
    ? undefined
    : 'what other replicas need is not all known: PostgreSQL is not reached, or its facts are still being read';
}
