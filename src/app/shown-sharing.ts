/** What `entrepot usage` shows of the cluster and of the shared facts. */
import type { BesideCache } from '../admin/usage.ts';
import type { Cluster } from '../cluster/cluster.ts';
import type { LiveFacts } from './live-facts.ts';

/** Null stands for what is not configured. */
export function shownSharing({
  cluster,
  facts,
}: {
  readonly cluster: Pick<Cluster, 'all' | 'self' | 'ownedShards'> | undefined;
  readonly facts: Pick<LiveFacts, 'state'> | undefined;
}): () => Pick<BesideCache, 'cluster' | 'facts'> {
  return () => {
    const state = facts?.state();
    return {
      cluster: cluster
        ? { self: cluster.self.id, members: cluster.all.map(({ id }) => id), shards: cluster.ownedShards }
        : null,
      facts: state
        ? { connected: state.isConnected, waiting: state.waiting, behind: state.behind ?? null }
        : null,
    };
  };
}
