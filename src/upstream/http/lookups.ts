/**
 * Host names become addresses here, once for all connections of the process.
 *
 *   known, up to 30 s old ............... its addresses, at once
 *   known, up to an hour old ............ asked again; the old addresses if DNS fails or says nothing for a second
 *   not known ........................... asked; the caller waits up to its own limit
 *   asked about already ................. the same question, also by the next caller after the first has given up
 *
 * getaddrinfo holds a thread of libuv's pool until DNS answers, and libuv gives such calls half of the pool. A name that DNS
 * is silent about would hold a thread for ten seconds and more. Such names wait behind the others and get half of the threads
 * at most, so that they cannot keep healthy names from being looked up.
 */
import { ADDRCONFIG, lookup as dnsLookup, type LookupAddress, type LookupAllOptions } from 'node:dns';
import { LRUCache } from 'lru-cache';
import type { Clock } from '../../lib/clock.ts';
import { SingleFlight } from '../../lib/single-flight.ts';
import { systemCode } from '../../lib/thrown.ts';

export type ResolveAll = (
  hostname: string,
  options: LookupAllOptions,
  callback: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void;

export interface Lookups {
  /** Rejects with the resolver's error, or with LookupTimeoutError when there is no answer within `timeout` ms. */
  addressesOf(hostname: string, timeout: number): Promise<readonly LookupAddress[]>;
  /** No address of the name could be connected to: DNS is asked again before they are used again. */
  doubt(hostname: string): void;
}

export interface LookupsDeps {
  readonly clock: Clock;
  /** Default: the system's. */
  readonly resolve?: ResolveAll | undefined;
  /** Look-ups at once. Default: what libuv runs at once in a pool of the default size. */
  readonly threads?: number | undefined;
}

export class LookupTimeoutError extends Error {
  readonly code = 'LOOKUP_TIMEOUT';
}

const freshFor = 30_000;
const keptFor = 3_600_000;
/** A look-up that takes longer has its name counted as silent. */
const usualTime = 1000;
const maxNames = 2000;

interface Known {
  readonly addresses: readonly LookupAddress[];
  /** Monotonic ms. */
  freshUntil: number;
  readonly keptUntil: number;
}

/** How many look-ups libuv runs at once in a pool of `poolSize` threads (UV_THREADPOOL_SIZE; 4 if it is not set). */
export function lookupThreads(poolSize: string | undefined): number {
  const size = Number(poolSize);
  return Number.isInteger(size) && size > 0 ? Math.floor((Math.min(size, 1024) + 1) / 2) : 2;
}

export function createLookups(deps: LookupsDeps): Lookups {
  const { clock, resolve = dnsLookup, threads = lookupThreads(undefined) } = deps;
  const known = new LRUCache<string, Known>({ max: maxNames });
  const silent = new LRUCache<string, true>({ max: maxNames });
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
    const ofSilent = [...running].filter((name) => silent.has(name)).length;
    const mayBeSilent = ofSilent < Math.max(1, Math.floor(threads / 2));
    let first: string | undefined;
    for (const name of waiting.keys()) {
      if (!silent.has(name)) return name;
      if (mayBeSilent) first ??= name;
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
    const slow = clock.after(usualTime, () => {
      silent.set(hostname, true);
      advance();
    });
    try {
      const addresses = await resolved(hostname);
      silent.delete(hostname);
      const now = clock.monotonic();
      known.set(hostname, { addresses, freshUntil: now + freshFor, keptUntil: now + keptFor });
      return addresses;
    } catch (error) {
      if (isAnswer(error)) {
        silent.delete(hostname);
        known.delete(hostname);
      } else silent.set(hostname, true);
      throw error;
    } finally {
      slow.cancel();
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
    const late = Promise.withResolvers<'late'>();
    const timer = clock.after(ms, () => late.resolve('late'));
    try {
      const first = await Promise.race([asked, late.promise]);
      return first === 'late' ? otherwise() : (first as T);
    } finally {
      timer.cancel();
    }
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
      return within(orKept, usualTime, () => kept.addresses);
    },
    doubt(hostname) {
      const kept = known.get(hostname);
      if (kept) kept.freshUntil = clock.monotonic();
    },
  };
}

/** DNS has said that there is no such name: no old address is good any more. */
function isAnswer(error: unknown): boolean {
  return systemCode(error) === 'ENOTFOUND';
}
