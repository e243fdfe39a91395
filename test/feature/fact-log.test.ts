import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { FactRefused } from '../../src/cache/shared/facts.ts';
import { stampOf } from '../../src/cache/shared/hybrid-clock.ts';
import { createPostgres } from '../../src/cache/shared/postgres/connection.ts';
import { migrate } from '../../src/cache/shared/postgres/migrations.ts';
import { createPostgresLog } from '../../src/cache/shared/postgres/postgres-log.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { testFactLog } from '../contract/fact-log.ts';
import { eventually } from '../support/eventually.ts';
import { createMemoryFacts } from '../support/memory-facts.ts';
import { startPostgres } from '../support/postgres.ts';

testFactLog(async () => createMemoryFacts());

testFactLog(async (t) => (await postgresLog(t))?.log);

describe('a log of facts in PostgreSQL', () => {
  it('refuses a fact for its form alone, and not while its table is away', async (t) => {
    const made = await postgresLog(t);
    if (!made) return t.skip('there is no PostgreSQL');
    const { log, postgres } = made;
    const fact = { kind: 'pin', image: '', key: 'docker.io/**', value: {}, stamp: 1, origin: 'one' } as const;
    await assert.rejects(log.append([{ ...fact, key: 'a\0' }]), FactRefused);
    await assert.rejects(log.append([{ ...fact, origin: '\ud800' }]), FactRefused);
    await postgres.query('alter table facts rename to away');
    await assert.rejects(log.append([fact]), (error) => !(error instanceof FactRefused));
    await postgres.query('alter table away rename to facts');
    assert.deepEqual(await log.append([fact]), [1]);
  });

  it('forgets nothing that is young, whatever a replica takes the time for', async (t) => {
    const made = await postgresLog(t);
    if (!made) return t.skip('there is no PostgreSQL');
    const { log } = made;
    const day = 24 * 60 * 60 * 1000;
    const value = undefined;
    const gone = { kind: 'tag', image: 'docker.io/library/alpine', value, origin: 'one' } as const;
    await log.append([
      { ...gone, key: 'old', stamp: stampOf(Date.now() - 30 * day) },
      { ...gone, key: 'young', stamp: stampOf(Date.now() - 28 * day) },
    ]);
    const inAYear = stampOf(Date.now() + 365 * day);
    assert.equal(await log.forget({ gone: inAYear, heard: inAYear }), 1);
    assert.deepEqual(
      (await log.after(0, 10)).map(({ key }) => key),
      ['young'],
    );
  });
});

async function postgresLog(t: TestContext) {
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
  return { log: createPostgresLog(postgres), postgres };
}
