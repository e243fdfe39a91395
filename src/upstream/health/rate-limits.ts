/**
 * How often hosts may be asked, as they say themselves. After a 429, the host is left alone for that account until Retry-After.
 * `ratelimit-limit` and `ratelimit-remaining` (Docker Hub: `100;w=21600`) are kept to be shown.
 */
import { LRUCache } from 'lru-cache';
import type { Clock } from '../../lib/clock.ts';
import type { ResponseHeaders } from '../http/exchange.ts';
import type { Outcome } from '../outcome.ts';

export interface RateLimits {
  /** Epoch ms until which the host is not asked by this account; undefined where it may be. */
  coolingUntil(host: string, account: string): number | undefined;
  /** The latest of all accounts. */
  hostCoolingUntil(host: string): number | undefined;
  /** Hosts that are cooling now. */
  hosts(): readonly string[];
  /** The host is not asked by this account until then, epoch ms. */
  cool(host: string, account: string, until: number): void;
  /** Keeps the allowance that the headers of any answer to this account announce. */
  observe(host: string, account: string, headers: ResponseHeaders): void;
  /** Of the account that has the least left. */
  allowance(host: string): Allowance | undefined;
}

export interface Allowance {
  readonly limit: number | undefined;
  readonly remaining: number | undefined;
}

/** ms, without Retry-After. */
const defaultCooling = 30_000;
/** ms. */
const shortestCooling = 1000;
/** ms, even if a host asks for more: one wrong header must not shut it out for a day. */
const longestCooling = 15 * 60_000;

/** ms by which the two clocks may differ before that of the machine counts as set. */
const clockSet = 1000;

interface Pause {
  /** Epoch ms, by the clock of the machine as it was then. */
  readonly until: number;
  /** Monotonic ms: this counts. */
  readonly end: number;
}

/** The account of requests without credentials, such as those to hosts that registries redirect to. */
export const anonymous = '';

/** Keeps at most 1000 hosts, those used last. */
export function createRateLimits(clock: Clock): RateLimits {
  /** By host and account. */
  const cooling = new LRUCache<string, Map<string, Pause>>({ max: 1000 });
  const allowances = new LRUCache<string, Map<string, Allowance>>({ max: 1000 });

  function current(pause: Pause | undefined): number | undefined {
    const left = pause ? pause.end - clock.monotonic() : 0;
    if (!pause || left <= 0) return undefined;
    const until = Math.round(clock.now() + left);
    return Math.abs(until - pause.until) < clockSet ? pause.until : until;
  }

  function hostCoolingUntil(host: string): number | undefined {
    const ends = [...(cooling.get(host)?.values() ?? [])].flatMap((pause) => current(pause) ?? []);
    return ends.length > 0 ? Math.max(...ends) : undefined;
  }

  return {
    coolingUntil: (host, account) => current(cooling.get(host)?.get(account)),
    hostCoolingUntil,
    hosts: () => [...cooling.keys()].filter((host) => hostCoolingUntil(host) !== undefined),
    cool(host, account, until) {
      const accounts = cooling.get(host) ?? new Map<string, Pause>();
      for (const [name, pause] of accounts) if (current(pause) === undefined) accounts.delete(name);
      accounts.set(account, { until, end: clock.monotonic() + until - clock.now() });
      cooling.set(host, accounts);
    },
    observe(host, account, headers) {
      const limit = leadingNumber(single(headers['ratelimit-limit']));
      const remaining = leadingNumber(single(headers['ratelimit-remaining']));
      if (limit === undefined && remaining === undefined) return;
      const accounts = allowances.get(host) ?? new Map<string, Allowance>();
      allowances.set(host, accounts.set(account, { limit, remaining }));
    },
    allowance(host) {
      const left = ({ remaining }: Allowance) => remaining ?? Number.POSITIVE_INFINITY;
      return [...(allowances.get(host)?.values() ?? [])].sort((a, b) => left(a) - left(b))[0];
    },
  };
}

/** Epoch ms until which a 429 with these headers asks us to wait. */
export function coolingEnd(headers: ResponseHeaders, now: number): number {
  const wait = retryAfter(single(headers['retry-after']), now) ?? defaultCooling;
  return now + Math.min(Math.max(wait, shortestCooling), longestCooling);
}

/** The reason of an outcome. `words`: what the server said (`serverWords`). */
export function tooMany(until: number, words = ''): string {
  return `HTTP 429 until ${new Date(until).toISOString()}${words}`;
}

/** The outcome of a host that is cooling. `where` begins the reason. */
export function notAsked(where: string, until: number): Outcome<never> {
  return { kind: 'rateLimited', reason: `${where}not asked: ${tooMany(until)}`, until };
}

/** Milliseconds from now: seconds or an HTTP date (RFC 9110, section 10.2.3). */
export function retryAfter(value: string | undefined, now: number): number | undefined {
  if (value === undefined) return undefined;
  if (/^\s*\d+\s*$/.test(value)) return Number(value) * 1000;
  // Date.parse takes "-5" and "3.5" for days in 2001.
  const date = /^\s*[A-Z][a-z]/.test(value) ? Date.parse(value) : Number.NaN;
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}

/** The first of a header's values. */
export function single(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value;
}

function leadingNumber(value: string | undefined): number | undefined {
  const digits = /^\s*(\d{1,12})/.exec(value ?? '')?.[1];
  return digits === undefined ? undefined : Number(digits);
}
