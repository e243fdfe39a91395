/**
 * Slows guessing of passwords: the answer to a failed login waits, longer with each failure of the same address. No name is
 * ever locked, since a lock would let any stranger lock out any account. A login that succeeds never waits.
 *
 *   failures, without ten minutes of rest between two    1 to 4    5       6       7      8 and more
 *   wait before the answer                               none      0.5 s   1 s     2 s    4 s
 *
 * From the fifth failure on, at most 16 logins of the address are checked or wait at a time. Further ones are refused before
 * their password is looked at, so that guesses beside each other gain nothing.
 */
import { isIPv6 } from 'node:net';
import { LRUCache } from 'lru-cache';
import type { Clock } from '../lib/clock.ts';
import { backoff } from '../lib/flow/backoff.ts';

export interface FailedLogins {
  /** Begins the check of a password. Undefined: too many logins of this address are under way. */
  begin(address: string): LoginCheck | undefined;
}

/** One of the two methods must be called, once. */
export interface LoginCheck {
  passed(): void;
  /** Counts a failure. Resolves when its answer may go out. */
  failed(): Promise<void>;
}

const remembered = 10 * 60_000;
const freeTries = 4;
const waits = { first: 500, most: 4_000 };
const maxUnderWay = 16;

/** Remembers 10,000 addresses; of IPv6 the network of 64 bits, since one machine may use all of it. */
export function createFailedLogins({ clock }: { readonly clock: Clock }): FailedLogins {
  const addresses = new LRUCache<string, { failures: number; underWay: number }>({
    max: 10_000,
    ttl: remembered,
    perf: { now: clock.monotonic },
    ttlResolution: 0,
  });
  return {
    begin(address) {
      const key = networkOf(address);
      const entry = addresses.get(key) ?? { failures: 0, underWay: 0 };
      if (entry.failures > freeTries && entry.underWay >= maxUnderWay) return undefined;
      entry.underWay += 1;
      // Logins that begin before the first one has failed must share its entry.
      if (!addresses.has(key)) addresses.set(key, entry);
      return {
        passed() {
          entry.underWay -= 1;
        },
        async failed() {
          entry.failures += 1;
          addresses.set(key, entry);
          const slowed = entry.failures - freeTries;
          if (slowed > 0) {
            await new Promise<void>((resolve) => clock.after(backoff(slowed, waits), resolve));
          }
          entry.underWay -= 1;
        },
      };
    },
  };
}

/** The address itself, or of IPv6 the first four groups. */
function networkOf(address: string): string {
  const [bare = ''] = address.split('%');
  if (!isIPv6(bare) || bare.includes('.')) return address;
  const [head = [], tail = []] = bare
    .split('::')
    .map((half) => half.split(':').filter((group) => group !== ''));
  const zeros = Array<string>(Math.max(0, 8 - head.length - tail.length)).fill('0');
  return [...head, ...zeros, ...tail].slice(0, 4).join(':');
}
