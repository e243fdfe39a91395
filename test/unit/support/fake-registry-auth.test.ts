import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createManualClock } from '../../support/clock.ts';
import { type FakeRegistryOptions, startFakeRegistry } from '../../support/fake-registry.ts';
import { gate } from '../../support/gate.ts';
import { get, json } from '../../support/http-client.ts';
import { buildImage } from '../../support/images.ts';
import type { Cleanup } from '../../support/temp-folder.ts';
import { startTokenServer, type TokenServerOptions } from '../../support/token-server.ts';

const basic = (name: string, password: string) => ({
  authorization: `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`,
});
const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

async function start(t: Cleanup, auth: NonNullable<FakeRegistryOptions['auth']>) {
  const registry = await startFakeRegistry({ auth });
  t.after(registry.stop);
  registry.putImage('team/app', 'v1', buildImage());
  registry.putImage('team/other', 'v1', buildImage());
  return registry;
}

async function startTokens(t: Cleanup, options: TokenServerOptions = {}) {
  const tokens = await startTokenServer(options);
  t.after(tokens.stop);
  const ask = async (scope: string, headers = {}) => {
    const answer = await get(`${tokens.realm}?service=s&scope=repository:${scope}:pull`, { headers });
    return { status: answer.status, ...(json(answer) as { token: string; expires_in?: number }) };
  };
  return { tokens, ask };
}

test('basic: every request is guarded, or /v2/ alone', async (t) => {
  const guarded = await start(t, { kind: 'basic', username: 'u', password: 'p' });
  const refused = await get(`${guarded.url}/v2/team/app/manifests/v1`);
  assert.equal(refused.status, 401);
  assert.equal(refused.headers['www-authenticate'], 'Basic realm="fake registry"');
  const path = '/v2/team/app/manifests/v1';
  assert.equal((await get(`${guarded.url}${path}`, { headers: basic('u', 'p') })).status, 200);
  assert.equal((await get(`${guarded.url}${path}`, { headers: basic('u', 'q') })).status, 401);
  const lax = await start(t, { kind: 'basic', username: 'u', password: 'p', asked: 'ping' });
  assert.equal((await get(`${lax.url}/v2/`)).status, 401);
  assert.equal((await get(`${lax.url}${path}`)).status, 200);
});

test('bearer: the challenge names realm, service and scope, and the token opens that repository alone', async (t) => {
  const { tokens, ask } = await startTokens(t);
  const registry = await start(t, { kind: 'bearer', tokens, service: 'reg' });
  const url = `${registry.url}/v2/team/app/manifests/v1`;
  assert.equal(
    (await get(url)).headers['www-authenticate'],
    `Bearer realm="${tokens.url}/token",service="reg",scope="repository:team/app:pull"`,
  );
  const { token } = await ask('team/app');
  assert.equal((await get(url, { headers: bearer(token) })).status, 200);
  const other = await get(`${registry.url}/v2/team/other/manifests/v1`, { headers: bearer(token) });
  assert.equal(other.status, 401);
  assert.match(String(other.headers['www-authenticate']), /error="insufficient_scope"/);
});

test('bearer: tokens expire and are revoked', async (t) => {
  const clock = createManualClock();
  const { tokens, ask } = await startTokens(t, { clock, expiresIn: 60 });
  const registry = await start(t, { kind: 'bearer', tokens });
  const url = `${registry.url}/v2/team/app/manifests/v1`;
  const { token, expires_in } = await ask('team/app');
  assert.equal(expires_in, 60);
  await clock.advance(59_999);
  assert.equal((await get(url, { headers: bearer(token) })).status, 200);
  await clock.advance(1);
  const late = await get(url, { headers: bearer(token) });
  assert.match(String(late.headers['www-authenticate']), /error="invalid_token"/);
  const fresh = await ask('team/app');
  tokens.revokeAll();
  assert.equal((await get(url, { headers: bearer(fresh.token) })).status, 401);
});

test('bearer: an account pulls what it may, a wrong password gets no token', async (t) => {
  const accounts = { ann: { password: 'secret', pulls: /^team\/app$/, identityToken: 'id-1' } };
  const { tokens, ask } = await startTokens(t, { accounts });
  const registry = await start(t, { kind: 'bearer', tokens, refusal: 403 });
  const pull = async (name: string, token: string) =>
    (await get(`${registry.url}/v2/${name}/manifests/v1`, { headers: bearer(token) })).status;
  assert.equal((await ask('team/app', basic('ann', 'wrong'))).status, 401);
  assert.equal(await pull('team/app', (await ask('team/app')).token), 403);
  assert.equal(await pull('team/app', (await ask('team/app', basic('ann', 'secret'))).token), 200);
  assert.equal(await pull('team/other', (await ask('team/other', basic('ann', 'secret'))).token), 403);
  assert.deepEqual(
    tokens.requests.map((one) => [one.account, one.scopes, one.status]),
    [
      [undefined, ['repository:team/app:pull'], 401],
      [undefined, ['repository:team/app:pull'], 200],
      ['ann', ['repository:team/app:pull'], 200],
      ['ann', ['repository:team/other:pull'], 200],
    ],
  );
});

test('bearer: the OAuth2 POST takes a password or an identity token, where it exists', async (t) => {
  const accounts = { ann: { password: 'secret', identityToken: 'id-1' } };
  const { tokens } = await startTokens(t, { accounts, field: 'access_token' });
  const registry = await start(t, { kind: 'bearer', tokens });
  const post = (realm: string, form: Record<string, string>) =>
    get(realm, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams({ scope: 'repository:team/app:pull', ...form }).toString(),
    });
  const grants = [
    { grant_type: 'refresh_token', refresh_token: 'id-1' },
    { grant_type: 'password', username: 'ann', password: 'secret' },
  ];
  for (const grant of grants) {
    const { access_token } = json(await post(tokens.realm, grant)) as { access_token: string };
    const url = `${registry.url}/v2/team/app/manifests/v1`;
    assert.equal((await get(url, { headers: bearer(access_token) })).status, 200);
  }
  const wrong = await post(tokens.realm, { grant_type: 'refresh_token', refresh_token: 'id-2' });
  assert.equal(wrong.status, 401);
  const old = await startTokens(t, { post: false });
  assert.equal((await post(old.tokens.realm, grants[0] ?? {})).status, 404);
});

test('bearer: the token server can be out of order, and the realm somebody else', async (t) => {
  const { tokens, ask } = await startTokens(t);
  tokens.fail(503);
  assert.equal((await ask('team/app')).status, 503);
  tokens.fail(undefined);
  assert.equal((await ask('team/app')).status, 200);
  const hostile = await start(t, { kind: 'bearer', tokens, realm: 'http://169.254.169.254/token' });
  const challenge = String((await get(`${hostile.url}/v2/`)).headers['www-authenticate']);
  assert.match(challenge, /^Bearer realm="http:\/\/169\.254\.169\.254\/token"/);
});

test('bearer: a token request can be held', async (t) => {
  const { tokens, ask } = await startTokens(t);
  const hold = gate();
  tokens.hold(hold);
  const asked = Promise.all([ask('team/app'), ask('team/app')]);
  await hold.arrivals(2);
  hold.release();
  assert.deepEqual(
    (await asked).map((one) => one.status),
    [200, 200],
  );
});

test('a token server may refuse a scope, and may redirect to a path of its own', async (t) => {
  const refusing = await startTokens(t, { anonymous: /^team\/app$/, refusesScope: 403 });
  assert.equal((await refusing.ask('team/app')).status, 200);
  assert.equal((await refusing.ask('team/other')).status, 403);
  const moved = await startTokens(t, { redirect: 307 });
  const answer = await get(`${moved.tokens.realm}?scope=repository:team/app:pull`);
  assert.equal(answer.status, 307);
  const there = await get(new URL(answer.headers.location ?? '', moved.tokens.realm).href);
  assert.equal(there.status, 200);
});
