import type { Log } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';

/** Tells the metrics and the log what the cache does by itself. */
export function cacheEvents(metrics: Pick<Metrics, 'damageFound' | 'evicted'>, log: Pick<Log, 'debug'>) {
  return {
    onDamaged: metrics.damageFound,
    onEvicted(bytes: number, digest: string) {
      metrics.evicted(bytes);
      log.debug({ event: 'cache.evicted', digest, bytes }, 'removed from the cache to make room');
    },
  };
}
