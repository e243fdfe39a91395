/**
 * Slows guessing of passwords: the answer to a failed login waits, longer with each failure of the same address. No name is
 * ever locked, since a lock would let any stranger lock out any account. A login that succeeds never waits.
 *
 *   failures within ten minutes    1 to 4    5       6       7      8 and more
 *   wait before the answer         none      0.5 s   1 s     2 s    4 s
 */
import { LRUCache } from 'lru-cache';
import type { Clock } from '../lib/clock.ts';

export interface FailedLogins {
  /** Counts one; resolves when its answer may go out. False: too many answers to this address wait already. */
  failed(address: string): Promise<boolean>;
}

const remembered = 10 * 60_000;
const freeTries = 4;
const firstWait = 500;
const longestWait = 4_000;
const maxWaiting = 16;

/** Remembers 10,000 addresses; of IPv6 the network of 64 bits, since one machine may use all of it. */
export function createFailedLogins({ clock }: { readonly clock: Clock }): FailedLogins {
  const failures = new LRUCache<string, { count: number; waiting: number }>({
    max: 10_000,
    ttl: remembered,
    perf: { now: clock.monotonic },
    ttlResolution: 0,
  });
  return {
    async failed(address) {
      const key = networkOf(address);
      const entry = failures.get(key) ?? { count: 0, waiting: 0 };
      entry.count += 1;
      failures.set(key, entry);
      if (entry.count <= freeTries) return true;
      if (entry.waiting >= maxWaiting) return false;
      entry.waiting += 1;
      const wait = Math.min(longestWait, firstWait * 2 ** Math.min(entry.count - freeTries - 1, 10));
      await new Promise<void>((resolve) => clock.after(wait, resolve));
      entry.waiting -= 1;
      return true;
    },
  };
}

function networkOf(address: string): string {
  if (!address.includes(':') || address.startsWith('::ffff:')) return address;
  const [head = '', tail] = address.split('::');
  const groups = head.split(':').filter((group) => group !== '');
  const missing = tail === undefined ? 0 : 8 - groups.length - tail.split(':').length;
  return [...groups, ...Array<string>(Math.max(0, missing)).fill('0')].slice(0, 4).join(':');
}
