/** The states that `/metrics` and the status show, read from the parts at each scrape or look. */
import type { StatusStates } from '../admin/status/status-states.ts';
import type { CacheAdmin } from '../cache/cache-admin.ts';
import type { PlacementStore } from '../cache/index/placements/placement-store.ts';
import type { ReplicaStore } from '../cache/index/replicas/replica-store.ts';
import type { Cluster } from '../cluster/cluster.ts';
import type { JobStore } from '../jobs/job-store.ts';
import type { Clock } from '../lib/clock.ts';
import type { Uploads } from '../push/uploads.ts';
import type { HostState, PolicyKindState, WatchedStates } from '../telemetry/states.ts';
import type { Transfers } from '../transfer/transfers.ts';
import type { EndpointHealth } from '../upstream/upstream.ts';
import type { LiveFacts } from './live-facts.ts';
import type { LiveOutbox } from './live-outbox.ts';
import type { LiveRoutes } from './live-routes.ts';

export interface WatchedParts {
  readonly cache: {
    readonly admin: Pick<CacheAdmin, 'usage' | 'disk'>;
    readonly jobs: Pick<JobStore, 'counts' | 'oldestFailure'>;
    readonly replicas: Pick<ReplicaStore, 'counts' | 'oldestFailure'>;
    readonly placements: Pick<PlacementStore, 'counts'>;
  };
  readonly transfers: Pick<Transfers, 'count'>;
  readonly routes: LiveRoutes;
  readonly clock: Pick<Clock, 'now'>;
  readonly uploads: Pick<Uploads, 'usage'>;
  readonly outbox: Pick<LiveOutbox, 'states'>;
  readonly cluster: Pick<Cluster, 'all' | 'ownedShards'> | undefined;
  readonly facts: Pick<LiveFacts, 'state'> | undefined;
  readonly policies: (() => readonly PolicyKindState[]) | undefined;
}

/** Reads nothing before a scrape or a look. */
export function watchedStates({
  cache,
  transfers,
  uploads,
  outbox,
  routes,
  clock,
  cluster,
  facts,
  policies,
}: WatchedParts): StatusStates & WatchedStates {
  const { admin, jobs, replicas } = cache;
  return {
    transfersInFlight: () => transfers.count,
    isOffline: routes.isOffline,
    cache: admin.usage,
    uploads: uploads.usage,
    async jobs() {
      // At once: a database that is frozen is waited for once.
      const [counts, oldestFailure] = await Promise.all([jobs.counts(), jobs.oldestFailure()]);
      return { counts, oldestFailure };
    },
    cluster: cluster && (() => ({ members: cluster.all.length, shards: cluster.ownedShards })),
    facts: facts?.state,
    policies,
    eventSinks: outbox.states,
    placements: () => cache.placements.counts(),
    replicas: async () => ({
      counts: await replicas.counts(),
      oldestFailure: await replicas.oldestFailure(),
    }),
    disk: () => ({ ...admin.disk(), minFree: routes.current.settings.cache.minFree }),
    hosts: () => routes.current.upstream.health().map((host) => hostState(host, clock.now())),
  };
}

/** `now`: epoch ms. */
function hostState({ host, breaker, coolingUntil = 0, allowance }: EndpointHealth, now: number): HostState {
  return {
    host,
    isOpen: breaker !== 'closed',
    cooling: Math.max(0, (coolingUntil - now) / 1000),
    limit: allowance?.limit,
    remaining: allowance?.remaining,
  };
}
