import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parsePostgresUrl } from '../../../../src/cache/shared/postgres/postgres-url.ts';

const parse = (text: string) => parsePostgresUrl(text, '/etc/entrepot/facts-url');

describe('a connection URI of PostgreSQL', () => {
  it('needs a user and a host alone', () => {
    assert.deepEqual(parse('postgres://entrepot@db'), {
      hosts: [{ host: 'db', port: 5432 }],
      user: 'entrepot',
      password: '',
      database: 'entrepot',
      tlsMode: 'prefer',
      rootCert: undefined,
      cert: undefined,
      key: undefined,
      connectTimeout: 10_000,
      applicationName: 'entrepot',
      options: undefined,
      session: 'any',
    });
  });

  it('names several hosts, and all that libpq calls by these names', () => {
    const url = parse(
      'postgresql://e%40x:p%3Aw@a:1,[::1]:2,c/facts?sslmode=verify-full&sslrootcert=/ca.pem&sslcert=/c.pem&sslkey=/k.pem' +
        '&connect_timeout=3&application_name=site%20b&target_session_attrs=read-write&options=-c%20search_path%3Dx',
    );
    assert.deepEqual(url, {
      hosts: [
        { host: 'a', port: 1 },
        { host: '::1', port: 2 },
        { host: 'c', port: 5432 },
      ],
      user: 'e@x',
      password: 'p:w',
      database: 'facts',
      tlsMode: 'verify-full',
      rootCert: '/ca.pem',
      cert: '/c.pem',
      key: '/k.pem',
      connectTimeout: 3000,
      applicationName: 'site b',
      options: '-c search_path=x',
      session: 'read-write',
    });
  });

  it('names a Unix socket by its folder', () => {
    const { hosts } = parse('postgresql://e@/facts?host=/var/run/postgresql&port=5433');
    assert.deepEqual(hosts, [{ host: '/var/run/postgresql', port: 5433 }]);
  });

  for (const [text, reason] of [
    ['http://db', /no URL like/],
    ['postgresql://db/x', /names no user/],
    ['postgresql://e:hunter2@/x', /names no host/],
    ['postgresql://e:hunter2@db:99999/x', /a port/],
    ['postgresql://e:hunter2@db/x?sslmod=require', /"sslmod" is no parameter/],
    ['postgresql://e:hunter2@db/x?sslmode=on', /sslmode is none of disable, allow/],
    ['postgresql://e:hunter2@db/x?sslmode=verify-ca', /needs sslrootcert/],
    ['postgresql://e:hunter2@db/x?sslmode=require&sslrootcert=system', /needs sslmode=verify-full/],
    ['postgresql://e:hunter2@db/x?sslcert=/c.pem', /need each other/],
    ['postgresql://e:hunter2@db/x?connect_timeout=0', /connect_timeout/],
    ['postgresql://e:hunter2@db/x?target_session_attrs=standby', /target_session_attrs/],
    ['postgresql://e:hunter2%@db/x', /a % that begins no character/],
  ] as const) {
    it(`is refused with the reason, and without the password: ${text}`, () => {
      assert.throws(
        () => parse(text),
        (error: Error & { code?: string; file?: string }) => {
          assert.match(error.message, reason);
          assert.doesNotMatch(error.message, /hunter2/);
          assert.deepEqual([error.code, error.file], ['CONFIG_INVALID', '/etc/entrepot/facts-url']);
          return true;
        },
      );
    });
  }
});
