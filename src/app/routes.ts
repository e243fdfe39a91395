/** Makes the routes of one configuration: which image a request means, and which endpoints are asked for it, and how. */
import type { Cluster } from '../cluster/cluster.ts';
import type { Config } from '../config/config.ts';
import { createAuthLookup } from '../config/credentials/auth-lookup.ts';
import { createCredentialHelper } from '../config/credentials/credential-helper.ts';
import { createCertLookup } from '../config/files/certs-d.ts';
import type { Environment } from '../config/proxy-env.ts';
import type { ReadBlocks } from '../lib/bytes/read-blocks.ts';
import type { Clock } from '../lib/clock.ts';
import type { ViaChain } from '../lib/flow/via-chain.ts';
import { createRouter } from '../routing/router.ts';
import type { Log } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { noTracer, type Tracer } from '../telemetry/tracing/tracer.ts';
import type { Buckets } from '../upstream/buckets.ts';
import { createUpstream } from '../upstream/create-upstream.ts';
import { createEndpoints } from '../upstream/endpoints.ts';
import { createHostSettings } from '../upstream/host-settings.ts';
import { storeEndpoint, withPeers } from '../upstream/peer-endpoints.ts';
import type { UpstreamMemory } from '../upstream/upstream-memory.ts';
import type { Routes } from './live-routes.ts';
import { tracedAsk } from './traced.ts';

export interface RoutesDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  /** For credential helper programs. */
  readonly env: Environment;
  /** What upstream sockets read into. */
  readonly blocks: ReadBlocks;
  /** What earlier configurations have learnt of hosts. */
  readonly memory: UpstreamMemory;
  readonly buckets: Buckets;
  /** `Via` of every request: by it a request that comes back to this process is recognised. */
  readonly via: ViaChain;
  /** Version of the program, for `User-Agent`. */
  readonly version: string | undefined;
  readonly tracer: Tracer;
  /** The peers that are asked before all endpoints. */
  readonly cluster: Cluster | undefined;
}

/** Contacts no host. Throws EntrepotError TLS_UNUSABLE for a CA file that cannot be used. */
export function createRoutes(config: Config, deps: RoutesDeps): Routes {
  const { registries, server, paths, proxies } = config;
  const { clock, log, metrics, env, blocks, memory, via, version, cluster, buckets, tracer } = deps;
  const router = createRouter(registries, server.routing, server.push);
  const hosts = createHostSettings(server.upstream);
  const endpoints = createEndpoints(registries, { insecureDefault: server.upstream.insecure });
  const upstream = createUpstream(
    {
      endpoints: cluster ? withPeers(endpoints, cluster.toAsk) : endpoints,
      disks:
        cluster && ((reference) => cluster.others(reference).map((peer) => storeEndpoint(peer, reference))),
      peerHeaders: cluster?.proof.headersFor,
      isListed: router.isListed,
      authLookup: createAuthLookup({
        authFiles: paths.authFiles,
        credentialHelpers: registries.credentialHelpers,
        runHelper: createCredentialHelper({ env, clock }),
        clock,
        warn: ({ file, line, message }) => log.warn({ event: 'credentials.warning', file, line }, message),
      }),
      certLookup: createCertLookup(paths.certDirectories),
      authFiles: paths.authFiles.map(({ path }) => path),
      blocks,
      clock,
      memory,
      buckets,
      ...(tracer !== noTracer && { traced: { ask: tracedAsk(tracer), headers: tracer.outgoing } }),
      onBreaker({ breaker, ...fields }) {
        if (breaker === 'open') {
          log.warn(
            { event: 'upstream.skipped', ...fields },
            'a host is skipped for now: it does not answer well',
          );
        } else {
          log.info({ event: 'upstream.answersAgain', ...fields }, 'a host that was skipped answers again');
        }
      },
      onAttempt(endpoint, attempt) {
        const { outcome, ms } = attempt;
        metrics.asked({ host: endpoint.peer?.name ?? endpoint.host, outcome, seconds: ms / 1000 });
        log.debug({ event: 'upstream.asked', ...attempt }, 'asked an endpoint');
      },
      onSecretRewrite(file, problem) {
        log.warn(
          { event: 'credentials.rewritten', file, problem },
          'a secret file cannot be used: in case it is being rewritten, its last good secret is used for some seconds',
        );
      },
      onFault({ host }, err) {
        log.error({ event: 'upstream.fault', err, host }, 'the answer of an endpoint could not be judged');
      },
    },
    {
      upstream: server.upstream,
      proxies,
      via,
      ...(version !== undefined && { userAgent: `entrepot/${version}` }),
    },
  );
  return { router, upstream, hosts, settings: server, config };
}
