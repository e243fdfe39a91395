/** Docker's token flow with Entrepot as its own token server, and the attacks on it. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { basic, bearer, getToken, passwords, postToken, startGuarded } from '../support/access.ts';
import { createManualClock } from '../support/clock.ts';
import { altered, forged } from '../support/jwts.ts';
import { raw } from '../support/raw-http.ts';

const secret = '/v2/ex.test/team/secret/manifests/1';
const open = '/v2/ex.test/public/app/manifests/1';
const pullSecret = 'repository:ex.test/team/secret:pull';
const ann = { headers: basic('ann', passwords.ann) };
const bob = { headers: basic('bob', passwords.bob) };

function claimsOf(token: string) {
  return JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString());
}

describe('the token flow', () => {
  it('gives a token for several scopes, by GET and by POST, and the mirror takes it', async (t) => {
    const { proxy, get } = await startGuarded(t);
    const scopes = [
      `${pullSecret} repository:ex.test/public/app:pull`,
      'repository:images.local/a:pull,push',
    ];
    const form = {
      grant_type: 'password',
      service: 'entrepot',
      client_id: 'docker',
      username: 'ann',
      password: passwords.ann,
    };
    for (const got of [await getToken(proxy.url, scopes, ann), await postToken(proxy.url, form, scopes)]) {
      assert.deepEqual([got.status, got.expiresIn, got.refreshToken], [200, 300, undefined]);
      const headers = bearer(got.token);
      assert.equal((await get('/v2/', { headers })).status, 200);
      assert.equal((await get(secret, { headers })).status, 200);
      assert.equal((await get(open, { headers })).status, 200);
      assert.equal((await get('/v2/images.local/a/blobs/uploads/', { method: 'POST', headers })).status, 202);
    }
    const lines = proxy.log.filter(({ event }) => event === 'access.tokenIssued');
    assert.deepEqual(lines[0]?.grants, [
      'ex.test/team/secret:pull',
      'ex.test/public/app:pull',
      'images.local/a:pull,push',
    ]);
  });

  it('takes a form of no told length, as the sign-in of the dashboard does, and refuses a huge or a missing one', async (t) => {
    const { proxy } = await startGuarded(t);
    const post = async (path: string, form: string) => {
      const type = 'Content-Type: application/x-www-form-urlencoded\r\n';
      const framing = form === '' ? '' : 'Transfer-Encoding: chunked\r\n';
      const body = form === '' ? '' : `${form.length.toString(16)}\r\n${form}\r\n0\r\n\r\n`;
      const head = `POST ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${type}${framing}\r\n`;
      return Number((await raw(proxy.url, head + body)).slice(9, 12));
    };
    const login = `grant_type=password&service=entrepot&username=ann&password=${passwords.ann}`;
    assert.equal(await post('/token', login), 200);
    assert.equal(await post('/token', ''), 400);
    assert.equal(await post('/token', `${login}&scope=${'x'.repeat(70_000)}`), 413);
    assert.equal(await post('/ui/theme', 'theme=dark'), 303);
    assert.equal(await post('/ui/sign-in', `account=ann&password=${passwords.ann}`), 403);
    assert.equal(await post('/ui/sign-in', ''), 401);
  });

  it('narrows a scope to what the account may do, and never widens it', async (t) => {
    const { proxy, get } = await startGuarded(t);
    const wide =
      'repository:ex.test/team/secret:pull,push,delete,* registry:catalog:* repository:ex.test/public/app:*';
    const got = await getToken(proxy.url, [wide, 'repository:other.test/x:pull'], bob);
    assert.deepEqual(claimsOf(got.token).scope, [
      { match: 'ex.test/public/app', form: 'name', may: ['pull'] },
    ]);
    assert.equal((await get(secret, { headers: bearer(got.token) })).status, 404);
  });

  it('gives a client without an account what anonymous may, and no refresh token', async (t) => {
    const { proxy, get } = await startGuarded(t, { access: 'htpasswd = "htpasswd"' });
    const got = await getToken(proxy.url, ['repository:ex.test/public/app:pull,push'], { offline: true });
    assert.deepEqual([got.status, got.refreshToken], [200, undefined]);
    assert.equal((await get(open, { headers: bearer(got.token) })).status, 200);
    const push = await get('/v2/images.local/a/blobs/uploads/', {
      method: 'POST',
      headers: bearer(got.token),
    });
    assert.equal(push.status, 401);
    assert.match(push.headers['www-authenticate'] ?? '', /error="insufficient_scope"$/);
  });

  it('gives a refresh token that works until the password changes', async (t) => {
    const { proxy, get, writeAccounts, folder } = await startGuarded(t);
    const { refreshToken = '', token } = await getToken(proxy.url, [pullSecret], { ...ann, offline: true });
    const again = { grant_type: 'refresh_token', service: 'entrepot', refresh_token: refreshToken };
    const got = await postToken(proxy.url, again, [pullSecret]);
    assert.deepEqual([got.status, got.refreshToken], [200, refreshToken]);
    assert.equal((await get(secret, { headers: bearer(got.token) })).status, 200);
    writeAccounts(['ann', 'bob']);
    assert.deepEqual(
      [(await postToken(proxy.url, again)).status, (await get(secret, { headers: bearer(token) })).status],
      [401, 401],
      `a new salt is a new password; ${readFileSync(join(folder, 'htpasswd'), 'utf8').length} bytes`,
    );
  });

  it('ends for an account that is gone, whatever tokens are out', async (t) => {
    const { proxy, get, writeAccounts } = await startGuarded(t);
    const { token } = await getToken(proxy.url, [pullSecret], ann);
    assert.equal((await get(secret, { headers: bearer(token) })).status, 200);
    writeAccounts(['bob']);
    assert.equal((await get(secret, { headers: bearer(token) })).status, 401);
  });

  it('answers wrong requests in words that clients know', async (t) => {
    const { proxy } = await startGuarded(t);
    assert.equal((await getToken(proxy.url, [], { headers: basic('ann', 'wrong') })).error, 'invalid_grant');
    assert.equal((await getToken(proxy.url, ['nonsense'], ann)).status, 400);
    assert.equal((await getToken(proxy.url, [], { ...ann, service: 'other' })).status, 400);
    assert.equal((await postToken(proxy.url, { grant_type: 'code' })).error, 'unsupported_grant_type');
    assert.equal((await postToken(proxy.url, { grant_type: 'refresh_token' })).status, 401);
  });

  it('does not exist where nothing asks for an account', async (t) => {
    const { proxy } = await startGuarded(t, { access: '', rules: '' });
    assert.equal((await getToken(proxy.url, [])).status, 404);
  });
});

describe('an attacker', () => {
  it('cannot use a token for another repository, nor for a wider scope', async (t) => {
    const { proxy, get } = await startGuarded(t);
    const { token } = await getToken(proxy.url, ['repository:images.local/a:pull'], ann);
    const headers = bearer(token);
    for (const [method, path] of [
      ['GET', secret],
      ['POST', '/v2/images.local/a/blobs/uploads/'],
      ['POST', '/v2/images.local/b/blobs/uploads/'],
      ['DELETE', secret],
    ] as const) {
      const refused = await get(path, { method, headers });
      assert.equal(refused.status, 401, `${method} ${path}`);
      assert.match(refused.headers['www-authenticate'] ?? '', /error="insufficient_scope"$/);
    }
  });

  it('cannot alter, unsign or re-sign a token', async (t) => {
    const { proxy, get, folder } = await startGuarded(t);
    const { token } = await getToken(proxy.url, [pullSecret], ann);
    const claims = { ...claimsOf(token), scope: [{ match: '**', form: 'glob', may: ['pull', 'push'] }] };
    const header = JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString());
    const stored = JSON.parse(readFileSync(join(folder, 'data/access/token-keys.json'), 'utf8'));
    for (const one of [
      altered(token, () => claims),
      forged({ ...header, alg: 'none' }, claims),
      forged({ ...header, alg: 'HS256' }, claims, stored.keys[0].pem),
      forged({ alg: 'none', typ: 'JWT' }, { iss: 'entrepot', sub: 'ann' }),
      token.slice(0, -2),
    ])
      assert.equal((await get(secret, { headers: bearer(one) })).status, 401);
  });

  it('cannot use a refresh token for access, nor an access token to get another one', async (t) => {
    const { proxy, get } = await startGuarded(t);
    const { token, refreshToken = '' } = await getToken(proxy.url, [pullSecret], { ...ann, offline: true });
    assert.equal((await get(secret, { headers: bearer(refreshToken) })).status, 401);
    assert.equal((await get(secret, { headers: basic('ann', refreshToken) })).status, 401);
    assert.equal(
      (await postToken(proxy.url, { grant_type: 'refresh_token', refresh_token: token })).status,
      401,
    );
    assert.equal((await getToken(proxy.url, [pullSecret], { headers: bearer(token) })).status, 401);
    const form = { grant_type: 'password', username: 'ann', password: token };
    assert.equal((await postToken(proxy.url, form, [pullSecret])).status, 401);
    assert.equal((await getToken(proxy.url, [pullSecret], { headers: bearer(refreshToken) })).status, 401);
  });

  it('cannot use a token that has expired', async (t) => {
    const clock = createManualClock();
    const { proxy, get } = await startGuarded(t, {}, { clock });
    const { token } = await getToken(proxy.url, ['repository:images.local/a:pull,push'], ann);
    const ask = async () => (await get('/v2/', { headers: bearer(token) })).status;
    assert.equal(await ask(), 200);
    await clock.advance(331_000);
    assert.equal(await ask(), 401);
  });

  it('cannot put anything into a challenge by the Host header or a scope', async (t) => {
    const { get, proxy } = await startGuarded(t);
    for (const host of ['evil.test/x?', 'evil.test",service="x', 'a b', 'evil.test#', 'user@evil.test']) {
      const challenge = (await get('/v2/', { headers: { host } })).headers['www-authenticate'] ?? '';
      assert.match(challenge, /^Bearer realm="http:\/\/localhost\/token",service="entrepot"$/, host);
    }
    for (const name of ['a%22,scope=%22x', 'a%0d%0aX-Evil:%201', 'A', 'a b', '..%2f..']) {
      const { status, headers } = await get(`/v2/${name}/manifests/1`);
      assert.ok(status === 400 || status === 404, `${name} ${status}`);
      assert.equal(headers['x-evil'], undefined);
      assert.equal(headers['www-authenticate'], undefined);
    }
    for (const scope of [
      'repository:ex.test/team/**:pull',
      'repository:*:pull',
      'repository:ex.test/team/secret\u0000:pull',
      'repository:../secret:pull',
    ]) {
      const { token, status } = await getToken(proxy.url, [scope], ann);
      assert.deepEqual([status, claimsOf(token).scope], [200, []], scope);
    }
  });

  it('gets an answer of the protocol for huge headers, and the server goes on', async (t) => {
    const { get, as } = await startGuarded(t);
    const huge = await get(open, { headers: bearer(`${'a'.repeat(40_000)}.b.c`) }).catch(() => ({
      status: 0,
    }));
    assert.ok([0, 431].includes(huge.status));
    const large = `${'a'.repeat(15_000)}.${'b'.repeat(10_000)}.c`;
    assert.equal((await get(open, { headers: bearer(large) })).status, 401);
    const form = { grant_type: 'password', username: 'u'.repeat(70_000), password: 'x' };
    await postToken('http://127.0.0.1:9', form).catch(() => {});
    assert.equal((await get(open, as('bob'))).status, 200);
  });

  it('that guesses passwords waits longer and longer, and locks nobody out', async (t) => {
    const clock = createManualClock();
    const { get, as } = await startGuarded(t, {}, { clock });
    const guess = (n: number) => get('/v2/', { headers: basic('ann', `guess-${n}`) });
    for (let n = 0; n < 4; n++) assert.equal((await guess(n)).status, 401);
    const fifth = guess(5);
    await clock.armed(500);
    assert.equal((await get('/v2/', as('ann'))).status, 200, 'the right password never waits');
    await clock.advance(500);
    assert.equal((await fifth).status, 401);
  });
});
