import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { createLiveAccess, createTokenAdmin, type LiveAccess } from '../../../src/app/live-access.ts';
import type { LiveRoutes } from '../../../src/app/live-routes.ts';
import type { AccessConfig } from '../../../src/config/config.ts';
import { createReleases } from '../../../src/lib/flow/releases.ts';
import { basic, bearer, passwordLine } from '../../support/access.ts';
import { createManualClock } from '../../support/clock.ts';
import { eventually } from '../../support/eventually.ts';
import { tempFolder } from '../../support/temp-folder.ts';

const open: AccessConfig = {
  ...{ anonymous: ['pull'], htpasswd: undefined, tokenKey: undefined, realm: undefined },
  ...{ oidc: [], issuers: [], rules: [] },
};
const stranger = { kind: 'anonymous', name: '', names: [] } as const;
const ci = { name: 'ci', match: ['ex.test/**'], may: ['pull'], expires: undefined };
const oidc = { issuer: 'https://login.test', audience: 'entrepot', name: 'sub', groups: 'groups' };

async function setUp(t: TestContext, change: Partial<AccessConfig> = {}) {
  const clock = createManualClock();
  const folder = tempFolder(t);
  const data = join(folder, 'data');
  const htpasswd = join(folder, 'htpasswd');
  writeFileSync(htpasswd, passwordLine('ann', 'right'));
  const lines: Record<string, unknown>[] = [];
  const write = (fields: object, msg: string) => void lines.push({ ...fields, msg });
  const counted: string[] = [];
  const fetched: string[] = [];
  const fetchJson = async (url: string) => {
    fetched.push(url);
    throw new Error('it is down');
  };
  const config = { ...open, ...change };
  const routes = {
    current: { upstream: { fetchJson }, settings: { access: config } },
  } as unknown as LiveRoutes;
  const log = { warn: write, error: write } as never;
  const access = await createLiveAccess(
    { clock, log, routes, data, loginFailed: (scheme) => void counted.push(scheme) },
    config,
  );
  t.after(() => access.close());
  const admin = createTokenAdmin({
    ...{ clock, log, data, routes, access },
    postgres: undefined,
    releases: createReleases(),
  });
  return { access, admin, clock, folder, htpasswd, lines, counted, fetched };
}

async function nameOf({ current }: LiveAccess, headers: { authorization?: string }) {
  const asked = { authorization: headers.authorization, address: '192.0.2.1', resolve: () => undefined };
  const found = await current.identify(asked);
  return found.ok ? found.principal.name : found.reason;
}

describe('access in force', () => {
  it('is open without accounts, tokens and issuers: credentials are not looked at', async (t) => {
    const { access, counted } = await setUp(t);
    assert.equal(access.current.isOpen, true);
    assert.equal(await nameOf(access, basic('ann', 'wrong')), 'anonymous');
    assert.deepEqual(counted, []);
  });

  it('of a next configuration counts from the moment that it is put in force', async (t) => {
    const { access, htpasswd } = await setUp(t);
    const replace = await access.prepare({ ...open, htpasswd });
    assert.equal(access.current.isOpen, true);
    replace();
    assert.equal(await nameOf(access, basic('ann', 'right')), 'ann');
    await assert.rejects(access.prepare({ ...open, htpasswd: '/nowhere' }), { code: 'CONFIG_INVALID' });
    assert.equal(await nameOf(access, basic('ann', 'right')), 'ann', 'one that is refused changes nothing');
    (await access.prepare(open))();
    assert.equal(access.current.isOpen, true);
  });

  it('asks for credentials from the first robot token on, by the rules in force', async (t) => {
    const { access, admin } = await setUp(t);
    (await access.prepare({ ...open, anonymous: [] }))();
    const { token } = await admin.create(ci);
    assert.equal(access.current.isOpen, false);
    assert.equal(await nameOf(access, bearer(token)), 'ci');
    assert.equal(access.current.allowance(stranger, 'pull', 'a/b'), undefined);
    const { current } = access;
    await admin.create({ ...ci, name: 'second' });
    assert.equal(access.current, current, 'further ones are read from the file');
    await admin.revoke('ci');
    assert.equal(await nameOf(access, bearer(token)), 'credentials');
  });

  it('asks for credentials by the next configuration where the first token is made before it counts', async (t) => {
    const { access, admin } = await setUp(t);
    const replace = await access.prepare({ ...open, anonymous: [] });
    const { token } = await admin.create(ci);
    replace();
    await eventually('the token counts', async () => (await nameOf(access, bearer(token))) === 'ci');
    assert.equal(access.current.allowance(stranger, 'pull', 'a/b'), undefined);
  });

  it('stays with the next configuration where that comes while the first token is made', async (t) => {
    const { access, admin, htpasswd } = await setUp(t);
    const replace = await access.prepare({ ...open, anonymous: [], htpasswd });
    const making = admin.create(ci);
    replace();
    const { token } = await making;
    assert.equal(await nameOf(access, bearer(token)), 'ci');
    assert.equal(await nameOf(access, basic('ann', 'right')), 'ann');
    assert.equal(access.current.allowance(stranger, 'pull', 'a/b'), undefined);
  });

  it('counts and logs each failed login, without what was sent', async (t) => {
    const { access, counted, lines, htpasswd } = await setUp(t);
    (await access.prepare({ ...open, htpasswd }))();
    await nameOf(access, basic('mallory', 'guess'));
    await nameOf(access, bearer('a.b.c'));
    assert.deepEqual(counted, ['basic', 'bearer']);
    assert.deepEqual(lines[0], {
      event: 'access.loginFailed',
      client: '192.0.2.1',
      scheme: 'basic',
      reason: 'no account has this name and password',
      msg: 'a login failed',
    });
    assert.ok(!JSON.stringify(lines).match(/mallory|guess/));
  });

  it('logs what is wrong with a file once a minute, although each request meets it', async (t) => {
    const { access, lines, htpasswd, clock } = await setUp(t);
    (await access.prepare({ ...open, htpasswd }))();
    rmSync(htpasswd);
    const told = () => lines.filter(({ event }) => event === 'access.fileUnusable');
    await nameOf(access, basic('ann', 'right'));
    await clock.advance(5_001);
    for (let n = 0; n < 3; n++) await nameOf(access, basic('ann', 'right'));
    assert.deepEqual(
      told().map(({ file, msg }) => [file, String(msg).slice(0, 21)]),
      [[htpasswd, 'there is no such file']],
    );
    await clock.advance(60_001);
    await nameOf(access, basic('ann', 'right'));
    assert.equal(told().length, 2);
  });

  it('asks issuers for their keys once the server starts, and again after a reload', async (t) => {
    const { access, lines, fetched } = await setUp(t, { oidc: [oidc] });
    assert.deepEqual(fetched, [], 'a command asks no host');
    access.start();
    const told = () => lines.filter(({ event }) => event === 'access.issuerUnavailable').length;
    await eventually('the log tells of the issuer', () => told() === 1);
    (await access.prepare({ ...open, oidc: [oidc] }))();
    await eventually('the log tells of it again', () => told() === 2);
    assert.deepEqual(new Set(fetched), new Set(['https://login.test/.well-known/openid-configuration']));
  });
});
