import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Credentials, Identified } from '../../../src/access/access.ts';
import type { BearerTokens } from '../../../src/access/bearer-tokens.ts';
import { createFailedLogins } from '../../../src/access/failed-logins.ts';
import { createIdentify, type LoginFailure } from '../../../src/access/identify.ts';
import { createManualClock } from '../../support/clock.ts';

const robot = {
  id: 'i',
  name: 'ci',
  match: ['a/**'],
  may: ['pull'],
  created: 0,
  expires: undefined,
} as const;
const subject: Identified = { ok: true, principal: { kind: 'oidc', name: 'sub', names: ['sub'] } };
const jwt = `${'a'.repeat(40)}.${'b'.repeat(40)}.${'c'.repeat(40)}`;

function setUp({ compare = async (): Promise<boolean | 'busy'> => false } = {}) {
  const clock = createManualClock();
  const failures: LoginFailure[] = [];
  const compared: string[] = [];
  const bearerTokens: BearerTokens = {
    remembered: () => undefined,
    verify: async (token) =>
      token === jwt ? subject : { ok: false, reason: 'credentials', message: 'the bearer token is wrong' },
  };
  const identify = createIdentify({
    passwords: {
      remembers: (name, password) => name === 'ann' && password === 'known',
      verify(name, password) {
        compared.push(`${name}:${password}`);
        return compare();
      },
      account: () => undefined,
      names: () => [],
    },
    robots: {
      verify: (token) => (token === 'entrepot_right' ? robot : undefined),
      find: () => undefined,
      list: () => [],
      create: () => assert.fail(),
      revoke: () => assert.fail(),
      told: () => [],
      hear: () => ({ isChanged: false, ignored: [] }),
    },
    bearerTokens,
    failedLogins: createFailedLogins({ clock }),
    onFailure: (failure) => void failures.push(failure),
  });
  const ask = (authorization: string | undefined, certificate?: readonly string[]) =>
    identify({
      authorization,
      certificate,
      address: '192.0.2.1',
      resolve: () => undefined,
    } satisfies Credentials);
  const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`;
  return { ask, basic, failures, compared, clock };
}

const nameOf = async (found: Identified | Promise<Identified>) => {
  const identified = await found;
  return identified.ok ? identified.principal.name : identified.reason;
};

describe('the principal of a request', () => {
  it('is anonymous without credentials, or what its certificate says', async () => {
    const { ask } = setUp();
    assert.equal(await nameOf(ask(undefined)), 'anonymous');
    assert.equal(await nameOf(ask('')), 'anonymous');
    assert.equal(await nameOf(ask(undefined, [])), 'anonymous');
    assert.equal(await nameOf(ask(undefined, ['cn=node-1'])), 'cn=node-1');
  });

  it('comes from a robot token under its own name, or as Bearer', async () => {
    const { ask, basic, failures } = setUp();
    assert.equal(await nameOf(ask(basic('ci:entrepot_right'))), 'ci');
    assert.equal(await nameOf(ask('Bearer entrepot_right')), 'ci');
    assert.equal(await nameOf(ask('bearer   entrepot_right  ')), 'ci');
    assert.equal(await nameOf(ask(basic('other:entrepot_right'))), 'credentials');
    assert.equal(await nameOf(ask('Bearer entrepot_wrong')), 'credentials');
    assert.deepEqual(
      failures.map(({ scheme }) => scheme),
      ['basic', 'bearer'],
    );
  });

  it('comes at once from a password that was right a moment ago', async () => {
    const { ask, basic, compared } = setUp();
    assert.ok(!(ask(basic('ann:known')) instanceof Promise));
    assert.equal(await nameOf(ask(basic('ann:known'))), 'ann');
    assert.deepEqual(compared, []);
  });

  it('comes from a JWT that is sent as a password', async () => {
    const { ask, basic, compared } = setUp();
    assert.equal(await nameOf(ask(basic(`x:${jwt}`))), 'sub');
    assert.deepEqual(compared, []);
  });

  it('is none for a wrong certificate of credentials: they are never taken for anonymous', async () => {
    const { ask, basic, failures } = setUp();
    for (const text of ['Digest x', 'Basic', 'x', ' ', 'Bearer', basic('no colon'), basic('ann:wrong')])
      assert.equal(await nameOf(ask(text, ['cn=node-1'])), 'credentials', text);
    assert.equal(failures.length, 7);
    assert.ok(
      !JSON.stringify(failures).match(/ann|wrong|colon"|node-1/),
      'nothing that the client sent is told',
    );
  });
});

describe('guesses', () => {
  it('of passwords with two dots are slowed like any other, since a JWT is longer', async () => {
    const { ask, basic, compared, clock } = setUp();
    for (let n = 0; n < 4; n++) await ask(basic(`ann:a.b.${n}`));
    const fifth = ask(basic('ann:a.b.5'));
    await clock.armed(500);
    await clock.advance(500);
    assert.equal(await nameOf(fifth), 'credentials');
    assert.equal(compared.length, 5);
  });

  it('of robot tokens wait for nothing, and take no place of those that do', async () => {
    const { ask, clock } = setUp();
    for (let n = 0; n < 50; n++) assert.equal(await nameOf(ask(`Bearer entrepot_${n}`)), 'credentials');
    assert.deepEqual(clock.pending, []);
  });

  it('beyond what is checked at a time are refused without a look at the password', async () => {
    const { ask, basic, compared, clock } = setUp();
    for (let n = 0; n < 4; n++) await ask(basic(`ann:${n}`));
    const fifth = ask(basic('ann:4'));
    await clock.advance(500);
    await fifth;
    const waiting = Array.from({ length: 16 }, (_, n) => ask(basic(`ann:w${n}`)));
    assert.equal(await nameOf(ask(basic('ann:right'))), 'busy');
    assert.equal(compared.length, 21);
    assert.equal(await nameOf(ask(basic('ann:known'))), 'ann', 'a login that is known passes');
    await clock.advance(4000);
    await Promise.all(waiting);
  });

  it('that cannot be compared now are told to come again, and count as nothing', async () => {
    for (const compare of [async () => 'busy' as const, () => Promise.reject(new Error('the thread died'))]) {
      const { ask, basic, failures } = setUp({ compare });
      for (let n = 0; n < 20; n++) assert.equal(await nameOf(ask(basic('ann:x'))), 'busy');
      assert.deepEqual(failures, []);
    }
  });
});
