/**
 * A cached copy is the last candidate of every race: when nobody has answered within `patience`, what is cached is served as
 * stale, the question goes on behind, and for some seconds nobody else waits for it either.
 */
import { LRUCache } from 'lru-cache';
import type { Clock } from '../lib/clock.ts';

export interface Patience {
  /** The answer if it comes in time; undefined when the cached copy has to do. `key` names the question. */
  wait<T>(key: string, ask: () => Promise<T>): Promise<T | undefined>;
}

const maxRemembered = 20_000;

export function createPatience(clock: Clock, options: { patience: number; verdictHolds: number }): Patience {
  const givenUp = new LRUCache<string, number>({ max: maxRemembered });
  return {
    async wait(key, ask) {
      if ((givenUp.get(key) ?? 0) > clock.monotonic()) {
        // Asked behind the answer, so that the verdict ends when the outage does.
        void ask().catch(() => {});
        return undefined;
      }
      const answer = ask();
      return new Promise((resolve, reject) => {
        const timer = clock.after(options.patience, () => {
          givenUp.set(key, clock.monotonic() + options.verdictHolds);
          resolve(undefined);
        });
        answer.then(resolve, reject).finally(() => timer.cancel());
      });
    },
  };
}
