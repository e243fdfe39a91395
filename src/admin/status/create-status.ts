/** The `Status` of a running server, put together from its parts. */
import type { Clock } from '../../lib/clock.ts';
import type { Log } from '../../telemetry/log.ts';
import type { Totals } from '../../telemetry/totals.ts';
import type { TransferNow } from '../../transfer/transfer-now.ts';
import type { EndpointHealth } from '../../upstream/upstream.ts';
import { createConditions } from './conditions.ts';
import { endpointList, type Roles } from './endpoint-list.ts';
import { countsOf, overviewOf } from './overview.ts';
import type { RecentRequests } from './recent-requests.ts';
import { createSeries } from './series.ts';
import type { Condition, EndpointStatus, Overview, Status, TransferStatus } from './status.ts';
import { createStatusChanges } from './status-changes.ts';
import type { StatusStates } from './status-states.ts';
import { createTransferRates } from './transfer-rates.ts';

export interface RunningStatus extends Status {
  /** Samples are taken from now on. */
  start(): void;
  /** Ends all changes: the server stops, and is not ready from now on. */
  stop(): void;
}

export interface StatusDeps {
  readonly clock: Clock;
  readonly log: Pick<Log, 'error'>;
  readonly version: string | undefined;
  readonly states: StatusStates;
  readonly totals: () => Promise<Totals>;
  readonly transfers: () => readonly TransferNow[];
  readonly health: () => readonly EndpointHealth[];
  /** Hosts of the configuration in force. */
  readonly roles: () => Roles;
  readonly hasSyncs: () => boolean;
  readonly recent: RecentRequests;
  readonly problem: () => string | undefined;
}

/** Reads the parts when it is asked, and once a minute after `start`. */
export function createStatus(deps: StatusDeps): RunningStatus {
  const { clock, log, version, states, totals, recent, roles } = deps;
  const since = new Date(clock.now()).toISOString();
  const ratesOf = createTransferRates(clock);
  const judge = createConditions(clock);
  let isStopping = false;
  const series = createSeries({
    clock,
    read: async () => countsOf(await totals()),
    onError: (err) => log.error({ event: 'status.sampleFailed', err }, 'a minute could not be counted'),
  });

  function transfers(): readonly TransferStatus[] {
    const all = deps.transfers();
    const rates = ratesOf(all);
    return all.map(({ hosts, began, size, ...same }, n) => ({
      ...same,
      size: size ?? null,
      endpoints: hosts,
      began: new Date(began).toISOString(),
      bytesPerSecond: rates[n] ?? null,
    }));
  }

  async function endpoints(): Promise<readonly EndpointStatus[]> {
    return endpointList(deps.health(), states.hosts(), await totals(), roles());
  }

  async function overview(): Promise<Overview> {
    const about = { version, since, problem: deps.problem(), transfers: deps.transfers().length };
    return await overviewOf(about, states, await totals());
  }

  async function conditions(): Promise<readonly Condition[]> {
    const peers = [...roles()].filter(([, of]) => of.includes('peer')).map(([host]) => host);
    return judge({
      isStopping,
      problem: deps.problem(),
      isOffline: states.isOffline(),
      cache: states.cache(),
      disk: states.disk(),
      hosts: states.hosts(),
      peers: new Set(peers),
      hasSyncs: deps.hasSyncs(),
      replicas: await states.replicas(),
      cluster: states.cluster?.(),
      facts: states.facts?.(),
      placements: await states.placements(),
      configIsGood: (await totals()).configIsGood,
      policies: states.policies?.() ?? [],
    });
  }

  const reads = { transfers, endpoints, recent: recent.list, overview, conditions };
  const changes = createStatusChanges({ ...reads, clock, log, recent, samples: series.samples });

  return {
    ...reads,
    series: () => [...series.samples],
    changes: changes.watch,
    start: series.start,
    stop() {
      isStopping = true;
      series.stop();
      changes.stop();
    },
  };
}
