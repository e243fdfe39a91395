/**
 * What we know of each host: whether to ask it, and how soon it usually answers.
 *
 *   closed --3 failures in a row, or lost a hedge without a word--> open --backoff over--> half-open (one probe)
 *     ^                                                              ^                        |
 *     +---------------------- any answer ---------------------------|------------------------+ answered
 *                                                                    +------------------------+ failed: twice the backoff
 */
import { LRUCache } from 'lru-cache';
import type { Clock } from '../lib/clock.ts';

export type BreakerState = 'closed' | 'open' | 'half-open';

export interface Health {
  state(host: string): BreakerState;
  /** In half-open: whether the caller is the one that may probe. Ended by any of the four below. */
  claimProbe(host: string): boolean;
  releaseProbe(host: string): void;
  /** The host answered; `ms` where it was an answer of the usual kind. */
  answered(host: string, ms: number | undefined): void;
  failed(host: string, reason: string): void;
  /** Opens the breaker at once: the host would never fail by itself. */
  silent(host: string, reason: string): void;
  /** A fault that showed after a good answer: the next good answer does not make up for it. */
  faulted(host: string, reason: string): void;
  /** How long to wait for the host's answer before another is asked beside it, ms. */
  patience(host: string): number;
  list(): readonly HostHealth[];
}

export interface HostHealth {
  readonly host: string;
  readonly breaker: BreakerState;
  readonly usualMs: number | undefined;
  readonly lastFailure: string | undefined;
}

interface Host {
  failures: number;
  /** Monotonic ms of late faults, the latest few. */
  faults: number[];
  /** Monotonic ms; undefined while closed. */
  openUntil: number | undefined;
  openings: number;
  probing: boolean;
  mean: number | undefined;
  deviation: number;
  lastFailure: string | undefined;
}

const failuresToOpen = 3;
const faultMemory = 60_000;
const firstBackoff = 2000;
const longestBackoff = 60_000;
const firstPatience = 1000;
const leastPatience = 500;
const mostPatience = 3000;

export interface BreakerChange {
  readonly host: string;
  readonly breaker: 'open' | 'closed';
  /** Why it was opened. */
  readonly reason?: string | undefined;
  /** ms until the first probe. */
  readonly retryIn?: number;
}

export function createHealth(clock: Clock, onChange: (change: BreakerChange) => void = () => {}): Health {
  const hosts = new LRUCache<string, Host>({ max: 2000 });

  function of(name: string): Host {
    const known = hosts.get(name);
    if (known) return known;
    const host: Host = {
      failures: 0,
      faults: [],
      openUntil: undefined,
      openings: 0,
      probing: false,
      mean: undefined,
      deviation: 0,
      lastFailure: undefined,
    };
    hosts.set(name, host);
    return host;
  }

  function stateOf(host: Host | undefined): BreakerState {
    if (host?.openUntil === undefined) return 'closed';
    return clock.monotonic() < host.openUntil ? 'open' : 'half-open';
  }

  function open(name: string, host: Host): void {
    host.probing = false;
    if (stateOf(host) === 'open') return;
    host.openings += 1;
    const retryIn = Math.min(longestBackoff, firstBackoff * 2 ** (host.openings - 1));
    host.openUntil = clock.monotonic() + retryIn;
    onChange({ host: name, breaker: 'open', reason: host.lastFailure, retryIn });
  }

  return {
    state(name) {
      const host = hosts.get(name);
      const state = stateOf(host);
      return state === 'half-open' && host?.probing ? 'open' : state;
    },
    claimProbe(name) {
      const host = of(name);
      if (stateOf(host) !== 'half-open' || host.probing) return false;
      host.probing = true;
      return true;
    },
    releaseProbe: (name) => {
      of(name).probing = false;
    },
    answered(name, ms) {
      const host = of(name);
      if (host.openUntil !== undefined) onChange({ host: name, breaker: 'closed' });
      host.failures = 0;
      host.openUntil = undefined;
      host.openings = 0;
      host.probing = false;
      if (ms === undefined) return;
      // Jacobson's estimator, as TCP has it: a mean, and how far answers stray from it.
      const error = ms - (host.mean ?? ms);
      host.deviation =
        host.mean === undefined ? ms / 2 : host.deviation + (Math.abs(error) - host.deviation) / 4;
      host.mean = (host.mean ?? ms) + error / 8;
    },
    failed(name, reason) {
      const host = of(name);
      host.failures += 1;
      host.lastFailure = reason;
      if (host.failures >= failuresToOpen || host.openUntil !== undefined) open(name, host);
    },
    silent(name, reason) {
      const host = of(name);
      host.lastFailure = reason;
      open(name, host);
    },
    faulted(name, reason) {
      const host = of(name);
      const now = clock.monotonic();
      host.lastFailure = reason;
      host.faults = [...host.faults.filter((at) => now - at < faultMemory), now];
      if (host.faults.length < failuresToOpen) return;
      host.faults = [];
      open(name, host);
    },
    patience(name) {
      const host = hosts.get(name);
      if (host?.mean === undefined) return firstPatience;
      return Math.min(mostPatience, Math.max(leastPatience, host.mean + 4 * host.deviation));
    },
    list: () =>
      [...hosts.entries()].map(([host, value]) => ({
        host,
        breaker: stateOf(value),
        usualMs: value.mean,
        lastFailure: value.lastFailure,
      })),
  };
}
