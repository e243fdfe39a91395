/** The cluster of `[cluster]`, put together. It is made once: a change of it takes a restart. */
import { lookup } from 'node:dns';
import { createRareLog } from '../cache/rare-log.ts';
import { type Cluster, createCluster } from '../cluster/cluster.ts';
import type { ServerConfig } from '../config/config.ts';
import { clusterSecret } from '../config/credentials/cluster-secret.ts';
import { createSecretFiles } from '../config/credentials/secret-files.ts';
import { thisMachine } from '../config/own-address.ts';
import type { Clock } from '../lib/clock.ts';
import type { Releases } from '../lib/flow/releases.ts';
import type { Log } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { ResolveAll } from '../upstream/http/lookups.ts';
import type { UpstreamMemory } from '../upstream/upstream-memory.ts';

export interface LiveClusterDeps {
  readonly clock: Clock;
  readonly log: Pick<Log, 'info' | 'warn' | 'error'>;
  readonly metrics: Pick<Metrics, 'peerRefused'>;
  readonly memory: Pick<UpstreamMemory, 'hosts'>;
  /** Default: the system's. */
  readonly resolve: ResolveAll | undefined;
  readonly releases: Releases;
}

/**
 * Undefined without a `[cluster]`. Members from DNS are known a moment later. Throws EntrepotError CREDENTIALS_UNUSABLE for a secret
 * file that cannot be used.
 */
export function createLiveCluster(
  { cluster: config, tls }: ServerConfig,
  deps: LiveClusterDeps,
): Cluster | undefined {
  if (!config) return undefined;
  const { clock, log, metrics, memory, resolve = lookup, releases } = deps;
  const { secretFile } = config;
  const secrets = createSecretFiles({
    clock,
    onRewrite: (file, problem) =>
      log.warn(
        { event: 'cluster.secretRewritten', file, problem },
        'the secret of the cluster cannot be read: in case it is being rewritten, the last one counts for some seconds',
      ),
  });
  const secret = secretFile === undefined ? undefined : () => clusterSecret(secretFile, secrets.get);
  secret?.();
  // Any client can send marks without proof.
  const refusals = createRareLog({ log, clock });

  const cluster = createCluster(
    {
      clock,
      secret,
      stateOf: (id) => memory.hosts.get(id)?.breaker.state ?? 'closed',
      ownAddresses: () => thisMachine().addresses,
      addressesOf: (hostname) =>
        new Promise((found, failed) => {
          resolve(hostname, { all: true }, (error, addresses) => {
            if (error) failed(error);
            else found(addresses.map(({ address }) => address));
          });
        }),
      onChange: (all) =>
        log.info(
          { event: 'cluster.membersChanged', members: all.map(({ id }) => id) },
          'the members of the cluster have changed',
        ),
      onFailure: (reason) =>
        log.warn(
          { event: 'cluster.lookupFailed', name: config.dns, reason },
          'the members of the cluster cannot be looked up: the last known ones stay',
        ),
      onRefused(reason) {
        metrics.peerRefused();
        refusals.warn(
          { event: 'cluster.peerRefused', reason },
          'a request says that it comes from a peer and does not prove it: it counts as one of any client',
        );
      },
    },
    config,
    { secure: tls.certificate !== undefined },
  );
  void cluster.start();
  return releases.add(cluster, ({ stop }) => stop());
}
