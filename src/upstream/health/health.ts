/**
 * What is known of each host and of each repository there: whether to ask it, and how soon the host usually answers.
 *
 * A request that fails says something of its repository only: a client can ask for the same broken content again and again, and the
 * owner of a repository can put content there that breaks. So failures open the breaker of the repository at that host, and the
 * host is asked for `/v2/`, which belongs to no content. The host's own breaker, which counts for all images, follows that answer.
 *
 *   3 failures in a row ............ repository: open; host: open if it does not answer `/v2/`
 *   hedged, and timed out .......... both open at once; host: closed as soon as it answers `/v2/`
 *   3 bodies in a minute broke off . repository: open; host: open if bodies of different repositories did so by turns
 *   wrong content .................. nothing: it is the content's fault
 *   an answer ...................... both closed; if the host was open, so are its other repositories
 */
import type { Clock } from '../../lib/clock.ts';
import type { Endpoint } from '../endpoint.ts';
import type { Breaker, BreakerState } from './breaker.ts';
import { createHostRecords, HostRecord, type HostRecords } from './host-record.ts';
import type { Ping } from './ping.ts';
import { firstHedgeDelay } from './usual-time.ts';

export interface Health {
  state(endpoint: Endpoint): BreakerState;
  /** In half-open: whether the caller is the one that may probe. Any of the next five but `hedged` ends the probe. */
  claimProbe(endpoint: Endpoint): boolean;
  releaseProbe(endpoint: Endpoint): void;
  /** It answered; `ms` if it was an answer of the usual kind. */
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
  /** Called when the breaker of a host opens or closes. */
  readonly onChange?: ((change: BreakerChange) => void) | undefined;
}

/** Adds to `records` what it learns. Lists only the hosts that this configuration has asked for. */
export function createHealth(deps: HealthDeps): Health {
  const { clock, ping, onChange = () => {}, records = createHostRecords() } = deps;
  const hosts = createHostRecords();

  function find(name: string): HostRecord | undefined {
    const listed = hosts.get(name);
    if (listed) return listed;
    const known = records.get(name);
    if (known) hosts.set(name, known);
    return known;
  }

  function of(name: string): HostRecord {
    const known = find(name);
    if (known) return known;
    const host = new HostRecord(clock);
    hosts.set(name, host);
    records.set(name, host);
    return host;
  }

  /** The breakers that exist: of the host, and of the repository if it has failed. */
  function breakersOf(endpoint: Endpoint): readonly Breaker[] {
    const host = find(endpoint.host);
    return [host?.breaker, host?.knownRepository(endpoint)].filter((breaker) => breaker !== undefined);
  }

  function open(name: string, host: HostRecord): void {
    const retryIn = host.breaker.open();
    if (retryIn !== undefined) onChange({ host: name, breaker: 'open', reason: host.lastFailure, retryIn });
  }

  /** What failed with the host may be asked again, but not the endpoint that made us ask the host. */
  function close(name: string, host: HostRecord, but?: Endpoint): void {
    if (!host.breaker.close()) return;
    host.forgetRepositories(but);
    onChange({ host: name, breaker: 'closed' });
  }

  /** One question at a time. The answer decides whether failures are the host's own. */
  function askHost(endpoint: Endpoint, host: HostRecord): void {
    if (host.isAsked) return;
    host.isAsked = true;
    const name = endpoint.host;
    const decide = (answers: boolean): void => {
      host.isAsked = false;
      if (answers) {
        host.answeredAt = clock.monotonic();
        close(name, host, endpoint);
      } else if (host.breaker.isSuspect) open(name, host);
    };
    ping(endpoint, host.usualTime.hedgeDelay).then(decide, () => decide(false));
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
      host.knownRepository(endpoint)?.close();
      close(endpoint.host, host);
      if (ms !== undefined) host.usualTime.add(ms);
    },
    failed(endpoint, reason) {
      const host = of(endpoint.host);
      host.lastFailure = reason;
      const repository = host.repository(endpoint);
      repository.failed();
      host.breaker.failed();
      if (repository.isSuspect) repository.open();
      if (host.breaker.isSuspect) askHost(endpoint, host);
    },
    hedged: (endpoint) => askHost(endpoint, of(endpoint.host)),
    timedOut(endpoint, reason, since) {
      const host = of(endpoint.host);
      host.lastFailure = reason;
      host.repository(endpoint).open();
      if (host.answeredAt < since) open(endpoint.host, host);
      else host.breaker.releaseProbe();
    },
    faulted(endpoint, reason) {
      const host = of(endpoint.host);
      host.lastFailure = reason;
      const repository = host.repository(endpoint);
      if (repository.faulted()) repository.open();
      if (host.faulted(endpoint) && host.breaker.faulted()) open(endpoint.host, host);
    },
    answeredAt: (name) => find(name)?.answeredAt ?? Number.NEGATIVE_INFINITY,
    hedgeDelay: (name) => find(name)?.usualTime.hedgeDelay ?? firstHedgeDelay,
    list: () =>
      [...hosts.entries()].map(([host, { breaker, usualTime, lastFailure }]) => ({
        host,
        breaker: breaker.state,
        usualMs: usualTime.mean,
        lastFailure,
      })),
  };
}
