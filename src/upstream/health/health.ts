/**
 * What we know of each host and of each repository there: whether to ask it, and how soon the host usually answers.
 *
 * A request that fails says something of its repository only: a client can ask for the same broken content again and again, and the
 * owner of a repository can put content there that breaks. So failures open the breaker of the repository at that host, and the
 * host is asked for `/v2/`, which belongs to no content. The host's own breaker, which counts for all images, follows that answer.
 *
 *   3 failures in a row ............ repository: open; host: open if it does not answer `/v2/`
 *   overdue, and lost a hedge ...... both open at once; host: closed as soon as it answers `/v2/`
 *   3 bodies in a minute broke off . repository: open; host: open if those of different repositories did by turns
 *   wrong content .................. nothing: it is the content's fault
 *   an answer ...................... both closed; if the host was open, so are its other repositories
 */
import { LRUCache } from 'lru-cache';
import type { Clock } from '../../lib/clock.ts';
import { type Endpoint, endpointKey } from '../endpoint.ts';
import { Breaker, type BreakerState } from './breaker.ts';
import type { Ping } from './ping.ts';

export interface Health {
  state(endpoint: Endpoint): BreakerState;
  /** In half-open: whether the caller is the one that may probe. Ended by any of the next five but `overdue`. */
  claimProbe(endpoint: Endpoint): boolean;
  releaseProbe(endpoint: Endpoint): void;
  /** It answered; `ms` where it was an answer of the usual kind. */
  answered(endpoint: Endpoint, ms: number | undefined): void;
  failed(endpoint: Endpoint, reason: string): void;
  /** A request has had no answer within its usual time. */
  hedged(endpoint: Endpoint): void;
  /** A request without an answer was given up; it was begun at `since` (monotonic ms). It would never fail by itself. */
  timedOut(endpoint: Endpoint, reason: string, since: number): void;
  /** A fault that showed after good headers: the next good headers do not make up for it. */
  faulted(endpoint: Endpoint, reason: string): void;
  /** Monotonic ms of the last time that the host answered `/v2/` when it was in doubt. */
  answeredAt(host: string): number;
  /** How long to wait for the host's answer before another is asked beside it, ms. */
  hedgeDelay(host: string): number;
  list(): readonly HostHealth[];
}

export interface HostHealth {
  readonly host: string;
  readonly breaker: BreakerState;
  readonly usualMs: number | undefined;
  readonly lastFailure: string | undefined;
}

/** What is known of each host, by its name. It outlives the `Health` of one configuration. */
export type HostRecords = LRUCache<string, Host>;

interface Host {
  readonly breaker: Breaker;
  /** Of its repositories that have failed lately, by endpointKey. */
  readonly repositories: LRUCache<string, Breaker>;
  /** Whose body broke off last. */
  faultedKey: string | undefined;
  /** It is being asked for `/v2/`. */
  asking: boolean;
  /** Monotonic ms of the last time that it answered that. */
  answeredAt: number;
  mean: number | undefined;
  deviation: number;
  lastFailure: string | undefined;
}

export interface BreakerChange {
  readonly host: string;
  readonly breaker: 'open' | 'closed';
  /** Why it was opened. */
  readonly reason?: string | undefined;
  /** ms until the first probe. */
  readonly retryIn?: number;
}

export interface HealthDeps {
  readonly clock: Clock;
  readonly ping: Ping;
  /** What earlier configurations have learnt. Default: nothing. */
  readonly records?: HostRecords | undefined;
  /** Told of the breakers of hosts. */
  readonly onChange?: ((change: BreakerChange) => void) | undefined;
}

const maxHosts = 2000;
const maxRepositories = 500;
const firstHedgeDelay = 1000;
const shortestHedgeDelay = 500;
const longestHedgeDelay = 3000;

/** Records of no host yet. */
export function createHostRecords(): HostRecords {
  return new LRUCache({ max: maxHosts });
}

export function createHealth(deps: HealthDeps): Health {
  const { clock, ping, onChange = () => {}, records = createHostRecords() } = deps;
  /** Those of them that this configuration has asked for: the others may be no endpoints any more, and are not listed. */
  const hosts = createHostRecords();

  function find(name: string): Host | undefined {
    const listed = hosts.get(name);
    if (listed) return listed;
    const known = records.get(name);
    if (known) hosts.set(name, known);
    return known;
  }

  function of(name: string): Host {
    const known = find(name);
    if (known) return known;
    const host: Host = {
      breaker: new Breaker(clock),
      repositories: new LRUCache({ max: maxRepositories }),
      faultedKey: undefined,
      asking: false,
      answeredAt: Number.NEGATIVE_INFINITY,
      mean: undefined,
      deviation: 0,
      lastFailure: undefined,
    };
    hosts.set(name, host);
    records.set(name, host);
    return host;
  }

  function repositoryOf(host: Host, endpoint: Endpoint): Breaker {
    const key = endpointKey(endpoint);
    const known = host.repositories.get(key);
    if (known) return known;
    const breaker = new Breaker(clock);
    host.repositories.set(key, breaker);
    return breaker;
  }

  /** Those that exist: of the host, and of the repository if it has failed. */
  function breakersOf(endpoint: Endpoint): readonly Breaker[] {
    const host = find(endpoint.host);
    const repository = host?.repositories.get(endpointKey(endpoint));
    return [host?.breaker, repository].filter((breaker) => breaker !== undefined);
  }

  function open(name: string, host: Host): void {
    const retryIn = host.breaker.open();
    if (retryIn !== undefined) onChange({ host: name, breaker: 'open', reason: host.lastFailure, retryIn });
  }

  /** What failed with the host may be asked again, but not the endpoint that made us ask the host. */
  function close(name: string, host: Host, but?: Endpoint): void {
    if (!host.breaker.close()) return;
    const own = but && host.repositories.get(endpointKey(but));
    host.repositories.clear();
    if (but && own) host.repositories.set(endpointKey(but), own);
    onChange({ host: name, breaker: 'closed' });
  }

  function hedgeDelay(name: string): number {
    const host = find(name);
    if (host?.mean === undefined) return firstHedgeDelay;
    return Math.min(longestHedgeDelay, Math.max(shortestHedgeDelay, host.mean + 4 * host.deviation));
  }

  /** One question at a time. The answer decides whether failures are the host's own. */
  function askHost(endpoint: Endpoint, host: Host): void {
    if (host.asking) return;
    host.asking = true;
    const name = endpoint.host;
    const decide = (answers: boolean): void => {
      host.asking = false;
      if (answers) {
        host.answeredAt = clock.monotonic();
        close(name, host, endpoint);
      } else if (host.breaker.isSuspect) open(name, host);
    };
    ping(endpoint, hedgeDelay(name)).then(decide, () => decide(false));
  }

  return {
    state(endpoint) {
      const states = breakersOf(endpoint).map(({ state }) => state);
      return (
        states.find((state) => state === 'open') ?? states.find((state) => state !== 'closed') ?? 'closed'
      );
    },
    claimProbe(endpoint) {
      const breakers = breakersOf(endpoint);
      if (breakers.some(({ state }) => state === 'open')) return false;
      return breakers.filter((breaker) => breaker.claimProbe()).length > 0;
    },
    releaseProbe(endpoint) {
      for (const breaker of breakersOf(endpoint)) breaker.releaseProbe();
    },
    answered(endpoint, ms) {
      const host = of(endpoint.host);
      host.repositories.get(endpointKey(endpoint))?.close();
      close(endpoint.host, host);
      if (ms === undefined) return;
      // Jacobson's estimator, as TCP has it: a mean, and how far answers stray from it.
      const error = ms - (host.mean ?? ms);
      host.deviation =
        host.mean === undefined ? ms / 2 : host.deviation + (Math.abs(error) - host.deviation) / 4;
      host.mean = (host.mean ?? ms) + error / 8;
    },
    failed(endpoint, reason) {
      const host = of(endpoint.host);
      host.lastFailure = reason;
      const repository = repositoryOf(host, endpoint);
      repository.failed();
      host.breaker.failed();
      if (repository.isSuspect) repository.open();
      if (host.breaker.isSuspect) askHost(endpoint, host);
    },
    hedged: (endpoint) => askHost(endpoint, of(endpoint.host)),
    timedOut(endpoint, reason, since) {
      const host = of(endpoint.host);
      host.lastFailure = reason;
      repositoryOf(host, endpoint).open();
      if (host.answeredAt < since) open(endpoint.host, host);
      else host.breaker.releaseProbe();
    },
    faulted(endpoint, reason) {
      const host = of(endpoint.host);
      host.lastFailure = reason;
      const repository = repositoryOf(host, endpoint);
      if (repository.faulted()) repository.open();
      const key = endpointKey(endpoint);
      const isAnother = host.faultedKey !== undefined && host.faultedKey !== key;
      host.faultedKey = key;
      if (isAnother && host.breaker.faulted()) open(endpoint.host, host);
    },
    answeredAt: (name) => find(name)?.answeredAt ?? Number.NEGATIVE_INFINITY,
    hedgeDelay,
    list: () =>
      [...hosts.entries()].map(([host, { breaker, mean, lastFailure }]) => ({
        host,
        breaker: breaker.state,
        usualMs: mean,
        lastFailure,
      })),
  };
}
