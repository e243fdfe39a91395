/** Tokens that other servers issue: a real OpenID Connect issuer, and a token server for registries such as GitLab's. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { exportJWK } from 'jose';
import { libtrustId } from '../../src/lib/libtrust-id.ts';
import { basic, bearer, getToken, passwordLine, startGuarded } from '../support/access.ts';
import { createManualClock } from '../support/clock.ts';
import { eventually } from '../support/eventually.ts';
import { forged, newKeys, signed } from '../support/jwts.ts';
import { startOidcIssuer } from '../support/oidc-issuer.ts';
import { tempFolder } from '../support/temp-folder.ts';

const secret = '/v2/ex.test/team/secret/manifests/1';
const open = '/v2/ex.test/public/app/manifests/1';
const groupRule = `[[access.rule]]
who = ["group:platform"]
match = "ex.test/team/**"
may = ["pull"]
`;
const oidc = (issuer: string, more = '') =>
  `[[access.oidc]]\nissuer = "${issuer}"\naudience = "entrepot"\n${more}`;
const inAnHour = Math.floor(Date.now() / 1000) + 3600;

/** An issuer with one key, which answers only while `isUp`. */
async function startIssuer(t: TestContext) {
  const keys = newKeys();
  const state = { isUp: true, asked: 0 };
  const server = createServer((request, response) => {
    state.asked += 1;
    if (!state.isUp) return void response.writeHead(503).end();
    response.setHeader('content-type', 'application/json');
    if (request.url?.endsWith('openid-configuration'))
      return void response.end(JSON.stringify({ issuer, jwks_uri: `${issuer}/jwks` }));
    void exportJWK(keys.publicKey).then((jwk) =>
      response.end(JSON.stringify({ keys: [{ ...jwk, kid: 'k1', alg: 'ES256', use: 'sig' }] })),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const shape = { issuer, audience: 'entrepot', subject: 'build', kid: 'k1', expires: inAnHour };
  return {
    issuer,
    keys,
    state,
    shape,
    token: (change = {}) => signed(keys.privateKey, { ...shape, ...change }),
  };
}

describe('tokens of an OpenID Connect issuer', () => {
  it('of a real one are taken as Bearer, as a password, and at /token; its groups count', async (t) => {
    const issuer = await startOidcIssuer({ audience: 'entrepot', client: 'pipeline', groups: ['platform'] });
    t.after(() => issuer.stop());
    const { get, proxy } = await startGuarded(t, {
      access: 'anonymous = []',
      rules: groupRule,
      more: oidc(issuer.issuer),
    });
    const token = await issuer.token();
    assert.equal((await get(secret, { headers: bearer(token) })).status, 200);
    assert.equal((await get(secret, { headers: basic('anything', token) })).status, 200);
    assert.equal((await get(open, { headers: bearer(token) })).status, 404, 'no rule covers it');
    const own = await getToken(proxy.url, ['repository:ex.test/team/secret:pull'], {
      headers: basic('x', token),
    });
    assert.equal((await get(secret, { headers: bearer(own.token) })).status, 200);
    assert.ok(proxy.log.some(({ status, principal }) => status === 200 && principal === 'pipeline'));
    assert.ok(!JSON.stringify(proxy.log).includes(token.slice(-40)));
  });

  it('that end soon give a token of ours that ends with them', async (t) => {
    const { issuer, token } = await startIssuer(t);
    const { proxy } = await startGuarded(t, {
      access: 'anonymous = []',
      rules: groupRule,
      more: oidc(issuer),
    });
    const short = await token({ expires: Math.floor(Date.now() / 1000) + 60 });
    const { expiresIn, refreshToken } = await getToken(proxy.url, [], {
      headers: basic('x', short),
      offline: true,
    });
    assert.ok(expiresIn <= 60, `${expiresIn} s`);
    assert.equal(refreshToken, undefined, 'this server keeps no secret that it could stand for');
  });

  it('are refused where an attacker made them', async (t) => {
    const { issuer, token, keys, shape } = await startIssuer(t);
    const other = await startIssuer(t);
    const more = oidc(issuer) + oidc(other.issuer, 'name = "preferred_username"\n');
    const rules =
      '[[access.rule]]\nwho = ["build", "ann", "cn=node-*", "group:admins"]\nmatch = "**"\nmay = ["pull"]\n';
    const { get, proxy } = await startGuarded(t, { rules, more });
    assert.equal((await get(secret, { headers: bearer(await token()) })).status, 200);
    const claims = { iss: issuer, aud: 'entrepot', sub: 'build', exp: inAnHour };
    const publicPem = keys.publicKey.export({ type: 'spki', format: 'pem' }) as string;
    const named = (name: string) => other.token({ claims: { preferred_username: name } });
    for (const [what, one] of [
      ['by a key of another issuer', await signed(other.keys.privateKey, shape)],
      ['for another audience', await token({ audience: 'other' })],
      ['without an audience', await token({ audience: undefined })],
      ['expired', await token({ expires: 1000 })],
      ['not yet valid', await token({ notBefore: inAnHour })],
      ['of an unknown issuer', await token({ issuer: 'http://evil.test' })],
      ['of another type', await token({ typ: 'logout+jwt' })],
      ['alg none', forged({ alg: 'none', kid: 'k1' }, claims)],
      ['the public key as a secret', forged({ alg: 'HS256', kid: 'k1' }, claims, publicPem)],
      ['the name of a local account', await named('ann')],
      ['the name of a certificate', await named('cn=node-1')],
      ['the name of a group', await named('group:admins')],
      ['the name anonymous', await named('anonymous')],
      ['a name with a line break', await named('build\nann')],
    ] as const) {
      const refused = await get(secret, { headers: bearer(one) });
      assert.equal(refused.status, 401, what);
      assert.match(refused.headers['www-authenticate'] ?? '', /error="invalid_token"$/);
      assert.ok(!refused.body.toString().includes('build'), 'no part of the token is told');
    }
    assert.ok(!JSON.stringify(proxy.log).includes('evil.test'));
  });

  it('wait for an issuer that is down at the start; all else is served, and the log says so', async (t) => {
    const clock = createManualClock(Date.now());
    const { issuer, token, state } = await startIssuer(t);
    state.isUp = false;
    const { get, proxy } = await startGuarded(t, { more: oidc(issuer) }, { clock });
    const line = await eventually('the log tells of the issuer', () =>
      proxy.log.find(({ event }) => event === 'access.issuerUnavailable'),
    );
    assert.match(
      String(line.msg),
      /^the keys of http:\/\/127\.0\.0\.1:\d+ cannot be had, so its tokens cannot be checked yet: .*503/,
    );
    const headers = bearer(await token());
    const early = await get(secret, { headers });
    assert.equal(early.status, 503, 'nobody can say that the token is wrong');
    assert.equal(early.headers['retry-after'], '30');
    assert.equal((await get('/v2/', { headers: basic('ann', 'ann-secret-1') })).status, 200);
    state.isUp = true;
    await clock.advance(30_000);
    assert.notEqual((await get(secret, { headers })).status, 503);
    state.isUp = false;
    await clock.advance(3_000_000);
    assert.equal((await get('/v2/', { headers })).status, 200, 'its keys stay right while it is away');
  });
});

describe('tokens of another token server', () => {
  /** GitLab's registry.key signs; `access` says what the bearer may do. */
  async function startGitlabLike(t: TestContext) {
    const keys = newKeys('rsa');
    const file = join(tempFolder(t), 'registry.pem');
    writeFileSync(file, keys.publicKey.export({ type: 'spki', format: 'pem' }));
    const more = `[[access.issuer]]\nissuer = "omnibus-gitlab-issuer"\naudience = "container_registry"\nkeys = "${file}"\n`;
    const access = 'anonymous = []\nrealm = "https://gitlab.test/jwt/auth"';
    const push = '[[push]]\nmatch = "images.local/**"\nmode = "local"\n';
    const guarded = await startGuarded(t, { access, rules: push, more });
    const token = (access: object[], change = {}) =>
      signed(keys.privateKey, {
        alg: 'RS256',
        typ: 'JWT',
        kid: libtrustId(keys.publicKey),
        issuer: 'omnibus-gitlab-issuer',
        audience: 'container_registry',
        subject: 'root',
        expires: inAnHour,
        claims: { access, auth_type: 'gitlab_or_ldap' },
        ...change,
      });
    return { ...guarded, token };
  }
  const on = (name: string, ...actions: string[]) => ({ type: 'repository', name, actions });

  it('send clients to its realm, and allow what they say and nothing else', async (t) => {
    const { get, proxy, token } = await startGitlabLike(t);
    const ping = await get('/v2/');
    assert.equal(
      ping.headers['www-authenticate'],
      'Bearer realm="https://gitlab.test/jwt/auth",service="container_registry"',
    );
    assert.equal((await getToken(proxy.url, [])).status, 404, 'tokens come from there');
    const headers = bearer(
      await token([on('ex.test/team/secret', 'pull'), on('images.local/a', 'pull', 'push')]),
    );
    assert.equal((await get(secret, { headers })).status, 200);
    assert.equal((await get('/v2/images.local/a/blobs/uploads/', { method: 'POST', headers })).status, 202);
    for (const [method, path, scope] of [
      ['GET', open, 'ex.test/public/app:pull'],
      ['POST', '/v2/images.local/b/blobs/uploads/', 'images.local/b:pull,push'],
    ] as const) {
      const refused = await get(path, { method, headers });
      assert.equal(refused.status, 401);
      assert.match(
        refused.headers['www-authenticate'] ?? '',
        new RegExp(`,scope="repository:${scope}",error="insufficient_scope"$`),
        'its token server knows whether there is a token for more',
      );
    }
    assert.equal(proxy.log.find(({ status }) => status === 200)?.principal, 'root');
  });

  it('for another service, or with a wildcard for a name, allow nothing', async (t) => {
    const { get, token } = await startGitlabLike(t);
    const wild = bearer(
      await token([
        on('**', '*'),
        on('ex.test/*', 'pull'),
        { type: 'registry', name: 'catalog', actions: ['*'] },
      ]),
    );
    assert.equal((await get(secret, { headers: wild })).status, 401);
    const other = await token([on('ex.test/team/secret', 'pull')], { audience: 'other' });
    assert.equal((await get(secret, { headers: bearer(other) })).status, 401);
  });
});

describe('a proxy in front that ends TLS', () => {
  it('has clients sent to /token over HTTPS, or to the realm that is configured', async (t) => {
    const { get, proxy } = await startGuarded(t, { top: 'trusted_proxies = ["127.0.0.1"]' });
    const headers = { 'x-forwarded-proto': 'https', host: 'mirror.corp' };
    const forwarded = await get('/v2/', { headers });
    assert.match(forwarded.headers['www-authenticate'] ?? '', /realm="https:\/\/mirror\.corp\/token"/);
    writeFileSync(join(proxy.folder, 'htpasswd'), passwordLine('ann', 'x'));
    await proxy.reload({
      toml: '[access]\nanonymous = []\nhtpasswd = "htpasswd"\nrealm = "https://public.corp/token"\n',
    });
    const fixed = await get('/v2/', { headers: { host: 'mirror.corp' } });
    assert.match(
      fixed.headers['www-authenticate'] ?? '',
      /realm="https:\/\/public\.corp\/token",service="entrepot"/,
    );
    assert.equal((await getToken(proxy.url, [], { headers: basic('ann', 'x') })).status, 200);
  });

  it('is believed only where it is trusted: any client could say the same', async (t) => {
    const { get } = await startGuarded(t, { top: 'trusted_proxies = ["10.0.0.0/8"]' });
    const headers = { 'x-forwarded-proto': 'https', host: 'mirror.corp' };
    const { headers: answered } = await get('/v2/', { headers });
    assert.match(answered['www-authenticate'] ?? '', /realm="http:\/\/mirror\.corp\/token"/);
  });
});
