import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import {
  createPostgres,
  type Postgres,
  PostgresUnavailable,
  type Statements,
} from '../../src/cache/shared/postgres/connection.ts';
import type { Migration } from '../../src/cache/shared/postgres/migration.ts';
import { migrate } from '../../src/cache/shared/postgres/migrations.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { startBlackHole } from '../support/black-hole.ts';
import { createCertificateAuthority } from '../support/certificates.ts';
import { eventually } from '../support/eventually.ts';
import { startPostgres } from '../support/postgres.ts';
import { tempFolder } from '../support/temp-folder.ts';

interface Opened extends Postgres {
  readonly lines: { readonly event: string; readonly reason?: string }[];
}

const nothing = async () => {};

function open(
  t: TestContext,
  url: string | (() => string),
  prepare = nothing as (s: Statements) => Promise<void>,
): Opened {
  const lines: Opened['lines'][number][] = [];
  const write = (fields: { event: string }) => void lines.push(fields);
  const postgres = createPostgres({
    // A pause between two attempts is of no interest here.
    clock: { ...systemClock, after: (ms, run) => systemClock.after(Math.min(ms, 50), run) },
    log: { info: write, warn: write, error: write },
    random: () => 0,
    readUrl: typeof url === 'string' ? () => url : url,
    file: 'facts-url',
    prepare,
  });
  t.after(() => postgres.close());
  return Object.assign(postgres, { lines });
}

async function silentHost(t: TestContext) {
  const hole = await startBlackHole();
  t.after(() => hole.stop());
  const its = { ...hole, isReached: false };
  hole.reached.then(() => {
    its.isReached = true;
  });
  return its;
}

const isUp = (postgres: Postgres) =>
  eventually('PostgreSQL is connected', () => postgres.state().server !== undefined);
const isDown = (postgres: Postgres) =>
  eventually('the loss is seen', () => postgres.state().server === undefined);

describe('a connection to PostgreSQL', () => {
  it('asks many statements at once, and a transaction is all or nothing', async (t) => {
    const server = await startPostgres(t);
    if (!server) return;
    const postgres = open(t, server.url);
    await assert.rejects(postgres.query('select 1'), PostgresUnavailable);
    await isUp(postgres);
    assert.equal(postgres.state().server, server.host);
    const numbers = Array.from({ length: 50 }, (_, n) => n);
    const rows = await Promise.all(
      numbers.map((n) => postgres.query<{ n: number }>('select $1::bigint as n', [n])),
    );
    assert.deepEqual(
      rows.map(([row]) => row?.n),
      numbers,
    );
    await postgres.query('create table numbers (n bigint)');
    const failing = postgres.transaction(async (query) => {
      await query('insert into numbers values (1)');
      throw new Error('no');
    });
    await assert.rejects(failing, { message: 'no' });
    await postgres.transaction((query) => query('insert into numbers values (2)'));
    assert.deepEqual(await postgres.query('select n from numbers'), [{ n: 2 }]);
    await assert.rejects(postgres.query('select * from missing'), { code: '42P01' });
    assert.deepEqual(await postgres.query('select 1 as one'), [{ one: 1 }], 'a wrong statement ends nothing');
  });

  it('gives up a transaction that waits too long for others, and nothing else', async (t) => {
    const server = await startPostgres(t);
    if (!server) return;
    const postgres = open(t, `${server.url}?connect_timeout=3`);
    await isUp(postgres);
    const { promise: mayEnd, resolve: end } = Promise.withResolvers<void>();
    const others = Array.from({ length: 4 }, () =>
      postgres.transaction(async (query) => {
        await query('select 1');
        await mayEnd;
        return query('select 2 as two');
      }),
    );
    await assert.rejects(
      postgres.transaction((query) => query('select 1')),
      PostgresUnavailable,
    );
    assert.deepEqual(await postgres.query('select 1 as one'), [{ one: 1 }]);
    end();
    assert.deepEqual(await Promise.all(others), Array(4).fill([{ two: 2 }]));
    assert.ok(postgres.lines.every(({ event }) => event !== 'postgres.lost'));
  });

  it('asks a host that does not answer once, without another mode of TLS', async (t) => {
    const [one, other] = [await silentHost(t), await silentHost(t)];
    const postgres = open(t, `postgresql://entrepot@${one.host},${other.host}/postgres?connect_timeout=1`);
    const { reason } = await eventually('no host answers', () =>
      postgres.lines.find(({ event }) => event === 'postgres.unreachable'),
    );
    const [first, second] = [one, other].map(({ host }) => `${host} with TLS: timeout expired`);
    assert.equal(reason, `${first}; ${second}`);
  });

  it('is closed without waiting for a host that does not answer', async (t) => {
    const [one, other] = [await silentHost(t), await silentHost(t)];
    const postgres = open(t, `postgresql://entrepot@${one.host},${other.host}/postgres?connect_timeout=5`);
    await one.reached;
    await postgres.close();
    assert.equal(other.isReached, false);
    assert.deepEqual(postgres.lines, []);
    await eventually('the attempt is cut', () => one.connections() === 0);
  });

  it('is closed without waiting for its tables', async (t) => {
    const server = await startPostgres(t);
    if (!server) return;
    const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
    let isPrepared = false;
    const postgres = open(t, server.url, async ({ query }) => {
      const sleeping = query('select pg_sleep(5)');
      begin();
      await sleeping;
      isPrepared = true;
    });
    await begun;
    await postgres.close();
    assert.equal(isPrepared, false);
    assert.deepEqual(postgres.lines, []);
  });

  it('tells of a NOTIFY, and again after its process in the server was ended', async (t) => {
    const server = await startPostgres(t);
    if (!server) return;
    const postgres = open(t, server.url);
    let calls = 0;
    postgres.listen('entrepot_test', () => {
      calls += 1;
    });
    await isUp(postgres);
    const before = calls;
    await server.sql('notify entrepot_test');
    await eventually('the NOTIFY arrives', () => calls > before);
    await server.sql(
      "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'entrepot'",
    );
    await eventually('the loss is in the log', () =>
      postgres.lines.some(({ event }) => event === 'postgres.lost'),
    );
    await isUp(postgres);
    const again = calls;
    await server.sql('notify entrepot_test');
    await eventually('the NOTIFY arrives', () => calls > again);
  });

  it('comes back after the server was killed, and rejects at once meanwhile', async (t) => {
    const server = await startPostgres(t);
    if (!server) return;
    const postgres = open(t, server.url);
    await isUp(postgres);
    await server.signal('SIGKILL');
    await isDown(postgres);
    await assert.rejects(postgres.query('select 1'), PostgresUnavailable);
    await assert.rejects(
      postgres.transaction((query) => query('select 1')),
      PostgresUnavailable,
    );
    await server.start();
    await isUp(postgres);
    assert.deepEqual(await postgres.query('select 1 as one'), [{ one: 1 }]);
  });

  it('goes to the host that takes writes when the first one takes none any more', async (t) => {
    const first = await startPostgres(t);
    if (!first) return;
    const second = await startPostgres(t);
    if (!second) return;
    const hosts = `${first.host},${second.host}`;
    const postgres = open(t, `postgresql://entrepot@${hosts}/postgres?target_session_attrs=read-write`);
    await isUp(postgres);
    assert.equal(postgres.state().server, first.host);
    await first.readOnly(true);
    await eventually('a write is refused', () =>
      postgres.query('create temporary table x (n int)').then(
        () =>
          postgres.query('drop table x').then(
            () => false,
            () => true,
          ),
        () => true,
      ),
    );
    await eventually('the other host serves', () => postgres.state().server === second.host);
    await postgres.query('create table y (n int)');
  });

  it('takes a password that has changed, and shows it nowhere', async (t) => {
    const server = await startPostgres(t, {
      hba: ['local all all trust', 'host all all 127.0.0.1/32 scram-sha-256'],
    });
    if (!server) return;
    await server.sql("alter role entrepot password 'hunter2'");
    let password = 'wrong-secret';
    const postgres = open(t, () => `postgresql://entrepot:${password}@${server.host}/postgres`);
    const refused = await eventually('the refusal is in the log', () =>
      postgres.lines.find(({ event }) => event === 'postgres.unreachable'),
    );
    assert.match(refused.reason ?? '', /password authentication failed/);
    await assert.rejects(postgres.query('select 1'), (error: Error) => {
      assert.match(error.message, new RegExp(server.host));
      return true;
    });
    password = 'hunter2';
    await isUp(postgres);
    assert.doesNotMatch(JSON.stringify(postgres.lines), /hunter2|wrong-secret/);
  });
});

describe('TLS to PostgreSQL', () => {
  const isTls = 'select ssl from pg_stat_ssl where pid = pg_backend_pid()';

  it('means what libpq means by each mode', async (t) => {
    const authority = createCertificateAuthority();
    const server = await startPostgres(t, { tls: authority.issue({ hosts: ['localhost'] }) });
    if (!server) return;
    const folder = tempFolder(t);
    const ca = join(folder, 'ca.pem');
    writeFileSync(ca, authority.cert);
    const other = join(folder, 'other.pem');
    writeFileSync(other, createCertificateAuthority().cert);
    const byName = `localhost:${server.port}`;
    const outcome = async (host: string, parameters: string): Promise<boolean | string> => {
      const postgres = open(t, `postgresql://entrepot@${host}/postgres?${parameters}`);
      const line = await eventually('it is decided', () =>
        postgres.lines.find(({ event }) => /connected|unreachable/.test(event)),
      );
      if (line.event === 'postgres.unreachable') return line.reason ?? '';
      const [row] = await postgres.query<{ ssl: boolean }>(isTls);
      return row?.ssl ?? '';
    };
    assert.equal(await outcome(server.host, 'sslmode=disable'), false);
    assert.equal(await outcome(server.host, 'sslmode=allow'), false);
    assert.equal(await outcome(server.host, 'sslmode=prefer'), true);
    assert.equal(await outcome(server.host, 'sslmode=require'), true);
    assert.equal(await outcome(server.host, `sslmode=verify-ca&sslrootcert=${ca}`), true);
    assert.match(String(await outcome(server.host, `sslmode=verify-ca&sslrootcert=${other}`)), /certificate/);
    assert.match(String(await outcome(server.host, `sslmode=require&sslrootcert=${other}`)), /certificate/);
    assert.equal(await outcome(byName, `sslmode=verify-full&sslrootcert=${ca}`), true);
    assert.match(String(await outcome(server.host, `sslmode=verify-full&sslrootcert=${ca}`)), /altnames|IP/);
  });

  it('is refused with require by a server without it, and done without with prefer', async (t) => {
    const server = await startPostgres(t);
    if (!server) return;
    const preferring = open(t, `${server.url}?sslmode=prefer`);
    await isUp(preferring);
    const requiring = open(t, `${server.url}?sslmode=require`);
    const { reason } = await eventually('it is refused', () =>
      requiring.lines.find(({ event }) => event === 'postgres.unreachable'),
    );
    assert.match(reason ?? '', /does not support SSL/);
  });

  it('shows a certificate of its own where the server wants one', async (t) => {
    const authority = createCertificateAuthority();
    const server = await startPostgres(t, {
      tls: { ...authority.issue(), clientCa: authority.cert },
      hba: ['local all all trust', 'hostssl all all 127.0.0.1/32 cert'],
    });
    if (!server) return;
    const folder = tempFolder(t);
    const own = authority.issue({ client: true, commonName: 'entrepot' });
    writeFileSync(join(folder, 'cert.pem'), own.cert);
    writeFileSync(join(folder, 'key.pem'), own.key);
    writeFileSync(join(folder, 'ca.pem'), authority.cert);
    const files = `sslrootcert=${folder}/ca.pem&sslcert=${folder}/cert.pem&sslkey=${folder}/key.pem`;
    const postgres = open(t, `${server.url}?sslmode=verify-full&${files}`);
    await isUp(postgres);
  });
});

describe('migrations of PostgreSQL', () => {
  const first: readonly Migration[] = [{ sql: 'create table one (n int)' }];
  const second: readonly Migration[] = [...first, { sql: 'create table two (n int)' }];
  const breaking: readonly Migration[] = [...second, { sql: 'alter table one rename to uno', oldest: 3 }];

  it('are done once by four replicas that start together', async (t) => {
    const server = await startPostgres(t);
    if (!server) return;
    const all = Array.from({ length: 4 }, () => open(t, server.url, (on) => migrate(on, second)));
    await Promise.all(all.map(isUp));
    assert.deepEqual(await server.sql('select version from schema_version order by version'), [['1'], ['2']]);
  });

  it('let an older program live beside a newer one, until a step says that it cannot', async (t) => {
    const server = await startPostgres(t);
    if (!server) return;
    const old = open(t, server.url, (on) => migrate(on, first));
    await isUp(old);
    const next = open(t, server.url, (on) => migrate(on, second));
    await isUp(next);
    const again = open(t, server.url, (on) => migrate(on, first));
    await isUp(again);
    await old.query('insert into one values (1)');
    const last = open(t, server.url, (on) => migrate(on, breaking));
    await isUp(last);
    const late = open(t, server.url, (on) => migrate(on, second));
    const { reason } = await eventually('it is refused', () =>
      late.lines.find(({ event }) => event === 'postgres.unreachable'),
    );
    assert.match(reason ?? '', /version 3, which needs an Entrepot that knows version 3; this one knows 2/);
  });

  it('need no right to create tables where they are done', async (t) => {
    const server = await startPostgres(t);
    if (!server) return;
    const owner = open(t, server.url, (on) => migrate(on, first));
    await isUp(owner);
    await server.sql('create role plain login');
    const plain = open(t, `postgresql://plain@${server.host}/postgres`, (on) => migrate(on, first));
    await server.sql('grant select on schema_version to plain');
    await isUp(plain);
  });
});
