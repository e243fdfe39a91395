/**
 * Trails that are remembered for a short while, per image, so that a client that asks again and again costs the registries nothing: of
 * what every endpoint said 404 to (cosign tags, platform probes), and of failed revalidations.
 */
import { LRUCache } from 'lru-cache';
import type { Clock } from '../lib/clock.ts';
import type { Trail } from '../upstream/outcome.ts';

export interface NegativeCache {
  /** The trail of the answer, where that was not too long ago. */
  get(image: string, what: string): Trail | undefined;
  /** Whether there was such an answer, however long ago, and none of another kind since. */
  has(image: string, what: string): boolean;
  add(image: string, what: string, trail: Trail): void;
  forget(image: string, what: string): void;
}

const maxRemembered = 20_000;
/** Bytes of all that is remembered, about: a client can make up names of any length, and as many as it likes. */
const maxBytes = 8 * 1024 * 1024;
/** Of one endpoint in a trail, beside its texts. */
const attemptBytes = 200;

/** `ms`: for how long `get` gives it; 0: not at all. The least recently used goes when there are too many. */
export function createNegativeCache(clock: Clock, ms: number): NegativeCache {
  const remembered = new LRUCache<string, { trail: Trail; until: number }>({
    max: maxRemembered,
    maxSize: maxBytes,
    sizeCalculation: ({ trail }, key) =>
      trail.reduce(
        (sum, { endpoint, reason = '' }) => sum + attemptBytes + endpoint.length + reason.length,
        key.length,
      ),
  });
  return {
    get(image, what) {
      const found = remembered.get(`${image} ${what}`);
      return found && found.until > clock.monotonic() ? found.trail : undefined;
    },
    has: (image, what) => remembered.has(`${image} ${what}`),
    add(image, what, trail) {
      // A peer remembers it itself: what it said from memory must not count for as long again.
      const isTold = trail.some(
        ({ role, outcome, by }) => role === 'peer' && outcome === 'notFound' && by === undefined,
      );
      remembered.set(`${image} ${what}`, { trail, until: clock.monotonic() + (isTold ? 0 : ms) });
    },
    forget: (image, what) => void remembered.delete(`${image} ${what}`),
  };
}
