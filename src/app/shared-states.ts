/** What replicas share in PostgreSQL, in the place of what each has alone. docs/facts.md has a table of it. */
import { randomUUID } from 'node:crypto';
import type { OpenCache } from '../cache/open-cache.ts';
import { createRareLog } from '../cache/rare-log.ts';
import type { Postgres } from '../cache/shared/postgres/connection.ts';
import { jobsChannel } from '../cache/shared/postgres/jobs/add-job.ts';
import { createPostgresInbox } from '../cache/shared/postgres/jobs/postgres-inbox.ts';
import { createPostgresJobs } from '../cache/shared/postgres/jobs/postgres-jobs.ts';
import { outboxChannel } from '../cache/shared/postgres/outbox/outbox-channel.ts';
import { createPostgresOutbox } from '../cache/shared/postgres/outbox/postgres-outbox.ts';
import { createSinkLeases } from '../cache/shared/postgres/outbox/sink-leases.ts';
import { createServerTime, inServerTime } from '../cache/shared/postgres/server-time.ts';
import { createSharedJobs, type SharedJobs } from '../cache/shared/shared-jobs.ts';
import { createSharedOutbox } from '../cache/shared/shared-outbox.ts';
import type { Clock } from '../lib/clock.ts';
import type { Releases } from '../lib/flow/releases.ts';
import type { Log } from '../telemetry/log.ts';

export interface SharedStates extends OpenCache {
  /** Undefined where this replica works alone. */
  readonly sharedJobs: Pick<SharedJobs, 'patient' | 'changed'> | undefined;
}

/** `cache` itself where there is no PostgreSQL. */
export function shareStates(
  cache: OpenCache,
  postgres: Postgres | undefined,
  deps: {
    readonly clock: Clock;
    readonly log: Pick<Log, 'info' | 'warn' | 'error'>;
    readonly releases: Releases;
  },
): SharedStates {
  if (!postgres) return { ...cache, sharedJobs: undefined };
  const { clock, log, releases } = deps;
  const inPostgres = { jobs: createPostgresJobs(postgres), inbox: createPostgresInbox(postgres) };
  const sharedJobs = createSharedJobs({
    local: cache,
    shared: inServerTime(inPostgres, createServerTime(postgres, clock)),
    listen: (onChange) => postgres.listen(jobsChannel, onChange),
    clock,
    log: createRareLog({ log, clock }),
  });
  releases.add(sharedJobs, ({ stop }) => stop());
  const leases = releases.add(createSinkLeases(postgres, clock, randomUUID()), ({ stop }) => stop());
  const lines = createRareLog({ log, clock });
  const sharedOutbox = createSharedOutbox({
    local: cache.outbox,
    queue: cache.outboxQueue,
    shared: createPostgresOutbox(postgres, leases, lines),
    listen: (onChange) => postgres.listen(outboxChannel, onChange),
    clock,
    log: lines,
  });
  releases.add(sharedOutbox, ({ stop }) => stop());
  const { jobs, inbox } = sharedJobs;
  return { ...cache, jobs, inbox, outbox: sharedOutbox.outbox, sharedJobs };
}
