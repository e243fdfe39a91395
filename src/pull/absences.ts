/**
 * What every endpoint said 404 to, remembered for a short while, per image: clients ask for the same missing thing again and
 * again (cosign tags, platform probes), and each would cost a request to every endpoint.
 */
import { LRUCache } from 'lru-cache';
import type { Clock } from '../lib/clock.ts';
import type { Trail } from '../upstream/outcome.ts';

export interface Absences {
  /** The trail that found nothing, where that was less than `freshness.missing` ago. */
  get(image: string, what: string): Trail | undefined;
  add(image: string, what: string, trail: Trail): void;
}

const maxRemembered = 20_000;

export function createAbsences(clock: Clock, ms: number): Absences {
  const remembered = new LRUCache<string, { trail: Trail; until: number }>({ max: maxRemembered });
  return {
    get(image, what) {
      const absence = remembered.get(`${image} ${what}`);
      return absence && absence.until > clock.monotonic() ? absence.trail : undefined;
    },
    add(image, what, trail) {
      if (ms > 0) remembered.set(`${image} ${what}`, { trail, until: clock.monotonic() + ms });
    },
  };
}
