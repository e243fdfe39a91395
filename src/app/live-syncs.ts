/** The `[[sync]]` blocks and the registries of the configuration in force: each run begins with what a reload has put there. */
import type { ReplicaCommandsDeps } from '../admin/replica-commands.ts';
import type { OutboxEvent } from '../cache/index/outbox/outbox-event.ts';
import type { OpenCache } from '../cache/open-cache.ts';
import type { ServerConfig } from '../config/config.ts';
import { createPushRules } from '../config/push-rules.ts';
import type { JobKind } from '../jobs/job.ts';
import type { Scheduled } from '../jobs/schedule.ts';
import { imagesOf } from '../replication/block-images.ts';
import { askedJob } from '../replication/image-change.ts';
import { createReplicaBook } from '../replication/replicas/replica-book.ts';
import { createReplicateJob } from '../replication/replicas/replicate-job.ts';
import { sourceImages } from '../replication/source-images.ts';
import { removedBy, type SyncReport, tagCounts } from '../replication/sync-block.ts';
import { createSyncJob, syncSchedule } from '../replication/sync-job.ts';
import type { SyncsDeps } from '../replication/syncs.ts';
import { createSyncs, type Syncs } from '../replication/syncs.ts';
import type { Log } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { LiveRoutes } from './live-routes.ts';

export interface LiveSyncsDeps extends Pick<SyncsDeps, 'pull' | 'warm' | 'isListed' | 'clock'> {
  readonly routes: LiveRoutes;
  readonly cache: SyncsDeps['cache'] & Pick<OpenCache, 'admin' | 'selections' | 'replicas' | 'tell'>;
  readonly log: Pick<Log, 'info' | 'warn' | 'error'>;
  readonly metrics: Pick<Metrics, 'replicaCaughtUp' | 'synced' | 'replicated'>;
}

export interface LiveSyncs {
  readonly commands: Syncs;
  /** Of the jobs that run blocks, and of those that follow events. */
  readonly kinds: readonly JobKind[];
  /** For the commands that show replicas and look at them again. */
  readonly replicas: Omit<ReplicaCommandsDeps, 'jobs'>;
  /** What runs by itself with these settings. What is known of tags that only other blocks wanted is forgotten. */
  configure(settings: Pick<ServerConfig, 'syncs' | 'eventSenders'>): readonly Scheduled[];
}

/** The first `[[push]]` rule that matches an image counts, as for pulls. */
export function createLiveSyncs({ routes, cache, metrics, ...rest }: LiveSyncsDeps): LiveSyncs {
  const { clock, log } = rest;
  const ruleOf = routes.each(({ settings }) => createPushRules(settings.push));
  const blocks = () => routes.current.settings.syncs;
  const replicas = createReplicaBook({
    store: cache.replicas,
    clock,
    log,
    caughtUp: metrics.replicaCaughtUp,
  });
  const deps = {
    ...rest,
    cache,
    replicas,
    admin: cache.admin,
    selections: cache.selections,
    upstream: () => routes.current.upstream,
    blocks,
    isLocal: (image: string) => ruleOf()(image)?.mode === 'local',
  };
  const commands = createSyncs({
    ...deps,
    onFinished(report) {
      metrics.synced(report.name, report.state, report.bytes, removedBy(report).length);
      void cache.tell(syncedEvent(report));
    },
  });
  const syncJob = createSyncJob({ ...deps, syncs: commands });
  return {
    commands,
    kinds: [syncJob, createReplicateJob({ ...deps, fetched: metrics.replicated })],
    replicas: {
      store: cache.replicas,
      async images(asks) {
        const endless = new AbortController().signal;
        const all = await Promise.all(
          blocks().map(async (block) =>
            asks
              ? (await imagesOf(deps, block, endless)).images
              : await sourceImages(block.source, cache.admin.eachImage),
          ),
        );
        return [...new Set(all.flat().map(({ name }) => name))];
      },
      asked: replicas.asked,
      look: (image, tag) => askedJob({ image, tag, at: clock.now() }),
    },
    configure({ syncs, eventSenders }) {
      void replicas.forget({ syncs: syncs.map(({ name }) => name) });
      return syncSchedule(syncs, new Set(eventSenders.map(({ registry }) => registry)));
    },
  };
}

/** Repositories that the event of a run names. */
const maxImages = 100;

/** The event of a run that has ended. */
function syncedEvent({ name: sync, state, repositories, bytes, seconds }: SyncReport): OutboxEvent {
  const counts = tagCounts({ repositories });
  const images = repositories.slice(0, maxImages).map(({ image }) => image);
  return { kind: 'synced', sync, state, images, ...counts, bytes, seconds };
}
