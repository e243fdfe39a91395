/**
 * Host names become addresses here, once for all connections of the process.
 *
 *   known, up to 30 s old ............... its addresses, at once
 *   known, up to an hour old ............ looked up again; the old addresses if DNS fails or has no answer within a second
 *   the same, after such a failure ...... looked up again; the old addresses at once, so that an outage of DNS does not make each
 *                                         new connection slow
 *   not known ........................... looked up; the caller waits up to its own limit
 *   look-up under way ................... shared, also with a caller that comes after the first has given up
 *
 * getaddrinfo holds a thread of libuv's pool until DNS answers, and libuv gives such calls half of the pool. A name without an
 * answer would hold a thread for ten seconds and more. Such slow names wait behind the others and get half of the threads
 * at most, so that they cannot keep healthy names from being looked up.
 */
import { ADDRCONFIG, lookup as dnsLookup, type LookupAddress, type LookupAllOptions } from 'node:dns';
import { LRUCache } from 'lru-cache';
import type { Clock } from '../../lib/clock.ts';
import { orLate } from '../../lib/flow/or-late.ts';
import { SingleFlight } from '../../lib/flow/single-flight.ts';
import { systemCode } from '../../lib/thrown.ts';

export type ResolveAll = (
  hostname: string,
  options: LookupAllOptions,
  callback: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void;

export interface Lookups {
  /** Rejects with the resolver's error, or with LookupTimeoutError when there is no answer within `timeout` ms. */
  addressesOf(hostname: string, timeout: number): Promise<readonly LookupAddress[]>;
  /** Call when no address of the name could be connected to: the name is looked up again before they are used again. */
  doubt(hostname: string): void;
}

export interface LookupsDeps {
  readonly clock: Clock;
  /** Default: the system's. */
  readonly resolve?: ResolveAll | undefined;
  /** Look-ups at once. Default: what libuv runs at once in a pool of the default size. */
  readonly threads?: number | undefined;
}

/** DNS had no answer in time. */
export class LookupTimeoutError extends Error {
  readonly code = 'LOOKUP_TIMEOUT';
}

/** ms. */
const freshFor = 30_000;
/** ms. */
const keptFor = 3_600_000;
/** ms. A name counts as slow if its look-up takes longer. */
const usualTime = 1000;
const maxNames = 2000;

interface Known {
  readonly addresses: readonly LookupAddress[];
  /** Monotonic ms. */
  freshUntil: number;
  /** None of the addresses could be connected to. */
  isDoubted: boolean;
  readonly keptUntil: number;
}

/** How many look-ups libuv runs at once in a pool of `poolSize` threads (UV_THREADPOOL_SIZE; 4 if it is not set). */
export function lookupThreads(poolSize: string | undefined): number {
  const size = Number(poolSize);
  return Number.isInteger(size) && size > 0 ? Math.floor((Math.min(size, 1024) + 1) / 2) : 2;
}

/** Keeps at most 2000 names, those used last. */
export function createLookups(deps: LookupsDeps): Lookups {
  const { clock, resolve = dnsLookup, threads = lookupThreads(undefined) } = deps;
  const known = new LRUCache<string, Known>({ max: maxNames });
  const slow = new LRUCache<string, true>({ max: maxNames });
  const flights = new SingleFlight<readonly LookupAddress[]>();
  const running = new Set<string>();
  const waiting = new Map<string, () => void>();

  function advance(): void {
    while (running.size < threads) {
      const next = nextName();
      if (next === undefined) return;
      const begin = waiting.get(next);
      waiting.delete(next);
      running.add(next);
      begin?.();
    }
  }

  function nextName(): string | undefined {
    const slowOnes = [...running].filter((name) => slow.has(name)).length;
    const mayBeSlow = slowOnes < Math.max(1, Math.floor(threads / 2));
    let first: string | undefined;
    for (const name of waiting.keys()) {
      if (!slow.has(name)) return name;
      if (mayBeSlow) first ??= name;
    }
    return first;
  }

  function ask(hostname: string): Promise<readonly LookupAddress[]> {
    return flights.run(hostname, () => {
      const { promise, resolve: goOn } = Promise.withResolvers<readonly LookupAddress[]>();
      waiting.set(hostname, () => goOn(lookUp(hostname)));
      advance();
      return promise;
    });
  }

  async function lookUp(hostname: string): Promise<readonly LookupAddress[]> {
    const late = clock.after(usualTime, () => {
      slow.set(hostname, true);
      advance();
    });
    try {
      const addresses = await resolved(hostname);
      slow.delete(hostname);
      const now = clock.monotonic();
      known.set(hostname, {
        addresses,
        freshUntil: now + freshFor,
        isDoubted: false,
        keptUntil: now + keptFor,
      });
      return addresses;
    } catch (error) {
      if (isAnswer(error)) {
        slow.delete(hostname);
        known.delete(hostname);
      } else slow.set(hostname, true);
      throw error;
    } finally {
      late.cancel();
      running.delete(hostname);
      advance();
    }
  }

  function resolved(hostname: string): Promise<readonly LookupAddress[]> {
    return new Promise((found, failed) => {
      // Without ADDRCONFIG, a machine without IPv6 would get addresses that it has no route to.
      resolve(hostname, { all: true, hints: ADDRCONFIG }, (error, addresses) => {
        if (error) failed(error);
        else if (addresses.length > 0) found(addresses);
        else failed(Object.assign(new Error('no address'), { code: 'ENOTFOUND' }));
      });
    });
  }

  /** What `asked` gives, or what `otherwise` gives when that takes longer than `ms`. */
  async function within<T>(asked: Promise<T>, ms: number, otherwise: () => T): Promise<T> {
    const first = await orLate(
      clock,
      ms,
      asked.then((answer) => ({ answer })),
    );
    return first ? first.answer : otherwise();
  }

  return {
    async addressesOf(hostname, timeout) {
      const kept = known.get(hostname);
      const now = clock.monotonic();
      if (kept && now < kept.freshUntil) return kept.addresses;
      const asked = ask(hostname);
      if (!kept || now >= kept.keptUntil) {
        return within(asked, timeout, () => {
          throw new LookupTimeoutError(`DNS did not answer within ${timeout / 1000} s`);
        });
      }
      const orKept = asked.catch((error: unknown) => {
        if (isAnswer(error)) throw error;
        return kept.addresses;
      });
      if (slow.has(hostname) && !kept.isDoubted) {
        orKept.catch(() => {});
        return kept.addresses;
      }
      return within(orKept, Math.min(usualTime, timeout), () => kept.addresses);
    },
    doubt(hostname) {
      const kept = known.get(hostname);
      if (!kept) return;
      kept.freshUntil = clock.monotonic();
      kept.isDoubted = true;
    },
  };
}

/** DNS has said that there is no such name: the old addresses are no longer valid. */
function isAnswer(error: unknown): boolean {
  return systemCode(error) === 'ENOTFOUND';
}
