/**
 * Holds the routes in force: what a reload replaces of routing, endpoints and host settings. Parts that are made once ask here, at
 * each request.
 *
 *   const replace = prepare(config)   makes new routes; it may throw, and nothing has changed then
 *   replace()                         puts them in force and retires the old upstream: its requests may finish within
 *                                     `upstream.total_timeout`
 */
import type { Config, ServerConfig } from '../config/config.ts';
import type { Router } from '../routing/router.ts';
import type { Log } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { Endpoint } from '../upstream/endpoint.ts';
import type { HostSettings } from '../upstream/host-settings.ts';
import type { Upstream } from '../upstream/upstream.ts';
import { createUpstreamInForce, type UpstreamInForce } from '../upstream/upstream-in-force.ts';

/** What follows from the configuration alone. */
export interface Routes {
  readonly router: Router;
  readonly upstream: Upstream;
  readonly hosts: HostSettings;
  /** The whole of entrepot.toml that the routes were made of. */
  readonly settings: ServerConfig;
  /** All that they were made of. */
  readonly config: Config;
}

export interface LiveRoutes {
  /** The routes in force. A request reads them once. */
  readonly current: Routes;
  /** `upstream.offline` is set in them. */
  readonly isOffline: () => boolean;
  /** For transfers, which outlive a reload and send each request by the configuration of that moment. */
  readonly inForce: UpstreamInForce;
  /** A function that gives what `make` made of the routes in force. `make` runs once for each routes, when they are first used. */
  each<T>(make: (routes: Routes) => T): () => T;
  /** Makes the routes of a configuration. They are in force once the returned function is called. Throws what `make` throws. */
  prepare(config: Config): () => void;
  /** Cuts the connections of all upstreams, retired ones included. */
  close(): Promise<void>;
}

/** Puts the routes of `first` in force. Throws what `make` throws. */
export function createLiveRoutes(
  make: (config: Config) => Routes,
  first: Config,
  log: Pick<Log, 'error'>,
): LiveRoutes {
  let current = make(first);
  const inForce = createUpstreamInForce(() => current.upstream);
  const retired = new Set<Upstream>();

  /** A transfer that outlives it continues over new connections, from the byte that it has reached. */
  function retire(upstream: Upstream): void {
    retired.add(upstream);
    upstream
      .retire()
      .catch((err: unknown) =>
        log.error({ event: 'upstream.closeFailed', err }, 'connections could not be closed after a reload'),
      )
      .finally(() => retired.delete(upstream));
  }

  return {
    get current() {
      return current;
    },
    inForce,
    isOffline: () => current.upstream.isOffline,
    each(makeOne) {
      let routes = current;
      let made = makeOne(routes);
      return () => {
        if (routes !== current) {
          routes = current;
          made = makeOne(routes);
        }
        return made;
      };
    },
    prepare(config) {
      const next = make(config);
      return () => {
        retire(current.upstream);
        current = next;
        inForce.changed();
      };
    },
    async close() {
      await Promise.all([current.upstream, ...retired].map((upstream) => upstream.close()));
    },
  };
}

/** Each request is routed by the configuration that is in force when it comes. */
export function liveRouter(routes: LiveRoutes): Router {
  return {
    route: (request) => routes.current.router.route(request),
    image: (...asked) => routes.current.router.image(...asked),
    routePush: (request) => routes.current.router.routePush(request),
    isListed: (...asked) => routes.current.router.isListed(...asked),
  };
}

/** What transfers ask of upstream hosts, and tell of them, by the configuration in force: three of `TransfersDeps`. */
export function transferHosts(routes: LiveRoutes, metrics: Pick<Metrics, 'faulted'>) {
  return {
    report(endpoint: Endpoint, fault: 'invalid' | 'unreachable', reason: string) {
      metrics.faulted(endpoint.host, fault);
      routes.current.upstream.report(endpoint, fault, reason);
    },
    stallTimeoutOf: (host: string) => routes.current.hosts.stallTimeout(host),
    fetchersFor: (host: string) => routes.current.hosts.of(host)?.fetchers ?? 1,
  };
}
