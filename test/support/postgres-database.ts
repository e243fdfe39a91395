/** A database of its own for each test, with the tables of this version or of `steps`, in one PostgreSQL for all tests of a file. */
import { after, type TestContext } from 'node:test';
import { createPostgres, type Postgres } from '../../src/cache/shared/postgres/connection.ts';
import type { Migration } from '../../src/cache/shared/postgres/migration.ts';
import { migrate, migrations } from '../../src/cache/shared/postgres/migrations.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { eventually } from './eventually.ts';
import { type PostgresServer, startPostgres } from './postgres.ts';

/** To be called once in a file. The function that it gives skips the test where there is no PostgreSQL. */
export function postgresDatabases(): (
  t: TestContext,
  steps?: readonly Migration[],
) => Promise<Postgres | undefined> {
  const ends: (() => unknown)[] = [];
  let server: Promise<PostgresServer | undefined> | undefined;
  let count = 0;
  after(async () => {
    for (const end of ends.toReversed()) await end();
  });

  return async (t, steps = migrations) => {
    server ??= startPostgres({
      after: (end: () => unknown) => void ends.push(end),
      skip: (why?: string) => t.skip(why),
    } as TestContext);
    const running = await server;
    if (!running) return undefined;
    const name = `test_${++count}`;
    await running.sql(`create database ${name}`);
    const silent = () => {};
    const postgres = createPostgres({
      clock: systemClock,
      log: { info: silent, warn: silent, error: silent },
      random: () => 0,
      readUrl: () => running.url.replace(/[^/]+$/, name),
      file: 'facts-url',
      prepare: (statements) => migrate(statements, steps),
    });
    t.after(() => postgres.close());
    await eventually('PostgreSQL is connected', () => postgres.state().server !== undefined);
    return postgres;
  };
}
