/** The `[[sync]]` blocks and the registries of the configuration in force: each run begins with what a reload has put there. */
import type { Cache } from '../cache/cache.ts';
import type { CacheAdmin } from '../cache/cache-admin.ts';
import type { OutboxEvent } from '../cache/index/outbox/outbox-event.ts';
import type { OpenCache } from '../cache/open-cache.ts';
import { createPushRules } from '../config/push-rules.ts';
import type { JobKind } from '../jobs/job.ts';
import type { SyncReport } from '../replication/sync-block.ts';
import { createSyncJob } from '../replication/sync-job.ts';
import type { SyncsDeps } from '../replication/syncs.ts';
import { createSyncs, type Syncs } from '../replication/syncs.ts';
import type { LiveRoutes } from './live-routes.ts';

export interface LiveSyncsDeps extends Pick<SyncsDeps, 'pull' | 'warm' | 'isListed' | 'clock' | 'log'> {
  readonly routes: LiveRoutes;
  readonly cache: Pick<Cache, 'tag' | 'tags' | 'setTag'> & { readonly admin: CacheAdmin } & Pick<
      OpenCache,
      'tell'
    >;
}

export interface LiveSyncs {
  readonly commands: Syncs;
  /** Of the jobs that run blocks. */
  readonly kind: JobKind;
}

/** The first `[[push]]` rule that matches an image counts, as for pulls. */
export function createLiveSyncs({ routes, cache, ...deps }: LiveSyncsDeps): LiveSyncs {
  const ruleOf = routes.each(({ settings }) => createPushRules(settings.push));
  const blocks = () => routes.current.settings.syncs;
  const commands = createSyncs({
    ...deps,
    cache,
    admin: cache.admin,
    upstream: () => routes.current.upstream,
    blocks,
    onFinished: (report) => void cache.tell(syncedEvent(report)),
    isLocal: (image) => ruleOf()(image)?.mode === 'local',
  });
  return { commands, kind: createSyncJob(commands, (name) => blocks().some((block) => block.name === name)) };
}

/** Repositories that the event of a run names. */
const maxImages = 100;

/** The event of a run that has ended. */
function syncedEvent({ name: sync, state, repositories, bytes, seconds }: SyncReport): OutboxEvent {
  const tags = repositories.flatMap((repository) => repository.tags);
  const count = (wanted: string) => tags.filter((tag) => tag.state === wanted).length;
  const counts = { done: count('done'), partial: count('partial'), failed: count('failed') };
  const images = repositories.slice(0, maxImages).map(({ image }) => image);
  return { kind: 'synced', sync, state, images, ...counts, bytes, seconds };
}
