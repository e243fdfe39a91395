/** What is remembered of one host: its breaker, those of its repositories that have failed, and how soon it answers. */
import { LRUCache } from 'lru-cache';
import type { Clock } from '../../lib/clock.ts';
import { type Endpoint, endpointKey } from '../endpoint.ts';
import { Breaker } from './breaker.ts';
import { UsualTime } from './usual-time.ts';

const maxHosts = 2000;
const maxRepositories = 500;

/** Hosts by name, at most 2000: those asked last. It outlives the `Health` of one configuration. */
export type HostRecords = LRUCache<string, HostRecord>;

/** Records of no host yet. */
export function createHostRecords(): HostRecords {
  return new LRUCache({ max: maxHosts });
}

export class HostRecord {
  readonly breaker: Breaker;
  readonly usualTime = new UsualTime();
  lastFailure: string | undefined;
  /** It is being asked for `/v2/`. */
  isAsked = false;
  /** Monotonic ms of the last time that it answered `/v2/`. */
  answeredAt = Number.NEGATIVE_INFINITY;
  readonly #clock: Clock;
  /** By endpointKey. */
  readonly #repositories = new LRUCache<string, Breaker>({ max: maxRepositories });
  /** endpointKey of the repository that broke off a body last. */
  #faultedKey: string | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.breaker = new Breaker(clock);
  }

  /** The breaker of the endpoint's repository, made at its first failure. */
  repository(endpoint: Endpoint): Breaker {
    const key = endpointKey(endpoint);
    const known = this.#repositories.get(key);
    if (known) return known;
    const breaker = new Breaker(this.#clock);
    this.#repositories.set(key, breaker);
    return breaker;
  }

  /** Undefined for a repository that has not failed. */
  knownRepository(endpoint: Endpoint): Breaker | undefined {
    return this.#repositories.get(endpointKey(endpoint));
  }

  /** Forgets the failures of all repositories but one. */
  forgetRepositories(but: Endpoint | undefined): void {
    const kept = but && this.knownRepository(but);
    this.#repositories.clear();
    if (but && kept) this.#repositories.set(endpointKey(but), kept);
  }

  /** Notes that a body broke off. Whether the last one to do so was of another repository. */
  faulted(endpoint: Endpoint): boolean {
    const key = endpointKey(endpoint);
    const isAnother = this.#faultedKey !== undefined && this.#faultedKey !== key;
    this.#faultedKey = key;
    return isAnother;
  }
}
