/**
 * The composition root: configuration in, a running proxy out. Read it from top to bottom: each part is made from the parts above
 * it, and nothing refers to a part that is made later.
 *
 *   client -> http/ -+-> routing/, access/                   which image is meant, and what the client may do
 *                    +-> push/ -> cache/                     what clients push
 *                    '-> pull/ -+-> cache/                   what is stored
 *                               +-> transfer/ -> upstream/   blobs that are not stored
 *                               '-> upstream/                manifests and lists that are not stored, and HEADs
 *   events, times, commands -> jobs/ -> replication/ -> pull/    what is brought before a client asks
 *
 * A reload works in two ways. It replaces what is made of the configuration alone: routes (`app/live-routes.ts`), pulls
 * (`app/live-pull.ts`), push rules (`app/live-push.ts`), events (`app/live-events.ts`) and access (`app/live-access.ts`). It changes
 * settings of parts that go on: cache, transfers, connection limits, the background scrub and the TLS certificate (`reload` below).
 */
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { createAdministration } from './admin/administration.ts';
import { openImports } from './airgap/import/imports.ts';
import { createAdministering } from './app/administering.ts';
import { createAppBackups } from './app/app-backups.ts';
import type { AppDeps } from './app/app-deps.ts';
import { cacheEvents } from './app/cache-events.ts';
import type { Commands } from './app/commands.ts';
import { createDurableJobs } from './app/durable-jobs.ts';
import { createLiveAccess, createTokenAdmin } from './app/live-access.ts';
import { createLiveCluster } from './app/live-cluster.ts';
import { createLiveEvents, createLiveRegistryJob } from './app/live-events.ts';
import { createLiveExports } from './app/live-exports.ts';
import { openLiveFacts } from './app/live-facts.ts';
import { createLiveOutbox } from './app/live-outbox.ts';
import { createLivePull } from './app/live-pull.ts';
import { createLivePush, openLiveUploads } from './app/live-push.ts';
import { createLiveRoutes, liveRouter, transferHosts } from './app/live-routes.ts';
import { createLiveStatus } from './app/live-status.ts';
import { createLiveSyncs } from './app/live-syncs.ts';
import { openBuckets } from './app/open-buckets.ts';
import { createPlacing } from './app/placing.ts';
import { createRoutes } from './app/routes.ts';
import { createScrubbing } from './app/scrubbing.ts';
import { shareStates } from './app/shared-states.ts';
import { shownSharing } from './app/shown-sharing.ts';
import { createTelemetry } from './app/telemetry.ts';
import { openCache } from './cache/open-cache.ts';
import type { Config } from './config/config.ts';
import { readTlsFiles, type TlsFiles } from './config/files/tls-files.ts';
import { keptUntilRestart } from './config/server-toml.ts';
import { createServer } from './http/server.ts';
import type { Jobs } from './jobs/jobs.ts';
import { createBufferPool } from './lib/bytes/buffer-pool.ts';
import { createHasher } from './lib/bytes/hasher.ts';
import { createReadBlocks } from './lib/bytes/read-blocks.ts';
import { systemClock } from './lib/clock.ts';
import { createReleases, type Releases } from './lib/flow/releases.ts';
import { createViaChain } from './lib/flow/via-chain.ts';
import { createWarmImage } from './pull/warm-image.ts';
import { createSinks } from './replication/outbox/sinks.ts';
import { createTransfers } from './transfer/transfers.ts';
import { lookupThreads } from './upstream/http/lookups.ts';
import { createUpstreamMemory } from './upstream/upstream-memory.ts';

export type { AppDeps };

export interface App {
  /** Resolves once clients are served. Throws EntrepotError LISTEN_FAILED, TLS_UNUSABLE or OUTPUT_UNUSABLE; no client is served then. */
  start(): Promise<{ readonly host: string; readonly port: number }>;
  /** Lets answers in flight finish for `limits.stopGrace`, then cuts the rest. `cut` is their number. */
  stop(): Promise<{ readonly cut: number }>;
  /** What the commands do to the cache. It works without a start, too. */
  readonly administration: Commands;
  /** Durable work. It runs once the app has started. */
  readonly jobs: Jobs;
  /**
   * Puts a new configuration in force as a whole, for new requests and for the further requests of transfers in flight. Throws
   * EntrepotError TLS_UNUSABLE, OUTPUT_UNUSABLE for the audit log, CONFIG_INVALID, CONFIG_UNREADABLE or DATA_UNUSABLE for a file of
   * `[access]`, or what the index throws if it cannot be written; the old configuration then stays in force.
   */
  reload(config: Config): Promise<void>;
  /** Records in the metrics that a new configuration could not be read or put in force. */
  reloadRefused(): void;
}

/** What upstream sockets read into. `ReadBlockOptions` says what each figure means; `size` is in bytes. */
const readBlocks = { size: 512 * 1024, sockets: 64, keep: 24, lend: 32 };
/** Bytes of buffers for reading files, and bytes of idle ones that are kept. */
const fileBuffers = { budget: 128 * 1024 * 1024, keep: 24 * 1024 * 1024 };

/**
 * Makes a server that is ready to start; its data folder is open. Throws EntrepotError: DATA_LOCKED, DATA_UNUSABLE, INDEX_TOO_NEW,
 * TLS_UNUSABLE, and CONFIG_INVALID or CONFIG_UNREADABLE for a file of `[access]`; then everything that was acquired is released
 * again.
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
    jobs: parts.durable.jobs,

    async start() {
      const { tls, cache, audit } = routes.current.settings;
      secure(readTlsFiles(tls, clock.now()));
      parts.audit.prepare(audit)();
      parts.hasher.start();
      await adminServer.start();
      try {
        await parts.facts?.start();
        const address = await server.start();
        adminServer.listening(address);
        parts.access.start();
        backgroundScrub.configure(cache.scrub);
        parts.durable.start(parts.syncs.configure(routes.current.settings));
        parts.outbox.start();
        parts.placing.start();
        parts.status.start();
        return address;
      } catch (error) {
        await adminServer.stop();
        throw error;
      }
    },

    async reload(next) {
      const settings = next.server;
      const tls = readTlsFiles(settings.tls, clock.now());
      const replaceAccess = await parts.access.prepare(settings.access);
      const replaceRoutes = routes.prepare(next);
      const replaceAudit = parts.audit.prepare(settings.audit);
      await parts.cache.configure(settings.cache);
      // From here on nothing can fail.
      replaceRoutes();
      replaceAccess();
      replaceAudit();
      parts.transfers.configure(settings.transfer);
      server.limit(settings.limits);
      server.trust(settings.trustedProxies);
      backgroundScrub.configure(settings.cache.scrub);
      parts.durable.configure(parts.syncs.configure(settings));
      parts.outbox.configure(settings.eventSinks);
      secure(tls);
      for (const key of keptUntilRestart(config.server, settings)) {
        log.warn({ event: 'app.needsRestart', key }, 'this setting takes effect at the next start only');
      }
      metrics.configured(clock.now() / 1000);
      parts.audit.reloaded('done');
    },

    reloadRefused() {
      metrics.configured(undefined);
      parts.audit.reloaded('failed');
    },

    async stop() {
      const { stopGrace, drainDelay } = routes.current.settings.limits;
      backgroundScrub.stop();
      parts.status.stop();
      parts.durable.schedule.stop();
      // At once, so that content is not given up because the transfer that would repair it is being closed.
      parts.endings.push(parts.scrubs.stop(), parts.durable.runner.stop());
      const stopped = await server.stop(stopGrace, drainDelay);
      await releases.unwind();
      return stopped;
    },
  };
}

/** Makes every part, in order. Each one that acquires something registers its release. */
async function assemble(config: Config, deps: AppDeps, releases: Releases) {
  const { log, env, version, clock = systemClock } = deps;
  const settings = config.server;
  const { data } = settings;
  const via = createViaChain(randomUUID());
  const { audit, metrics, tracer } = await createTelemetry(settings, deps, { clock, releases });
  const blocks = createReadBlocks(readBlocks);
  const buffers = createBufferPool(fileBuffers);
  const threads = lookupThreads(env.UV_THREADPOOL_SIZE);
  const memory = createUpstreamMemory({ clock, resolve: deps.resolve, threads });
  const buckets = deps.buckets ?? (await openBuckets(config, { clock, blocks, memory, env, via, version }));

  const sinks = createSinks(settings.eventSinks);
  const { wantedBy } = sinks;
  const cacheDeps = { clock, log, buffers, wantedBy, freeBytes: deps.freeBytes, boot: deps.boot };
  const stores = buckets.map(({ store }) => store.name);
  const cacheOptions = {
    data,
    buckets: stores,
    sharesFacts: settings.facts !== undefined,
    ...settings.cache,
  };
  const own = await openCache({ ...cacheDeps, ...cacheEvents(metrics, log) }, cacheOptions);
  releases.add(own, () => own.close());
  const { postgres, facts, agreement } = openLiveFacts(settings, own, { clock, log, releases });
  const cache = shareStates(own, postgres, { clock, log, releases });
  const { admin } = cache;
  const hasher = releases.add(createHasher(), (thread) => thread.close());
  const placing = createPlacing({ cache, hasher, clock, log, metrics, settings, facts, postgres }, buckets);
  releases.add(placing, () => placing.stop());
  /** Work that `stop` tells to end before the transfers are closed, and that can end only after them: closing awaits it. */
  const endings = releases.add<Promise<void>[]>([], (all) => Promise.all(all));

  const told = { clock, log, metrics, memory, tracer };
  const cluster = createLiveCluster(settings, { ...told, resolve: deps.resolve, releases });
  const routesDeps = { ...told, env, blocks, via, version, cluster, buckets: placing.reads };
  const routes = createLiveRoutes((wanted) => createRoutes(wanted, routesDeps), config, log);
  releases.add(routes, () => routes.close());

  const hosts = transferHosts(routes, metrics);
  const transfers = createTransfers(
    {
      ...{ clock, log, hasher, blocks, buffers, metrics },
      incoming: cache.incoming,
      partialDownloads: cache.partialDownloads,
      commit: cache.commit,
      reserve: cache.reserve,
      writeFailed: cache.writeFailed,
      keeps: cluster?.keeps,
      ...hosts,
      ...(deps.writev && { writev: deps.writev }),
    },
    settings.transfer,
  );
  releases.add(transfers, () => transfers.close());
  await transfers.sweep(cache.isStored);

  const accessDeps = { clock, log, data, routes, loginFailed: metrics.loginFailed };
  const access = await createLiveAccess(accessDeps, settings.access);
  releases.add(access, () => access.close());

  const pullDeps = { routes, cache, cluster, agreement, transfers, clock, log, metrics, tracer };
  const pull = createLivePull(pullDeps);
  const uploads = await openLiveUploads({ clock, log, hasher, content: cache.hosted, cluster }, data);
  releases.add(uploads, () => uploads.close());
  const pushDeps = { ...pullDeps, content: cache.hosted, uploads, pull, secure: placing.secure };
  const push = createLivePush(pushDeps);
  const route = liveRouter(routes);
  const { isListed } = route;
  const { scrubs, backgroundScrub } = createScrubbing({ cache: admin, pull, isListed, clock, log, metrics });
  const warm = createWarmImage({ pull, cache: admin });
  const tokens = createTokenAdmin({ clock, log, data, access, routes, postgres, releases });
  const forSyncs = { pull: pull.syncs, warm: createWarmImage({ pull: pull.syncs, cache: admin }) };
  const syncs = createLiveSyncs({ routes, cache, ...forSyncs, isListed, clock, log, metrics });
  const kinds = [...syncs.kinds, createLiveRegistryJob({ routes, cache, clock }), ...(deps.jobKinds ?? [])];
  const jobsDeps = { cache, kinds, sweeps: placing.sweeps, transfers, clock, log, metrics, tracer };
  const durable = releases.add(createDurableJobs(jobsDeps), ({ stop }) => stop());
  const { jobs, inbox } = durable;
  const outboxDeps = { sinks, store: cache.outbox, routes, clock, log, metrics, instance: randomUUID() };
  const outbox = releases.add(createLiveOutbox(outboxDeps), ({ stop }) => stop());
  const { replicas } = syncs;
  const served = { scrubs, warm, jobs, outbox, replicas, uploads, isListed, tokens };
  const adminDeps = { cache: admin, buckets: placing, sharing: shownSharing({ cluster, facts }), ...served };
  const events = createLiveEvents({ routes, inbox, clock, log, metrics, version });
  const exports = createLiveExports({ routes, cache, pull, warm, isListed, syncs: syncs.commands });
  const importsDeps = { content: cache.hosted, isStored: cache.isStored, pull, hasher, clock, isListed };
  const imports = releases.add(await openImports(importsDeps, join(data, 'imports')), ({ stop }) => stop());
  const backups = createAppBackups({ cache, clock, log, version }, data);
  const commands = { ...syncs.commands, ...exports, ...imports.commands, ...backups };
  const administration = { ...createAdministration(adminDeps), ...commands };

  const { policies } = deps;
  const watched = { cache, transfers, uploads, outbox, routes, cluster, facts, policies };
  const status = createLiveStatus({ ...watched, clock, log, metrics, version });
  const administered = { administration, status, access, routes, clock, log, audit };
  const administering = createAdministering({ ...administered, configuration: deps.configuration }, data);
  const { adminServer, mounts, sessions } = administering;
  releases.add(adminServer, () => adminServer.stop());
  const { redirects } = placing;
  const pulls = { pull: pull.clients, ungated: pull.ungated, peers: pull.peers };
  const live = { ...pulls, push, route, redirects, events, recent: status.ring };
  const around = {
    audit,
    tracer,
    problem: admin.problem,
    isOffline: routes.isOffline,
    access: () => access.current,
  };
  const server = createServer(
    { ...live, ...around, mounts, sessions, log, clock, metrics, via },
    { ...settings, tls: settings.tls.certificate !== undefined },
  );
  metrics.configured(clock.now() / 1000);
  const stored = { cache, placing, transfers, hasher, endings, scrubs, backgroundScrub };
  const serving = { facts, clock, metrics, routes, access, server, adminServer, status, audit };
  return { ...stored, ...serving, syncs, durable, outbox, administration };
}
