import { createPostgres } from '../../src/cache/shared/postgres/connection.ts';
import { migrate } from '../../src/cache/shared/postgres/migrations.ts';
import { createPostgresLog } from '../../src/cache/shared/postgres/postgres-log.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { testFactLog } from '../contract/fact-log.ts';
import { eventually } from '../support/eventually.ts';
import { createMemoryFacts } from '../support/memory-facts.ts';
import { startPostgres } from '../support/postgres.ts';

testFactLog(async () => createMemoryFacts());

testFactLog(async (t) => {
  const server = await startPostgres(t);
  if (!server) return undefined;
  const silent = () => {};
  const postgres = createPostgres({
    clock: systemClock,
    log: { info: silent, warn: silent, error: silent },
    random: () => 0,
    readUrl: () => server.url,
    file: 'facts-url',
    prepare: migrate,
  });
  t.after(() => postgres.close());
  await eventually('PostgreSQL is connected', () => postgres.state().server !== undefined);
  return createPostgresLog(postgres);
});
