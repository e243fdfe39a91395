/** What is remembered of each endpoint: which `Authorization` worked last, and what was refused a moment ago. */
import { isDeepStrictEqual } from 'node:util';
import { LRUCache } from 'lru-cache';
import type { FoundCredentials } from '../../config/credentials/auth-lookup.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Outcome } from '../outcome.ts';
import type { Challenge } from './challenge.ts';

/** A value for the header `Authorization`, and where it comes from. */
export interface Authorization {
  readonly header: string;
  /** Undefined for anonymous. */
  readonly credentials: FoundCredentials | undefined;
  /** The challenge that it answers. It is answered again when the token ends. */
  readonly challenge: Challenge;
  readonly scope: string | undefined;
  /** Why credentials that exist were not used. */
  readonly withheld: string | undefined;
}

export interface Kept {
  readonly authorization: Authorization;
  /** Monotonic ms; Infinity for Basic. */
  readonly renewAt: number;
}

/** `key` names an endpoint (`authKey`), `what` one way of asking there. */
export interface AuthMemory {
  kept(key: string): Kept | undefined;
  keep(key: string, kept: Kept): void;
  /** Forgets what is kept, unless its header is another one by now. */
  drop(key: string, header: string): void;
  /** Notes that `what` failed with these credentials. It is not done again for half a minute, or until they change. */
  refuse(key: string, what: string, found: FoundCredentials | undefined, failure: Outcome<never>): void;
  /** The failure that `refuse` noted, if it still holds for these credentials. */
  lately(key: string, what: string, found: FoundCredentials | undefined): Outcome<never> | undefined;
}

/** ms. Registries lock accounts for wrong passwords. */
const refusalMemory = 30_000;

/** Keeps at most 10,000 endpoints and 64 MiB of headers, those used last. */
export function createAuthMemory(clock: Clock): AuthMemory {
  const kept = new LRUCache<string, Kept>({
    max: 10_000,
    maxSize: 64 * 1024 * 1024,
    sizeCalculation: ({ authorization }) => authorization.header.length,
  });
  const refusals = new LRUCache<
    string,
    { found: FoundCredentials | undefined; until: number; failure: Outcome<never> }
  >({ max: 2000 });
  return {
    kept: (key) => kept.get(key),
    keep: (key, what) => void kept.set(key, what),
    drop(key, header) {
      if (kept.peek(key)?.authorization.header === header) kept.delete(key);
    },
    refuse(key, what, found, failure) {
      refusals.set(`${key} ${what}`, { found, until: clock.monotonic() + refusalMemory, failure });
    },
    lately(key, what, found) {
      const last = refusals.get(`${key} ${what}`);
      if (!last || clock.monotonic() >= last.until || !isDeepStrictEqual(last.found, found)) return undefined;
      return last.failure;
    },
  };
}
