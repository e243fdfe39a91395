import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { migrations } from '../../src/cache/shared/postgres/migrations.ts';
import { named } from '../contract/index-fixture.ts';
import { eventually } from '../support/eventually.ts';
import { contentsOf, type FactReplica } from '../support/fact-replicas.ts';
import { type PostgresServer, startPostgres } from '../support/postgres.ts';
import { type PostgresReplica, startPostgresReplica } from '../support/shared-postgres.ts';

const image = 'docker.io/library/alpine';
const pushed = 'images.local/team/app';
const endpoint = 'm1.corp/library/alpine';

function pull({ catalogue }: FactReplica, tag: string, content: string): Promise<void> {
  const now = Date.now();
  return catalogue.setTag(image, tag, { digest: named(content), endpoint, checkedAt: now }, now);
}

function push({ catalogue }: FactReplica, tag: string, content: string): Promise<void> {
  const link = { image: pushed, origin: 'push', mediaType: 'application/x', tags: [tag as never] };
  return catalogue.link(named(content), link, Date.now());
}

async function assertEqual(...replicas: readonly FactReplica[]): Promise<void> {
  for (let round = 0; round < 2; round += 1) for (const replica of replicas) await replica.settled();
  const [first, ...others] = await Promise.all(replicas.map((one) => contentsOf(one, [image, pushed])));
  for (const other of others) assert.deepEqual(other, first);
}

async function two(t: TestContext): Promise<[PostgresServer, PostgresReplica, PostgresReplica] | undefined> {
  const server = await startPostgres(t);
  if (!server) return undefined;
  return [server, await startPostgresReplica(t, server.url), await startPostgresReplica(t, server.url)];
}

describe('replicas with facts in PostgreSQL', () => {
  it('know of each other what was pulled, pushed, deleted and pinned', async (t) => {
    const all = await two(t);
    if (!all) return;
    const [, one, other] = all;
    await pull(one, 'latest', 'a');
    await push(other, 'v1', 'b');
    await one.catalogue.pin('docker.io/**');
    await assertEqual(one, other);
    assert.equal((await other.catalogue.tag(image, 'latest'))?.digest, named('a'));
    assert.equal(await one.catalogue.originOf(pushed, named('b')), 'push');
    await one.inventory.unlink(pushed, named('b'));
    await other.catalogue.unpin('docker.io/**');
    await assertEqual(one, other);
    assert.deepEqual(await other.catalogue.tags(pushed), []);
    assert.deepEqual(other.unlinked, [`${pushed} ${named('b')}`]);
  });

  it('lose nothing while PostgreSQL is killed, and tell it afterwards', async (t) => {
    const all = await two(t);
    if (!all) return;
    const [server, one, other] = all;
    await pull(one, 'before', 'a');
    await assertEqual(one, other);
    await server.signal('SIGKILL');
    for (let n = 0; n < 50; n += 1) {
      await pull(one, `one-${n}`, `content ${n}`);
      await push(other, `other-${n}`, `content ${n}`);
    }
    assert.equal(
      (await one.catalogue.tag(image, 'one-7'))?.digest,
      named('content 7'),
      'it serves what it has',
    );
    assert.ok(one.exchange.state().waiting >= 50);
    await server.start();
    await assertEqual(one, other);
    assert.equal((await one.catalogue.tags(pushed)).length, 50);
    assert.equal((await other.catalogue.tags(image)).length, 51);
  });

  it('lose nothing while PostgreSQL stands still, and when its processes are ended under way', async (t) => {
    const all = await two(t);
    if (!all) return;
    const [server, one, other] = all;
    await assertEqual(one, other);
    await server.signal('SIGSTOP');
    for (let n = 0; n < 20; n += 1) await pull(one, `frozen-${n}`, `content ${n}`);
    await server.signal('SIGCONT');
    await assertEqual(one, other);
    for (let round = 0; round < 5; round += 1) {
      const writing = Array.from({ length: 20 }, (_, n) =>
        push(other, `round-${round}-${n}`, `content ${n}`),
      );
      await server.sql(
        "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'entrepot'",
      );
      await Promise.all(writing);
    }
    await assertEqual(one, other);
    assert.equal((await one.catalogue.tags(pushed)).length, 100);
  });

  it('wait while PostgreSQL takes no writes', async (t) => {
    const all = await two(t);
    if (!all) return;
    const [server, one, other] = all;
    await assertEqual(one, other);
    await server.sql('alter system set default_transaction_read_only = on');
    await server.sql('select pg_reload_conf()');
    await server.sql(
      "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'entrepot'",
    );
    await pull(one, 'latest', 'a');
    await eventually('the database is back, for reading', () => one.postgres.state().server !== undefined);
    await assert.rejects(one.postgres.query('create table x ()'), { name: 'PostgresUnavailable' });
    assert.equal(one.exchange.state().waiting, 1);
    await server.readOnly(false);
    await assertEqual(one, other);
    assert.equal((await other.catalogue.tag(image, 'latest'))?.digest, named('a'));
  });

  it('know all after a start on an empty disk, and give way to other work meanwhile', async (t) => {
    const server = await startPostgres(t);
    if (!server) return;
    const first = await startPostgresReplica(t, server.url);
    await first.exchange.known;
    const count = 5000;
    await server.sql(`
      insert into facts (image, kind, key, value, claimed, stamp, origin, seq)
      select 'docker.io/library/image-' || n % 100, 'link', 'sha256:' || encode(sha256(n::text::bytea), 'hex'),
        '{"origin": "m1.corp/library/alpine"}', 1, 1, 'x', nextval('facts_seq') from generate_series(1, ${count}) n`);
    const late = await startPostgresReplica(t, server.url);
    let turns = 0;
    let isOver = false;
    const countTurns = () => {
      turns += 1;
      if (!isOver) setImmediate(countTurns);
    };
    countTurns();
    await late.exchange.known;
    isOver = true;
    const links = await Promise.all(
      Array.from({ length: 100 }, (_, n) => late.catalogue.linkedBy(`docker.io/library/image-${n}`)),
    );
    assert.equal(links.flat().length, count);
    assert.ok(turns >= count / 500, `${turns} turns`);
  });

  it('leave out rows that are no facts, and go on', async (t) => {
    const all = await two(t);
    if (!all) return;
    const [server, one, other] = all;
    await assertEqual(one, other);
    const bad = [
      ['tag', image, '../etc', '{}'],
      ['tag', image, 'latest', '{"digest": "sha256:zz", "endpoint": "e", "checkedAt": 1}'],
      ['hostedLink', image, named('a'), '{"origin": "push", "size": -1}'],
      ['link', 'docker.io/UPPER', named('a'), '{"origin": "e/x"}'],
      ['link', image, 'no digest', '{"origin": "e/x"}'],
      ['list', image, 'tags ', '{"bytes": "%%%", "checkedAt": 1}'],
      ['kind of the future', image, 'x', '{}'],
      ['tag', image, 'v2', '"text"'],
    ];
    for (const [kind, its, key, value] of bad)
      await server.sql(
        `insert into facts (image, kind, key, value, claimed, stamp, origin, seq)
         values ('${its}', '${kind}', '${key}', '${value}', 5, 5, 'x', nextval('facts_seq'))`,
      );
    await pull(one, 'good', 'a');
    await assertEqual(one, other);
    assert.deepEqual(await other.catalogue.tags(image), ['good']);
    assert.deepEqual(await other.catalogue.linkedBy(image), []);
    assert.equal(other.lines.filter(({ event }) => event === 'facts.rowIgnored').length, bad.length);
  });

  it('of two versions work side by side during an upgrade', async (t) => {
    const server = await startPostgres(t);
    if (!server) return;
    const old = await startPostgresReplica(t, server.url);
    await old.exchange.known;
    await pull(old, 'before', 'a');
    const steps = [...migrations, { sql: "alter table facts add column hint text not null default ''" }];
    const next = await startPostgresReplica(t, server.url, { steps });
    await pull(old, 'old', 'b');
    await push(next, 'next', 'c');
    await assertEqual(old, next);
    const again = await startPostgresReplica(t, server.url);
    await assertEqual(again, next);
    assert.deepEqual(await again.catalogue.tags(image), ['before', 'old']);
  });

  it('tell again what a database lacks that was restored from a backup', async (t) => {
    const all = await two(t);
    if (!all) return;
    const [server, one, other] = all;
    await pull(one, 'kept', 'a');
    await push(other, 'lost', 'b');
    await assertEqual(one, other);
    await server.sql("delete from facts where image = 'images.local/team/app'");
    await server.sql('update fact_log set id = gen_random_uuid()');
    await server.sql('notify entrepot_facts');
    await eventually('the facts are there again', async () => {
      const [[count] = []] = await server.sql(
        "select count(*) from facts where image = 'images.local/team/app'",
      );
      return count === '2';
    });
    await assertEqual(one, other);
    assert.deepEqual(await one.catalogue.tags(pushed), ['lost']);
  });
});
