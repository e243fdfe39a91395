/**
 * The composition root: configuration in, a running proxy out. Read it from top to bottom: each part is made from the parts above
 * it, and nothing refers to a part that is made later. It is the only file that knows the concrete stores.
 *
 *   client -> http/ -> routing/ (which image is meant?) -> pull/ -> cache/        what is stored
 *                                                               \-> transfer/ -> upstream/   what is not
 *
 * What a reload replaces is in `app/live-routes.ts`.
 */
import { randomUUID } from 'node:crypto';
import { type Administration, createAdministration } from './admin/administration.ts';
import { createBackgroundScrub } from './admin/background-scrub.ts';
import { createRepair } from './admin/repair.ts';
import { createScrubs } from './admin/scrubs.ts';
import { createLiveAccess } from './app/live-access.ts';
import { createLivePush, openLiveUploads } from './app/live-push.ts';
import { createLiveRoutes, hostsOf, livePull, liveRouter } from './app/live-routes.ts';
import { createRoutes } from './app/routes.ts';
import { openCache } from './cache/open-cache.ts';
import { adminSocket } from './config/admin-socket.ts';
import type { Config } from './config/config.ts';
import { readTlsFiles, type TlsFiles } from './config/files/tls-files.ts';
import { keptUntilRestart } from './config/server-toml.ts';
import { createAdminServer } from './http/admin/admin-server.ts';
import { createServer } from './http/server.ts';
import { createBufferPool } from './lib/bytes/buffer-pool.ts';
import { createHasher } from './lib/bytes/hasher.ts';
import { createReadBlocks } from './lib/bytes/read-blocks.ts';
import { type Clock, systemClock } from './lib/clock.ts';
import { createReleases, type Releases } from './lib/flow/releases.ts';
import { createPull } from './pull/create-pull.ts';
import { createHostedPull } from './pull/hosted/hosted-pull.ts';
import { createWarmImage } from './pull/warm-image.ts';
import type { Log } from './telemetry/log.ts';
import { createMetrics, type Metrics } from './telemetry/metrics.ts';
import type { HostState } from './telemetry/states.ts';
import type { WriteVector } from './transfer/file/file-writer.ts';
import { createTransfers } from './transfer/transfers.ts';
import { lookupThreads, type ResolveAll } from './upstream/http/lookups.ts';
import type { EndpointHealth } from './upstream/upstream.ts';
import { createUpstreamMemory } from './upstream/upstream-memory.ts';

export interface App {
  /** Resolves once clients are served. Throws EntrepotError LISTEN_FAILED or TLS_UNUSABLE; no client is served then. */
  start(): Promise<{ readonly host: string; readonly port: number }>;
  /** Lets answers in flight finish for `limits.stopGrace`, then cuts the rest. `cut` is their number. */
  stop(): Promise<{ readonly cut: number }>;
  /** What the commands do to the cache. It works without a start, too. */
  readonly administration: Administration;
  /**
   * Puts a new configuration in force as a whole, for new requests and for the further requests of transfers in flight. Throws
   * EntrepotError TLS_UNUSABLE, or what the index throws if it cannot be written; the old configuration then stays in force.
   */
  reload(config: Config): Promise<void>;
  /** Records in the metrics that a new configuration could not be read or put in force. */
  reloadRefused(): void;
}

export interface AppDeps {
  readonly log: Log;
  /** For credential helper programs. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock?: Clock;
  /** Version of the program, for `User-Agent` and `/metrics`. */
  readonly version?: string;
  /** Number of log lines that were dropped so far, for `/metrics`. */
  readonly droppedLogLines?: () => number;
  /** Test seams: how names become addresses, a full or broken disk, a restart of the machine. */
  readonly resolve?: ResolveAll;
  readonly writev?: WriteVector;
  readonly freeBytes?: (folder: string) => number;
  readonly boot?: () => string | undefined;
}

/** Bytes of a block, sockets that may read into whole blocks, idle blocks that are kept, and blocks that slow readers may hold. */
const readBlocks = { size: 512 * 1024, sockets: 64, keep: 24, lend: 32 };
/** Bytes of buffers for reading files, and bytes of idle ones that are kept. */
const fileBuffers = { budget: 128 * 1024 * 1024, keep: 24 * 1024 * 1024 };

/**
 * Makes a server that is ready to start; its data folder is open. Throws EntrepotError: DATA_LOCKED, DATA_UNUSABLE, INDEX_TOO_NEW,
 * TLS_UNUSABLE; then everything that was acquired is released again.
 */
export async function createApp(config: Config, deps: AppDeps): Promise<App> {
  const { log } = deps;
  const releases = createReleases();
  const parts = await assemble(config, deps, releases).catch(async (error: unknown) => {
    await releases
      .unwind()
      .catch((err) => log.error({ event: 'app.releaseFailed', err }, 'a part could not be released'));
    throw error;
  });
  const { clock, metrics, routes, server, adminServer, backgroundScrub } = parts;

  function secure(tls: TlsFiles | undefined): void {
    if (!tls) return;
    server.secure(tls);
    metrics.certificates(tls.expiries.map(({ file, at }) => ({ file, at: at / 1000 })));
    for (const { file, message } of tls.warnings)
      log.warn({ event: 'app.certificateWarning', file }, message);
  }

  return {
    administration: parts.administration,

    async start() {
      const { settings } = routes.current;
      secure(readTlsFiles(settings.tls, clock.now()));
      parts.hasher.start();
      await adminServer.start();
      try {
        const address = await server.start();
        parts.access.start();
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
      const swapAccess = await parts.access.prepare(wanted.access);
      const swap = routes.prepare(next);
      await parts.cache.configure(wanted.cache);
      // From here on nothing can fail.
      swap();
      swapAccess();
      parts.transfers.configure(wanted.transfer);
      server.limit(wanted.limits);
      backgroundScrub.configure(wanted.cache.scrub);
      secure(tls);
      for (const key of keptUntilRestart(config.server, wanted)) {
        log.warn({ event: 'app.needsRestart', key }, 'this setting takes effect at the next start only');
      }
      metrics.configured(clock.now() / 1000);
    },

    reloadRefused: () => metrics.configured(undefined),

    async stop() {
      const { stopGrace, drainDelay } = routes.current.settings.limits;
      backgroundScrub.stop();
      // At once, so that content is not given up because the transfer that would repair it is being closed.
      parts.endings.push(parts.scrubs.stop());
      const stopped = await server.stop(stopGrace, drainDelay);
      await releases.unwind();
      return stopped;
    },
  };
}

/** Makes every part, in order. Each one that acquires something registers its release. */
async function assemble(config: Config, deps: AppDeps, releases: Releases) {
  const { log, env, version, clock = systemClock } = deps;
  const { listen, limits, data, ...settings } = config.server;
  const via = `1.1 entrepot-${randomUUID()}`;
  const metrics = createMetrics({
    processMetrics: true,
    version,
    droppedLogLines: deps.droppedLogLines,
    onUnreadable: (err) =>
      log.error({ event: 'metrics.stateUnreadable', err }, 'a state could not be read for the metrics'),
  });
  const blocks = createReadBlocks(readBlocks);
  const buffers = createBufferPool(fileBuffers);

  const cacheDeps = { clock, log, buffers, freeBytes: deps.freeBytes, boot: deps.boot };
  const cache = await openCache({ ...cacheDeps, ...cacheEvents(metrics, log) }, { data, ...settings.cache });
  releases.add(cache, () => cache.close());
  const hasher = releases.add(createHasher(), (thread) => thread.close());
  /** Stops that come to their end only after transfers and connections have. */
  const endings = releases.add<Promise<void>[]>([], (all) => Promise.all(all));

  const memory = createUpstreamMemory({
    clock,
    resolve: deps.resolve,
    threads: lookupThreads(env.UV_THREADPOOL_SIZE),
  });
  const routesDeps = { clock, log, metrics, env, blocks, memory, via, version };
  const routes = createLiveRoutes((wanted) => createRoutes(wanted, routesDeps), config, log);
  releases.add(routes, () => routes.close());

  const transfers = createTransfers(
    {
      clock,
      log,
      hasher,
      blocks,
      buffers,
      metrics,
      incoming: cache.incoming,
      partialDownloads: cache.partialDownloads,
      commit: cache.commit,
      reserve: cache.reserve,
      writeFailed: cache.writeFailed,
      ...hostsOf(routes, metrics),
      ...(deps.writev && { writev: deps.writev }),
    },
    settings.transfer,
  );
  releases.add(transfers, () => transfers.close());
  await transfers.sweep(cache.isStored);

  const accessDeps = { clock, log, data, routes, loginFailed: metrics.loginFailed };
  const access = await createLiveAccess(accessDeps, config.server.access);
  releases.add(access, () => access.close());

  const pullDeps = { cache, inForce: routes.inForce, transfers, clock, log };
  const pull = livePull(
    routes.each(({ upstream, settings: { freshness, push: rules } }) =>
      createHostedPull(
        { pull: createPull({ ...pullDeps, upstream }, freshness), cache, content: cache.hosted },
        rules,
      ),
    ),
  );
  const uploads = await openLiveUploads({ clock, log, hasher, content: cache.hosted }, data);
  releases.add(uploads, () => uploads.close());
  const push = createLivePush({ routes, content: cache.hosted, uploads, pull, log });
  const route = liveRouter(routes);
  const { isListed } = route;
  const scrubs = createScrubs({
    cache: cache.admin,
    repair: createRepair({ cache: cache.admin, pull, transfers, isListed }),
    clock,
    log,
    onRead: metrics.scrubbed,
    onDamaged: metrics.scrubDamaged,
  });
  const backgroundScrub = createBackgroundScrub({ scrubs, clock, log });
  const warm = createWarmImage({ pull, transfers, cache: cache.admin });
  const administration = createAdministration({ cache: cache.admin, scrubs, warm, isListed });

  const adminServer = createAdminServer({ administration, log }, { path: adminSocket(data) });
  releases.add(adminServer, () => adminServer.stop());
  const server = createServer(
    {
      pull,
      push,
      route,
      access: () => access.current,
      log,
      clock,
      metrics,
      via,
      problem: cache.admin.problem,
    },
    { listen, limits, tls: config.server.tls.certificate !== undefined },
  );
  metrics.watch({
    transfersInFlight: () => transfers.count,
    cache: cache.admin.usage,
    disk: () => ({ ...cache.admin.disk(), minFree: routes.current.settings.cache.minFree }),
    hosts: () => routes.current.upstream.health().map((host) => hostState(host, clock.now())),
  });
  metrics.configured(clock.now() / 1000);
  return {
    clock,
    metrics,
    cache,
    endings,
    hasher,
    access,
    routes,
    transfers,
    scrubs,
    backgroundScrub,
    administration,
    adminServer,
    server,
  };
}

/** Tells the metrics and the log what the cache does by itself. */
function cacheEvents(metrics: Metrics, log: Log) {
  return {
    onDamaged: metrics.damageFound,
    onEvicted(bytes: number, digest: string) {
      metrics.evicted(bytes);
      log.debug({ event: 'cache.evicted', digest, bytes }, 'removed from the cache to make room');
    },
  };
}

function hostState({ host, breaker, coolingUntil = 0, allowance }: EndpointHealth, now: number): HostState {
  return {
    host,
    isOpen: breaker !== 'closed',
    cooling: Math.max(0, (coolingUntil - now) / 1000),
    limit: allowance?.limit,
    remaining: allowance?.remaining,
  };
}
