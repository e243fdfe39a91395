/** The `[[sync]]` blocks and the registries of the configuration in force: each run begins with what a reload has put there. */
import type { Cache } from '../cache/cache.ts';
import type { CacheAdmin } from '../cache/cache-admin.ts';
import { namePattern } from '../lib/name-patterns.ts';
import type { SyncsDeps } from '../replication/syncs.ts';
import { createSyncs, type Syncs } from '../replication/syncs.ts';
import type { LiveRoutes } from './live-routes.ts';

export interface LiveSyncsDeps extends Pick<SyncsDeps, 'pull' | 'warm' | 'isListed' | 'clock' | 'log'> {
  readonly routes: LiveRoutes;
  readonly cache: Pick<Cache, 'tag' | 'tags' | 'setTag'> & { readonly admin: CacheAdmin };
}

/** The first `[[push]]` rule that matches an image counts, as for pulls. */
export function createLiveSyncs({ routes, cache, ...deps }: LiveSyncsDeps): Syncs {
  const modes = routes.each(({ settings }) =>
    settings.push.map(({ match, mode }) => ({ mode, matches: namePattern([match]) })),
  );
  return createSyncs({
    ...deps,
    cache,
    admin: cache.admin,
    upstream: () => routes.current.upstream,
    blocks: () => routes.current.settings.syncs,
    isLocal: (image) => modes().find(({ matches }) => matches?.(image))?.mode === 'local',
  });
}
