/** What the server does now, for the admin API and the dashboard, put together. */
import { createStatus, type RunningStatus } from '../admin/status/create-status.ts';
import type { Roles } from '../admin/status/endpoint-list.ts';
import type { RecentRequests } from '../admin/status/recent-requests.ts';
import type { EndpointStatus } from '../admin/status/status.ts';
import type { StatusStates } from '../admin/status/status-states.ts';
import type { CacheAdmin } from '../cache/cache-admin.ts';
import type { Cluster } from '../cluster/cluster.ts';
import type { RegistriesConf } from '../config/registries-conf/registries.ts';
import type { Clock } from '../lib/clock.ts';
import { hostOf } from '../oci/reference.ts';
import type { Log } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { Transfers } from '../transfer/transfers.ts';
import type { LiveRoutes } from './live-routes.ts';

export interface LiveStatusDeps {
  readonly clock: Clock;
  readonly log: Pick<Log, 'error'>;
  readonly version: string | undefined;
  readonly states: StatusStates;
  readonly metrics: Pick<Metrics, 'totals'>;
  readonly transfers: Pick<Transfers, 'list'>;
  readonly routes: LiveRoutes;
  readonly cluster: Pick<Cluster, 'toAsk' | 'all' | 'self'> | undefined;
  readonly cache: { readonly admin: Pick<CacheAdmin, 'problem'> };
  readonly recent: RecentRequests;
}

/** Reads the configuration in force at each look. */
export function createLiveStatus(deps: LiveStatusDeps): RunningStatus {
  const { routes, cluster, metrics, transfers, cache, ...same } = deps;
  const rolesInForce = routes.each(({ config }) => rolesOf(config.registries));
  return createStatus({
    ...same,
    totals: metrics.totals,
    transfers: transfers.list,
    health: () => routes.current.upstream.health(),
    roles: () => withPeers(rolesInForce(), cluster),
    hasSyncs: () => routes.current.settings.syncs.length > 0,
    problem: cache.admin.problem,
  });
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

function withPeers(roles: Roles, cluster: LiveStatusDeps['cluster']): Roles {
  if (!cluster) return roles;
  const others = cluster.all.filter(({ id }) => id !== cluster.self?.id);
  return new Map([...roles, ...others.map(({ id }) => [id, ['peer']] as const)]);
}
