import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createPostgresInbox } from '../../src/cache/shared/postgres/jobs/postgres-inbox.ts';
import { createPostgresJobs } from '../../src/cache/shared/postgres/jobs/postgres-jobs.ts';
import { migrate, migrations } from '../../src/cache/shared/postgres/migrations.ts';
import { createPostgresTokens } from '../../src/cache/shared/postgres/postgres-tokens.ts';
import { createPostgresUses } from '../../src/cache/shared/postgres/postgres-uses.ts';
import { testContentUses } from '../contract/content-uses.ts';
import { testJobInbox } from '../contract/job-inbox.ts';
import { testJobStore } from '../contract/job-store.ts';
import { testTokenStore } from '../contract/token-store.ts';
import { postgresDatabases } from '../support/postgres-database.ts';

const database = postgresDatabases();

testJobStore(async (t) => {
  const postgres = await database(t);
  return postgres && createPostgresJobs(postgres);
});

testJobInbox(async (t) => {
  const postgres = await database(t);
  return postgres && { inbox: createPostgresInbox(postgres), store: createPostgresJobs(postgres) };
});

testContentUses(async (t) => {
  const postgres = await database(t);
  return postgres && createPostgresUses(postgres);
});

testTokenStore(async (t) => {
  const postgres = await database(t);
  return postgres && createPostgresTokens(postgres);
});

describe('jobs in PostgreSQL', () => {
  const job = { kind: 'sync', arguments: null, priority: 10, notBefore: 0, cause: 'manual' } as const;

  it('give each job to one of sixteen that want it', async (t) => {
    const postgres = await database(t);
    if (!postgres) return;
    const store = createPostgresJobs(postgres);
    for (let round = 1; round <= 20; round++) {
      for (const key of ['a', 'b']) await store.add({ ...job, key }, round);
      const claims = await Promise.all(
        Array.from({ length: 16 }, (_, n) => store.claim(['sync'], `${round} ${n}`, 1000, round)),
      );
      const keys = claims.flatMap((one) => one?.key ?? []);
      assert.deepEqual(keys.toSorted(), ['a', 'b'], `round ${round}`);
      for (const [n, one] of claims.entries()) {
        const outcome = { kind: 'done', report: null } as const;
        if (one) await store.settle({ id: one.id, owner: `${round} ${n}` }, { outcome }, round);
      }
    }
  });

  it('take a job of the same key that comes in the moment in which a run ends', async (t) => {
    const postgres = await database(t);
    if (!postgres) return;
    const store = createPostgresJobs(postgres);
    for (let round = 1; round <= 30; round++) {
      const key = `${round}`;
      const id = await store.add({ ...job, key }, round);
      await store.claim(['sync'], 'me', 1000, round);
      const outcome = { kind: 'again', reason: 'HTTP 503' } as const;
      const [became, later] = await Promise.all([
        store.settle({ id, owner: 'me' }, { outcome, notBefore: 99 }, round),
        store.add({ ...job, key }, round),
      ]);
      assert.equal(became, later === id ? 'pending' : 'cancelled');
      assert.equal((await store.claim(['sync'], 'next', 1000, 99))?.id, later);
      await store.cancel(later, 99);
    }
  });

  it('keep text that PostgreSQL does not take', async (t) => {
    const postgres = await database(t);
    if (!postgres) return;
    const store = createPostgresJobs(postgres);
    const id = await store.add({ ...job, key: 'a', arguments: { text: 'a\0b\ud800' } }, 1);
    await store.claim(['sync'], 'me', 1000, 1);
    await store.settle({ id, owner: 'me' }, { outcome: { kind: 'failed', reason: 'a\0b' } }, 1);
    const found = await store.find(id);
    assert.deepEqual([found?.arguments, found?.reason], [{ text: 'a\0b\ud800' }, 'a\u{fffd}b']);
  });

  it('are shared by a version that knows more tables than the other', async (t) => {
    const postgres = await database(t, migrations.slice(0, 1));
    if (!postgres) return;
    const older = createPostgresJobs(postgres);
    const id = await older.add({ ...job, key: 'a' }, 1);
    await migrate(postgres);
    assert.deepEqual(await createPostgresTokens(postgres).all(), []);
    assert.equal((await createPostgresJobs(postgres).claim(['sync'], 'newer', 1000, 1))?.id, id);
    assert.equal(await older.beat({ id, owner: 'newer' }, 1000, undefined, 2), true);
    await migrate(postgres, migrations.slice(0, 1));
  });
});
