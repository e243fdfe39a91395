/** The parts that read stored content again, by command and in the background, put together. */
import { type BackgroundScrub, createBackgroundScrub } from '../admin/background-scrub.ts';
import { createRepair, type RepairDeps } from '../admin/repair.ts';
import { createScrubs, type Scrubs } from '../admin/scrubs.ts';
import type { CacheAdmin } from '../cache/cache-admin.ts';
import type { Clock } from '../lib/clock.ts';
import type { Log } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';

export interface ScrubbingDeps extends Pick<RepairDeps, 'pull' | 'isListed'> {
  readonly cache: CacheAdmin;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Pick<Metrics, 'scrubbed' | 'scrubDamaged'>;
}

export interface Scrubbing {
  readonly scrubs: Scrubs;
  readonly backgroundScrub: BackgroundScrub;
}

/** Nothing is read before a command or `configure` asks for it. */
export function createScrubbing({ cache, pull, isListed, clock, log, metrics }: ScrubbingDeps): Scrubbing {
  const scrubs = createScrubs({
    cache,
    repair: createRepair({ cache, pull, isListed }),
    clock,
    log,
    onRead: metrics.scrubbed,
    onDamaged: metrics.scrubDamaged,
  });
  return { scrubs, backgroundScrub: createBackgroundScrub({ scrubs, clock, log }) };
}
