import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import type { Access, Credentials } from '../../../src/access/access.ts';
import { accessFiles } from '../../../src/access/access-files.ts';
import { createRobots } from '../../../src/access/accounts/robots.ts';
import { createAccess, createSharedAccess } from '../../../src/access/create-access.ts';
import type { LoginFailure } from '../../../src/access/identify.ts';
import type { AccessConfig } from '../../../src/config/config.ts';
import { basic, bearer, passwordLine } from '../../support/access.ts';
import { createManualClock } from '../../support/clock.ts';
import { newKeys, signed } from '../../support/jwts.ts';
import { tempFolder } from '../../support/temp-folder.ts';

const nothing: AccessConfig = {
  ...{ anonymous: [], htpasswd: undefined, tokenKey: undefined, realm: undefined },
  ...{ oidc: [], issuers: [], rules: [] },
};
const image = 'ex.test/a';

/** A data folder, and accesses over it that share one process. `ann` is an account, `ci` a robot. */
function setUp(t: TestContext) {
  const clock = createManualClock();
  const folder = tempFolder(t);
  const data = join(folder, 'data');
  const htpasswd = join(folder, 'htpasswd');
  writeFileSync(htpasswd, passwordLine('ann', 'right'));
  const failures: LoginFailure[] = [];
  const problems: string[] = [];
  const fetched: string[] = [];
  const onProblem = ({ message }: Error) => void problems.push(message);
  const shared = createSharedAccess({ clock, onProblem }, data);
  t.after(() => shared.bcrypt.close());
  const robots = createRobots({ clock, onProblem }, join(data, accessFiles.robots));
  const deps = {
    ...{ clock, shared, onProblem },
    fetchJson: async (url: string) => {
      fetched.push(url);
      throw new Error('it is down');
    },
    onFailure: (failure: LoginFailure) => void failures.push(failure),
  };
  const create = (config: Partial<AccessConfig>) => createAccess(deps, { ...nothing, ...config }, data);
  return { create, clock, folder, htpasswd, robots, failures, problems, fetched };
}

const credentials = (headers: Record<string, string> = {}): Credentials => ({
  authorization: headers.authorization,
  address: '192.0.2.1',
  resolve: (name) => name,
});
const nameOf = async (access: Access, headers: Record<string, string>) => {
  const found = await access.identify(credentials(headers));
  return found.ok ? `${found.principal.kind} ${found.principal.name}` : found.reason;
};
const tokenOf = async (access: Access, headers: Record<string, string>) => {
  const scopes = [`repository:${image}:pull,push`];
  const issued = await access.tokens?.issue({
    ...credentials(headers),
    ...{ scopes, service: 'entrepot', offline: false },
  });
  assert.ok(issued?.ok);
  return issued.token;
};

describe('access with credentials', () => {
  it('knows accounts and robots, and tokens that it gave them, each with its rights', async (t) => {
    const { create, htpasswd, robots, failures } = setUp(t);
    const secret = robots.create({
      name: 'ci',
      match: ['ex.test/*'],
      may: ['pull', 'push'],
      expires: undefined,
    });
    const access = await create({ htpasswd });
    assert.equal(access.isOpen, false);
    assert.equal(await nameOf(access, {}), 'anonymous anonymous');
    for (const [headers, name, may] of [
      [basic('ann', 'right'), 'account ann', 'default'],
      [basic('ci', secret), 'robot ci', 'grant'],
    ] as const) {
      assert.equal(await nameOf(access, headers), name);
      const own = bearer(await tokenOf(access, headers));
      assert.equal(await nameOf(access, own), name);
      const found = await access.identify(credentials(own));
      assert.ok(found.ok);
      assert.equal(access.allowance(found.principal, 'pull', image)?.by, may);
      assert.equal(
        access.allowance(found.principal, 'pull', 'ex.test/other'),
        undefined,
        'its scope is a bound',
      );
    }
    assert.equal(await nameOf(access, basic('ann', 'wrong')), 'credentials');
    assert.deepEqual(failures, [
      { address: '192.0.2.1', scheme: 'basic', reason: 'no account has this name and password' },
    ]);
  });

  it('makes tokens that a later configuration of the process takes, and that end with the account', async (t) => {
    const { create, htpasswd } = setUp(t);
    const headers = bearer(await tokenOf(await create({ htpasswd }), basic('ann', 'right')));
    assert.equal(await nameOf(await create({ htpasswd }), headers), 'account ann');
    assert.equal(
      await nameOf(await create({}), headers),
      'credentials',
      'without the file there is no account',
    );
    writeFileSync(htpasswd, passwordLine('ann', 'other'));
    assert.equal(await nameOf(await create({ htpasswd }), headers), 'credentials');
  });

  it('counts failed logins of the process, not of one configuration', async (t) => {
    const { create, clock, htpasswd } = setUp(t);
    const before = await create({ htpasswd });
    for (let n = 0; n < 4; n++) await before.identify(credentials(basic('ann', `${n}`)));
    const fifth = (await create({ htpasswd })).identify(credentials(basic('ann', '5')));
    await clock.armed(500);
    await clock.advance(500);
    assert.ok(!(await fifth).ok);
  });

  it('signs with access.token_key where it is set', async (t) => {
    const { create, folder, htpasswd } = setUp(t);
    const tokenKey = join(folder, 'key.pem');
    writeFileSync(tokenKey, newKeys().privateKey.export({ type: 'pkcs8', format: 'pem' }));
    const keyed = await create({ htpasswd, tokenKey });
    const headers = bearer(await tokenOf(keyed, basic('ann', 'right')));
    assert.equal(await nameOf(keyed, headers), 'account ann');
    assert.equal(await nameOf(await create({ htpasswd }), headers), 'credentials', 'another key');
    await assert.rejects(create({ tokenKey: join(folder, 'none') }), { code: 'CONFIG_INVALID' });
  });

  it('sends clients to another token server only where that one is trusted', async (t) => {
    const { create, folder, clock } = setUp(t);
    const keys = newKeys();
    const file = join(folder, 'issuer.pem');
    writeFileSync(file, keys.publicKey.export({ type: 'spki', format: 'pem' }));
    const issuer = { issuer: 'gitlab', audience: 'container_registry', keys: file, match: '**' };
    const realm = 'https://gitlab.test/jwt/auth';
    const elsewhere = await create({ issuers: [issuer], realm });
    assert.equal(elsewhere.tokens, undefined);
    assert.equal(
      elsewhere.challenge({ host: 'h', secure: false }),
      `Bearer realm="${realm}",service="container_registry"`,
    );
    for (const config of [{ issuers: [issuer] }, { realm }]) {
      const own = await create(config);
      assert.ok(own.tokens);
      assert.match(own.challenge({ host: 'h', secure: false }), /service="entrepot"$/);
    }
    const token = await signed(keys.privateKey, {
      ...{ issuer: 'gitlab', audience: 'container_registry', subject: 'root' },
      expires: Math.floor(clock.now() / 1000) + 60,
      claims: { access: [{ type: 'repository', name: image, actions: ['pull'] }] },
    });
    const found = await elsewhere.identify(credentials(bearer(token)));
    assert.ok(found.ok);
    assert.equal(elsewhere.allowance(found.principal, 'pull', image)?.by, 'grant');
    assert.equal(elsewhere.allowance(found.principal, 'push', image), undefined);
  });

  it('tells of each issuer whose keys cannot be had, and serves all others', async (t) => {
    const { create, htpasswd, fetched } = setUp(t);
    const oidc = { issuer: 'https://login.test', audience: 'entrepot', name: 'sub', groups: 'groups' };
    const access = await create({ htpasswd, oidc: [oidc] });
    assert.deepEqual(fetched, [], 'nothing is asked before');
    assert.deepEqual(await access.prepare(), [
      'the keys of https://login.test cannot be had, so its tokens cannot be checked yet: it is down',
    ]);
    assert.deepEqual(fetched, ['https://login.test/.well-known/openid-configuration']);
    assert.equal(await nameOf(access, basic('ann', 'right')), 'account ann');
    assert.deepEqual(await (await create({ htpasswd })).prepare(), []);
  });

  it('is not made from files that cannot be used', async (t) => {
    const { create, folder, robots, problems } = setUp(t);
    const bad = join(folder, 'bad');
    writeFileSync(bad, 'ann:$apr1$x$y\n');
    await assert.rejects(create({ htpasswd: bad }), { code: 'CONFIG_INVALID' });
    await assert.rejects(create({ issuers: [{ issuer: 'x', audience: 'y', keys: bad, match: '**' }] }), {
      code: 'CONFIG_INVALID',
    });
    robots.create({ name: 'ci', match: ['**'], may: ['pull'], expires: undefined });
    writeFileSync(join(folder, 'data', accessFiles.robots), '{');
    await assert.rejects(create({}), { code: 'DATA_UNUSABLE' });
    assert.deepEqual(problems, []);
  });
});
