/** The `[[events.in]]` of the configuration in force, and their secrets. */
import { createFailedLogins } from '../access/failed-logins.ts';
import type { CacheAdmin } from '../cache/cache-admin.ts';
import { createSecretFiles } from '../config/credentials/secret-files.ts';
import type { EventsIn } from '../http/events/sender-checks.ts';
import type { JobKind } from '../jobs/job.ts';
import type { JobInbox } from '../jobs/job-inbox.ts';
import type { JobStore } from '../jobs/job-store.ts';
import type { Clock } from '../lib/clock.ts';
import { createEventSources } from '../replication/events/event-sources.ts';
import { createRegistryJob } from '../replication/events/registry-job.ts';
import type { Log } from '../telemetry/log.ts';
import { eventResults, type Metrics } from '../telemetry/metrics.ts';
import type { LiveRoutes } from './live-routes.ts';

export interface LiveEventsDeps {
  readonly routes: LiveRoutes;
  readonly inbox: JobInbox;
  readonly clock: Clock;
  readonly log: Pick<Log, 'warn'>;
  readonly metrics: Pick<Metrics, 'eventsReceived'>;
  /** Version of the program, for its own `User-Agent`. */
  readonly version: string | undefined;
}

/** Failures of an address, and secrets that were read, outlive a reload. */
export function createLiveEvents(deps: LiveEventsDeps): EventsIn {
  const { routes, inbox, clock, log, metrics, version } = deps;
  const secrets = createSecretFiles({
    clock,
    onRewrite: (file, problem) =>
      log.warn(
        { event: 'events.secretRewritten', file, problem },
        'the secret of a sender of events cannot be read: in case it is being rewritten, the last one counts for some seconds',
      ),
  });
  const ownAgent = version === undefined ? undefined : `entrepot/${version}`;
  const sources = routes.each(({ settings }) => {
    const { eventSenders } = settings;
    // An alert sees an increase only from a sample that it has seen before.
    for (const { name } of eventSenders)
      for (const result of eventResults) metrics.eventsReceived(name, result, 0);
    return createEventSources({ inbox, clock, ownAgent }, eventSenders);
  });
  return {
    source: (name) => sources().get(name),
    secretIn: secrets.get,
    failedLogins: createFailedLogins({ clock }),
  };
}

/** The jobs that look at a whole registry, by the senders and blocks in force. */
export function createLiveRegistryJob({
  routes,
  cache,
  clock,
}: {
  readonly routes: LiveRoutes;
  readonly cache: { readonly jobs: JobStore; readonly admin: CacheAdmin };
  readonly clock: Clock;
}): JobKind {
  const { jobs: store, admin } = cache;
  const settings = () => routes.current.settings;
  const senders = () => settings().eventSenders;
  return createRegistryJob({ store, admin, senders, blocks: () => settings().syncs, clock });
}
