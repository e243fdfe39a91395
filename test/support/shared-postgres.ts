/** Replicas whose facts go through a real PostgreSQL. */
import type { TestContext } from 'node:test';
import { createPostgres, type Postgres } from '../../src/cache/shared/postgres/connection.ts';
import type { Migration } from '../../src/cache/shared/postgres/migration.ts';
import { migrate, migrations } from '../../src/cache/shared/postgres/migrations.ts';
import { createPostgresLog } from '../../src/cache/shared/postgres/postgres-log.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { type FactReplica, type ReplicaOptions, startReplica } from './fact-replicas.ts';

export interface PostgresReplica extends FactReplica {
  readonly postgres: Postgres;
}

/** A pause between two attempts is of no interest in a test. */
export const hurriedClock = {
  ...systemClock,
  after: (ms: number, run: () => void) => systemClock.after(ms <= 60_000 ? Math.min(ms, 50) : ms, run),
};

/** `steps`: what this version of the program knows of the schema. */
export async function startPostgresReplica(
  t: Pick<TestContext, 'after'>,
  url: string,
  options: ReplicaOptions & { readonly steps?: readonly Migration[] } = {},
): Promise<PostgresReplica> {
  const silent = () => {};
  const postgres = createPostgres({
    clock: hurriedClock,
    log: { info: silent, warn: silent, error: silent },
    random: () => 0,
    readUrl: () => url,
    file: 'facts-url',
    prepare: (statements) => migrate(statements, options.steps ?? migrations),
  });
  const replica = await startReplica(t, createPostgresLog(postgres), { clock: hurriedClock, ...options });
  const stop = async () => {
    await replica.stop();
    await postgres.close();
  };
  t.after(stop);
  return { ...replica, postgres, stop };
}
