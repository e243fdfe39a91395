/**
 * The composition root: configuration in, a running proxy out. Read it from top to bottom to see how the house stands;
 * it is the only file that knows the concrete stores.
 *
 *   client -> http/ -> routing/ (which image is meant?) -> pull/ -> cache/        what we have
 *                                                               \-> transfer/ -> upstream/   what we have not
 */
import { openCache } from './cache/open-cache.ts';
import { createAuthLookup } from './config/auth-lookup.ts';
import { createCertLookup } from './config/certs-d.ts';
import type { Config } from './config/config.ts';
import { createCredentialHelper } from './config/credential-helper.ts';
import { createServer } from './http/server.ts';
import { type Clock, systemClock } from './lib/clock.ts';
import { createPull } from './pull/create-pull.ts';
import type { Pull } from './pull/pull.ts';
import { createRouter, type Router } from './routing/router.ts';
import type { Log } from './telemetry/log.ts';
import { createMetrics } from './telemetry/metrics.ts';
import type { WriteVector } from './transfer/file-writer.ts';
import { createHasher } from './transfer/hasher.ts';
import { createTransfers } from './transfer/transfers.ts';
import { createUpstream } from './upstream/create-upstream.ts';
import { createEndpoints } from './upstream/endpoints.ts';
import type { Upstream } from './upstream/upstream.ts';

export interface App {
  /** Resolves once clients are served. Throws EntrepotError LISTEN_FAILED. */
  start(): Promise<{ readonly host: string; readonly port: number }>;
  /** Lets answers under way finish for `limits.stopGrace`, then cuts the rest and tells how many. */
  stop(): Promise<{ readonly cut: number }>;
  /** Puts a new configuration in force at once, for requests that come from now on. Throws what makes it unusable. */
  reload(config: Config): Promise<void>;
}

export interface AppDeps {
  readonly log: Log;
  /** For credential helper programs. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock?: Clock;
  readonly userAgent?: string;
  /** Test seams for a disk that is full or broken. */
  readonly writev?: WriteVector;
  readonly freeBytes?: (folder: string) => number;
}

/** What follows from the configuration alone and is made anew by a reload. */
interface Routes {
  readonly router: Router;
  readonly upstream: Upstream;
  readonly pull: Pull;
}

/** Opens the data folder. Throws EntrepotError: DATA_LOCKED, DATA_UNUSABLE, INDEX_TOO_NEW, TLS_UNUSABLE. */
export async function createApp(config: Config, deps: AppDeps): Promise<App> {
  const { log, env, clock = systemClock } = deps;
  const { server: settings } = config;
  const metrics = createMetrics({ processMetrics: true });
  const cache = await openCache(
    { clock, log, ...(deps.freeBytes && { freeBytes: deps.freeBytes }) },
    { data: settings.data, ...settings.cache },
  );
  const hasher = createHasher();
  const transfers = createTransfers(
    {
      clock,
      log,
      hasher,
      metrics,
      incoming: cache.incoming,
      adopt: cache.adoptBlob,
      reserve: cache.reserve,
      report: (endpoint, fault, reason) => live.upstream.report(endpoint, fault, reason),
      fetchersFor: (host) => fetchersFor(current, host),
      ...(deps.writev && { writev: deps.writev }),
    },
    {
      fill: settings.transfer.fill,
      limits: { writeBehind: settings.transfer.writeBehind, stallTimeout: settings.upstream.stallTimeout },
    },
  );
  transfers.sweep(cache.hasBlob);

  let current = config;
  let live = createRoutes(config);
  const server = createServer(
    {
      // Each request takes the routes that are in force when it comes.
      pull: {
        manifest: (target) => live.pull.manifest(target),
        headBlob: (target) => live.pull.headBlob(target),
        blob: (target) => live.pull.blob(target),
        tags: (target) => live.pull.tags(target),
        referrers: (target) => live.pull.referrers(target),
      },
      route: {
        route: (request) => live.router.route(request),
        isListed: (registry) => live.router.isListed(registry),
      },
      log,
      clock,
      metrics,
    },
    { listen: settings.listen, limits: settings.limits },
  );
  metrics.watch({
    transfersInFlight: () => transfers.count,
    cacheBytes: () => cache.admin.usage().bytes,
    cacheLimitBytes: () => settings.cache.maxSize ?? 0,
    breakers: () =>
      live.upstream.health().map(({ host, breaker }) => ({ host, isOpen: breaker !== 'closed' })),
  });

  function createRoutes(from: Config): Routes {
    const { registries, server: wanted, paths, proxies } = from;
    const upstream = createUpstream(
      {
        endpoints: createEndpoints(registries, { insecureDefault: wanted.upstream.insecure }),
        authLookup: createAuthLookup({
          authFiles: paths.authFiles,
          credentialHelpers: registries.credentialHelpers,
          runHelper: createCredentialHelper({ env }),
          warn: ({ file, line, message }) => log.warn({ file, line }, message),
        }),
        certLookup: createCertLookup(paths.certDirectories),
        clock,
        onAttempt(endpoint, { outcome, ms }) {
          metrics.asked({ host: endpoint.host, outcome, seconds: ms / 1000 });
        },
      },
      { upstream: wanted.upstream, proxies, ...(deps.userAgent && { userAgent: deps.userAgent }) },
    );
    return {
      router: createRouter(registries, wanted.routing),
      upstream,
      pull: createPull({ cache, upstream, transfers, clock, log }, wanted.freshness),
    };
  }

  return {
    start: server.start,

    async reload(next) {
      const replaced = live;
      live = createRoutes(next);
      current = next;
      for (const key of keptUntilRestart(settings, next.server)) {
        log.warn({ key }, 'this setting takes effect at the next start only');
      }
      // Requests under way finish with the connections that they have.
      replaced.upstream
        .close()
        .catch((err: unknown) => log.error({ err }, 'closing connections after a reload'));
    },

    async stop() {
      const stopped = await server.stop(settings.limits.stopGrace);
      await transfers.close();
      await live.upstream.close();
      await hasher.close();
      await cache.close();
      return stopped;
    },
  };
}

function fetchersFor(config: Config, host: string): number {
  return config.server.upstream.hosts.find((one) => one.host === host)?.fetchers ?? 1;
}

/** What a running process cannot change: its address, its folder and what is bound to them. */
function keptUntilRestart(running: Config['server'], next: Config['server']): string[] {
  const keys = ['listen', 'data', 'cache', 'transfer', 'limits'] as const;
  return keys.filter((key) => JSON.stringify(running[key]) !== JSON.stringify(next[key]));
}
