/**
 * The composition root: configuration in, a running proxy out. Read it from top to bottom to see how the house stands;
 * it is the only file that knows the concrete stores.
 *
 *   client -> http/ -> routing/ (which image is meant?) -> pull/ -> cache/        what we have
 *                                                               \-> transfer/ -> upstream/   what we have not
 */
import { randomUUID } from 'node:crypto';
import { type Administration, createAdministration } from './admin/administration.ts';
import { createBackgroundScrub } from './admin/background-scrub.ts';
import { createRepair } from './admin/repair.ts';
import { createScrubs } from './admin/scrubs.ts';
import { openCache } from './cache/open-cache.ts';
import { adminSocket } from './config/admin-socket.ts';
import type { Config } from './config/config.ts';
import { createAuthLookup } from './config/credentials/auth-lookup.ts';
import { createCredentialHelper } from './config/credentials/credential-helper.ts';
import { createCertLookup } from './config/files/certs-d.ts';
import { readTlsFiles, type TlsFiles } from './config/files/tls-files.ts';
import { keptUntilRestart } from './config/server-toml.ts';
import { createAdminServer } from './http/admin/admin-server.ts';
import { createServer } from './http/server.ts';
import { createBufferPool } from './lib/buffer-pool.ts';
import { type Clock, systemClock } from './lib/clock.ts';
import { createHasher } from './lib/hasher.ts';
import { createReadBlocks } from './lib/read-blocks.ts';
import { createPull } from './pull/create-pull.ts';
import type { Pull } from './pull/pull.ts';
import { createWarmImage } from './pull/warm-image.ts';
import { createRouter, type Router } from './routing/router.ts';
import type { Log } from './telemetry/log.ts';
import { createMetrics } from './telemetry/metrics.ts';
import type { WriteVector } from './transfer/file/file-writer.ts';
import { createTransfers } from './transfer/transfers.ts';
import { createUpstream } from './upstream/create-upstream.ts';
import { createEndpoints } from './upstream/endpoints.ts';
import { createHostSettings, type HostSettings } from './upstream/host-settings.ts';
import { createLookups, lookupThreads, type ResolveAll } from './upstream/http/lookups.ts';
import type { Upstream } from './upstream/upstream.ts';
import { createUpstreamInForce } from './upstream/upstream-in-force.ts';

export interface App {
  /** Resolves once clients are served. Throws EntrepotError: LISTEN_FAILED, TLS_UNUSABLE; then nobody is served. */
  start(): Promise<{ readonly host: string; readonly port: number }>;
  /** Lets answers under way finish for `limits.stopGrace`, then cuts the rest and tells how many. */
  stop(): Promise<{ readonly cut: number }>;
  /** What the commands ask of the cache; works without a start, too. */
  readonly administration: Administration;
  /**
   * Puts a new configuration in force, for requests that come from now on, and for what blobs under way still ask. All of it or nothing: throws EntrepotError
   * TLS_UNUSABLE, or what the index throws when it cannot be written, and then the old one stays.
   */
  reload(config: Config): Promise<void>;
  /** A new configuration could not be read or put in force: tells the metrics. */
  reloadRefused(): void;
}

export interface AppDeps {
  readonly log: Log;
  /** For credential helper programs. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock?: Clock;
  /** Of the program, for the requests that it makes and for `/metrics`. */
  readonly version?: string;
  /** Lines that the log has lost so far, for `/metrics`. */
  readonly droppedLogLines?: () => number;
  /** Test seams: how names become addresses, a disk that is full or broken, a machine that is started anew. */
  readonly resolve?: ResolveAll;
  readonly writev?: WriteVector;
  readonly freeBytes?: (folder: string) => number;
  readonly boot?: () => string | undefined;
}

/** Bytes that a socket reads at once, how many sockets may have so much, how many such blocks are kept for the next ones, and how many slow readers may hold. */
const readBlocks = { size: 512 * 1024, sockets: 64, keep: 24, lend: 32 };
/** Bytes of files on their way to clients, and of those what is kept when there are none. */
const fileBuffers = { budget: 128 * 1024 * 1024, keep: 24 * 1024 * 1024 };

/** What follows from the configuration alone and is made anew by a reload. */
interface Routes {
  readonly router: Router;
  readonly upstream: Upstream;
  readonly hosts: HostSettings;
  readonly pull: Pull;
}

/** Opens the data folder. Throws EntrepotError: DATA_LOCKED, DATA_UNUSABLE, INDEX_TOO_NEW, TLS_UNUSABLE. */
export async function createApp(config: Config, deps: AppDeps): Promise<App> {
  const { log, env, clock = systemClock } = deps;
  let settings = config.server;
  const { listen, data } = settings;
  const via = `1.1 entrepot-${randomUUID()}`;
  const metrics = createMetrics({
    processMetrics: true,
    version: deps.version,
    droppedLogLines: deps.droppedLogLines,
    onUnreadable: (err) => log.error({ err }, 'a state could not be read for the metrics'),
  });
  const blocks = createReadBlocks(readBlocks);
  const buffers = createBufferPool(fileBuffers);
  function onEvicted(bytes: number, digest: string): void {
    metrics.evicted(bytes);
    log.debug({ digest, bytes }, 'removed from the cache to make room');
  }
  const cache = await openCache(
    {
      ...{ clock, log, buffers, onEvicted, onDamaged: metrics.damageFound },
      ...(deps.freeBytes && { freeBytes: deps.freeBytes }),
      ...(deps.boot && { boot: deps.boot }),
    },
    { data, ...settings.cache },
  );
  const hasher = createHasher();
  const transfers = createTransfers(
    {
      clock,
      log,
      hasher,
      blocks,
      buffers,
      metrics,
      incoming: cache.incoming,
      leftovers: cache.leftovers,
      adopt: cache.adoptBlob,
      reserve: cache.reserve,
      writeFailed: cache.writeFailed,
      report(endpoint, fault, reason) {
        metrics.faulted(endpoint.host, fault);
        live.upstream.report(endpoint, fault, reason);
      },
      stallTimeoutOf: (host) => live.hosts.stallTimeout(host),
      fetchersFor: (host) => live.hosts.of(host)?.fetchers ?? 1,
      ...(deps.writev && { writev: deps.writev }),
    },
    settings.transfer,
  );
  transfers.sweep(cache.hasBlob);

  // What is known of names outlives a reload.
  const lookups = createLookups({
    ...{ clock, resolve: deps.resolve },
    threads: lookupThreads(env.UV_THREADPOOL_SIZE),
  });
  const inForce = createUpstreamInForce(() => live.upstream);
  let live = createRoutes(config);
  metrics.configured(clock.now() / 1000);
  const retired = new Set<Upstream>();
  // Each request takes the routes that are in force when it comes.
  const pull: Pull = {
    manifest: (target) => live.pull.manifest(target),
    headBlob: (target) => live.pull.headBlob(target),
    blob: (target) => live.pull.blob(target),
    tags: (target) => live.pull.tags(target),
    referrers: (target) => live.pull.referrers(target),
  };
  const isListed = (registry: string) => live.router.isListed(registry);
  const scrubs = createScrubs({
    cache: cache.admin,
    repair: createRepair({ cache: cache.admin, pull, transfers, isListed }),
    clock,
    log,
    onRead: metrics.scrubbed,
    onDamaged: metrics.scrubDamaged,
  });
  const backgroundScrub = createBackgroundScrub({ scrubs, clock, log });
  const administration = createAdministration({
    cache: cache.admin,
    scrubs,
    warm: createWarmImage({ pull, transfers, cache: cache.admin }),
    isListed,
  });
  const adminServer = createAdminServer({ administration, log }, { path: adminSocket(data) });
  const server = createServer(
    {
      pull,
      route: {
        route: (request) => live.router.route(request),
        isListed,
      },
      log,
      clock,
      metrics,
      via,
      problem: cache.admin.problem,
    },
    { listen, limits: settings.limits, tls: speaksTls(settings) },
  );
  metrics.watch({
    transfersInFlight: () => transfers.count,
    cache: cache.admin.usage,
    disk: () => ({ ...cache.admin.disk(), minFree: settings.cache.minFree }),
    hosts: () =>
      live.upstream.health().map(({ host, breaker, coolingUntil = 0, allowance }) => ({
        host,
        isOpen: breaker !== 'closed',
        cooling: Math.max(0, (coolingUntil - clock.now()) / 1000),
        limit: allowance?.limit,
        remaining: allowance?.remaining,
      })),
  });

  function createRoutes(from: Config): Routes {
    const { registries, server: wanted, paths, proxies } = from;
    const router = createRouter(registries, wanted.routing);
    const upstream = createUpstream(
      {
        endpoints: createEndpoints(registries, { insecureDefault: wanted.upstream.insecure }),
        isListed: router.isListed,
        authLookup: createAuthLookup({
          authFiles: paths.authFiles,
          credentialHelpers: registries.credentialHelpers,
          runHelper: createCredentialHelper({ env, clock }),
          clock,
          warn: ({ file, line, message }) => log.warn({ file, line }, message),
        }),
        certLookup: createCertLookup(paths.certDirectories),
        authFiles: paths.authFiles.map(({ path }) => path),
        blocks,
        clock,
        lookups,
        onBreaker({ breaker, ...fields }) {
          if (breaker === 'open') log.warn(fields, 'a host is skipped for now: it does not answer well');
          else log.info(fields, 'a host that was skipped answers again');
        },
        onAttempt(endpoint, attempt) {
          const { outcome, ms } = attempt;
          metrics.asked({ host: endpoint.host, outcome, seconds: ms / 1000 });
          log.debug(attempt, 'asked an endpoint');
        },
        onFault({ host }, err) {
          log.error({ err, host }, 'the answer of an endpoint could not be judged');
        },
      },
      {
        upstream: wanted.upstream,
        proxies,
        via,
        ...(deps.version && { userAgent: `entrepot/${deps.version}` }),
      },
    );
    return {
      router,
      upstream,
      hosts: createHostSettings(wanted.upstream),
      pull: createPull({ cache, upstream, inForce, transfers, clock, log }, wanted.freshness),
    };
  }

  /** A transfer that outlives it goes on over new connections, from the byte reached. */
  function retire(upstream: Upstream): void {
    retired.add(upstream);
    upstream
      .retire()
      .catch((err: unknown) => log.error({ err }, 'closing connections after a reload'))
      .finally(() => retired.delete(upstream));
  }

  function secure(tls: TlsFiles | undefined): void {
    if (!tls) return;
    server.secure(tls);
    metrics.certificates(tls.expiries.map(({ file, at }) => ({ file, at: at / 1000 })));
    for (const { file, message } of tls.warnings) log.warn({ file }, message);
  }

  return {
    administration,
    async start() {
      secure(readTlsFiles(settings.tls, clock.now()));
      hasher.start();
      await adminServer.start();
      try {
        const address = await server.start();
        backgroundScrub.configure(settings.cache.scrub);
        return address;
      } catch (error) {
        await adminServer.stop();
        throw error;
      }
    },

    async reload(next) {
      const wanted = next.server;
      const tls = readTlsFiles(wanted.tls, clock.now());
      const routes = createRoutes(next);
      cache.configure(wanted.cache);
      // From here on nothing can fail.
      retire(live.upstream);
      live = routes;
      inForce.changed();
      transfers.configure(wanted.transfer);
      server.limit(wanted.limits);
      backgroundScrub.configure(wanted.cache.scrub);
      secure(tls);
      for (const key of keptUntilRestart(config.server, wanted)) {
        log.warn({ key }, 'this setting takes effect at the next start only');
      }
      settings = wanted;
      metrics.configured(clock.now() / 1000);
    },

    reloadRefused: () => metrics.configured(undefined),

    async stop() {
      backgroundScrub.stop();
      // At once, so that what a closing transfer fails to bring is not given up for it.
      const scrubsOver = scrubs.stop();
      const stopped = await server.stop(settings.limits.stopGrace, settings.limits.drainDelay);
      await adminServer.stop();
      await transfers.close();
      await Promise.all([live.upstream, ...retired].map((upstream) => upstream.close()));
      await scrubsOver;
      await hasher.close();
      await cache.close();
      return stopped;
    },
  };
}

function speaksTls({ tls }: Config['server']): boolean {
  return tls.certificate !== undefined;
}
