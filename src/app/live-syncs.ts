/** The `[[sync]]` blocks and the registries of the configuration in force: each run begins with what a reload has put there. */
import type { Cache } from '../cache/cache.ts';
import type { CacheAdmin } from '../cache/cache-admin.ts';
import { createPushRules } from '../config/push-rules.ts';
import type { JobKind } from '../jobs/job.ts';
import { createSyncJob } from '../replication/sync-job.ts';
import type { SyncsDeps } from '../replication/syncs.ts';
import { createSyncs, type Syncs } from '../replication/syncs.ts';
import type { LiveRoutes } from './live-routes.ts';

export interface LiveSyncsDeps extends Pick<SyncsDeps, 'pull' | 'warm' | 'isListed' | 'clock' | 'log'> {
  readonly routes: LiveRoutes;
  readonly cache: Pick<Cache, 'tag' | 'tags' | 'setTag'> & { readonly admin: CacheAdmin };
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
    isLocal: (image) => ruleOf()(image)?.mode === 'local',
  });
  return { commands, kind: createSyncJob(commands, (name) => blocks().some((block) => block.name === name)) };
}
