/** What the server does now, for the admin API and the dashboard, put together. */
import { createStatus, type RunningStatus } from '../admin/status/create-status.ts';
import type { Roles } from '../admin/status/endpoint-list.ts';
import { createRecentRequests, type RecentRequests } from '../admin/status/recent-requests.ts';
import type { EndpointStatus } from '../admin/status/status.ts';
import type { CacheAdmin } from '../cache/cache-admin.ts';
import type { Cluster } from '../cluster/cluster.ts';
import type { RegistriesConf } from '../config/registries-conf/registries.ts';
import type { Clock } from '../lib/clock.ts';
import { hostOf } from '../oci/reference.ts';
import type { Log } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { Transfers } from '../transfer/transfers.ts';
import { type WatchedParts, watchedStates } from './watched-states.ts';

export interface LiveStatusDeps extends WatchedParts {
  readonly clock: Clock;
  readonly log: Pick<Log, 'error'>;
  readonly version: string | undefined;
  readonly metrics: Pick<Metrics, 'totals' | 'watch'>;
  readonly transfers: Pick<Transfers, 'list' | 'count'>;
  readonly cluster: Pick<Cluster, 'all' | 'self' | 'ownedShards'> | undefined;
  readonly cache: WatchedParts['cache'] & { readonly admin: Pick<CacheAdmin, 'problem'> };
}

export interface LiveStatus extends RunningStatus {
  /** Takes the requests that it shows. */
  readonly ring: RecentRequests;
}

/** Reads the configuration in force at each look. The metrics watch the same states. */
export function createLiveStatus(deps: LiveStatusDeps): LiveStatus {
  const { routes, cluster, metrics, transfers, cache, clock, log, version } = deps;
  const states = watchedStates(deps);
  metrics.watch(states);
  const recent = createRecentRequests();
  const rolesInForce = routes.each(({ config }) => rolesOf(config.registries));
  const status = createStatus({
    ...{ clock, log, version, states, recent },
    totals: metrics.totals,
    transfers: transfers.list,
    health: () => routes.current.upstream.health(),
    roles: () => withPeers(rolesInForce(), cluster),
    hasSyncs: () => routes.current.settings.syncs.length > 0,
    problem: cache.admin.problem,
  });
  return { ...status, ring: recent };
}

/** Hosts that registries.conf names. The hosts that a prefix such as `*.corp` stands for are known once they are asked. */
function rolesOf({ entries }: RegistriesConf): Roles {
  const roles = new Map<string, EndpointStatus['roles']>();
  const add = (location: string, role: EndpointStatus['roles'][number]) => {
    const host = hostOf(location);
    const known = roles.get(host) ?? [];
    if (!host.startsWith('*.') && !known.includes(role)) roles.set(host, [...known, role]);
  };
  for (const { prefix, location, blocked, mirrors } of entries) {
    for (const mirror of mirrors) add(mirror.location, 'mirror');
    if (!blocked) add(location || prefix, 'source');
  }
  return roles;
}

/** Peers found by DNS are one host in the metrics, the name that was looked up: it has the requests of all of them. */
function withPeers(roles: Roles, cluster: LiveStatusDeps['cluster']): Roles {
  if (!cluster) return roles;
  const others = cluster.all.filter(({ id }) => id !== cluster.self.id);
  const hosts = others.flatMap(({ id, name }) => [id, name]);
  return new Map([...roles, ...hosts.map((host) => [host, ['peer']] as const)]);
}
