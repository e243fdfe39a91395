/** Which clients may use the admin API over HTTP: with accounts, without them, and from pages of other sites. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { basic, bearer, passwordLine } from '../support/access.ts';
import { startApp } from '../support/app.ts';
import { type GetOptions, get } from '../support/http-client.ts';
import { raw } from '../support/raw-http.ts';
import { tempFolder } from '../support/temp-folder.ts';

const registries = '[[registry]]\nlocation = "ex.test"\n';
const accounts = `[access]
anonymous = ["pull"]
htpasswd = "htpasswd"
[[access.rule]]
who = ["root"]
match = "**"
may = ["administer"]
`;
const passwords = { root: 'root-secret-1', bob: 'bob-secret-2' };
const root = basic('root', passwords.root);

async function start(t: TestContext, toml = '', listen = '127.0.0.1:0') {
  const folder = tempFolder(t);
  const lines = Object.entries(passwords).map(([name, password]) => passwordLine(name, password));
  writeFileSync(join(folder, 'htpasswd'), lines.join(''));
  const proxy = await startApp(t, { folder, registries, toml, listen });
  const ask = async (path: string, { headers, ...options }: GetOptions = {}) => {
    const answer = await get(`${proxy.url}/api/v1/${path}`, { headers: { ...headers }, ...options });
    const text = answer.body.toString();
    return { ...answer, text, message: () => (JSON.parse(text) as { error: Error }).error.message };
  };
  const change = (headers: Record<string, string> = {}, path = 'gc') =>
    ask(path, { method: 'POST', body: '{}', headers });
  /** Commands that were carried out. */
  const commands = () => proxy.log.filter(({ event }) => event === 'admin.command').length;
  return { proxy, ask, change, commands };
}

describe('without accounts', () => {
  it('this machine may look, and change nothing', async (t) => {
    const { ask, change, commands } = await start(t);
    assert.equal((await ask('status')).status, 200);
    const refused = await change();
    assert.equal(refused.status, 403);
    assert.match(refused.message(), /may look and change nothing: .* configure \[access\]/);
    assert.equal(commands(), 0);
  });

  it('a name that DNS leads here is refused: it is a page of another site that asks', async (t) => {
    const { ask, proxy } = await start(t);
    const port = new URL(proxy.url).port;
    for (const host of [`evil.test:${port}`, 'evil.test', '10.0.0.1', `127.0.0.1.evil.test:${port}`]) {
      const refused = await ask('status', { headers: { host } });
      assert.equal(refused.status, 403, host);
      assert.doesNotMatch(refused.text, /conditions/);
    }
    for (const host of [`localhost:${port}`, `[::1]:${port}`, '127.0.0.1'])
      assert.equal((await ask('status', { headers: { host } })).status, 200, host);
  });

  it('a client behind a proxy of this machine is a client of another machine', async (t) => {
    const { ask, proxy } = await start(t);
    const headers = [
      { 'x-forwarded-for': '127.0.0.1' },
      { forwarded: 'for=127.0.0.1' },
      { 'x-real-ip': '127.0.0.1' },
      { via: '1.1 proxy' },
    ];
    for (const one of headers) assert.equal((await ask('status', { headers: one })).status, 403);
    const old = await raw(proxy.url, 'GET /api/v1/status HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n');
    assert.match(old, /^HTTP\/1\.[01] 403/);
    const trusting = await start(t, 'trusted_proxies = ["127.0.0.0/8"]\n');
    assert.equal((await trusting.ask('status')).status, 403);
  });

  it('another machine gets nothing, and is told what to configure', async (t) => {
    const address = Object.values(networkInterfaces())
      .flat()
      .find((one) => one && !one.internal && one.family === 'IPv4')?.address;
    if (!address) return t.skip('this machine has no address but loopback');
    const { proxy } = await start(t, '', '0.0.0.0:0');
    const url = proxy.url.replace('127.0.0.1', address);
    const headers = { host: new URL(proxy.url).host };
    for (const one of [{}, { headers }]) {
      const refused = await get(`${url}/api/v1/status`, one);
      assert.equal(refused.status, 403);
      assert.match(refused.body.toString(), /configure \[access\] with an account that may administer/);
    }
  });

  it('a right of anonymous clients is not for a page that rebinds its name', async (t) => {
    const { ask, change } = await start(t, '[access]\nanonymous = ["pull", "administer"]\n');
    assert.equal((await change()).status, 200);
    assert.equal((await ask('status', { headers: { host: 'evil.test' } })).status, 403);
    const origin = { host: 'evil.test', origin: 'http://evil.test' };
    assert.equal((await change(origin)).status, 403);
  });
});

describe('with accounts', () => {
  it('a client without credentials, or with wrong ones, gets 401 and a challenge', async (t) => {
    const { ask, change, commands } = await start(t, accounts);
    const wrong = [
      {},
      basic('root', 'guessed'),
      basic('ghost', 'guessed'),
      basic('robot', 'entrepot_forged'),
      bearer('entrepot_forged'),
      bearer('e30.e30.e30'),
      { authorization: 'Negotiate abc' },
      { cookie: 'entrepot_session=forged' },
    ];
    for (const headers of wrong) {
      for (const refused of [await ask('status', { headers }), await change(headers)]) {
        assert.equal(refused.status, 401, JSON.stringify(headers));
        assert.match(refused.headers['www-authenticate'] ?? '', /^Basic realm="entrepot"/);
        assert.doesNotMatch(refused.text, /guessed|forged/);
      }
    }
    assert.equal(commands(), 0);
  });

  it('a known account without the right is refused everywhere', async (t) => {
    const { ask, change, commands } = await start(t, accounts);
    const bob = basic('bob', passwords.bob);
    for (const path of [
      'status',
      'overview',
      'config',
      'requests',
      'changes',
      'openapi.json',
      'nothing',
      '',
    ]) {
      const refused = await ask(path, { headers: bob });
      assert.equal(refused.status, 403, path);
      assert.match(refused.message(), /bob has not the right administer/);
    }
    assert.equal((await change(bob)).status, 403);
    assert.equal(commands(), 0);
  });

  it('an account and a token with the right may do all, until the token is revoked', async (t) => {
    const { ask, change } = await start(t, accounts);
    assert.equal((await ask('status', { headers: root })).status, 200);
    const wanted = { name: 'ops', match: ['**'], may: ['administer'] };
    const body = JSON.stringify(wanted);
    const made = await ask('token-create', { method: 'POST', headers: root, body });
    const { token } = JSON.parse(made.text) as { token: string };
    for (const headers of [basic('ops', token), bearer(token)])
      assert.equal((await change(headers)).status, 200);
    assert.doesNotMatch((await ask('tokens', { headers: root })).text, new RegExp(token));
    await ask('token-revoke', { method: 'POST', headers: root, body: '{"name": "ops"}' });
    assert.equal((await change(bearer(token))).status, 401);
  });

  it('a robot that may only pull or push may not administer', async (t) => {
    const { ask } = await start(t, accounts);
    const body = JSON.stringify({ name: 'ci', match: ['**'], may: ['pull', 'push', 'delete'] });
    const made = await ask('token-create', { method: 'POST', headers: root, body });
    const { token } = JSON.parse(made.text) as { token: string };
    assert.equal((await ask('status', { headers: bearer(token) })).status, 403);
  });
});

describe('a page of another site', () => {
  it('changes nothing, even where the browser sends credentials', async (t) => {
    const { change, commands, proxy } = await start(t, accounts);
    const own = new URL(proxy.url).host;
    const foreign = [
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site' },
      { origin: 'https://evil.test' },
      { origin: 'null' },
      { origin: `http://${own}.evil.test` },
      { origin: 'http://localhost:1' },
      { 'sec-fetch-site': 'same-origin', origin: 'https://evil.test' },
    ];
    for (const headers of foreign) {
      const refused = await change({ ...root, ...headers });
      assert.equal(refused.status, 403, JSON.stringify(headers));
      assert.match(refused.message(), /another site/);
    }
    assert.equal(commands(), 0);
    for (const headers of [{ 'sec-fetch-site': 'same-origin' }, { origin: `http://${own}` }, {}])
      assert.equal((await change({ ...root, ...headers })).status, 200);
  });

  it('gets no leave to read answers', async (t) => {
    const { ask } = await start(t, accounts);
    const { headers } = await ask('status', { headers: { ...root, origin: 'https://evil.test' } });
    assert.equal(headers['access-control-allow-origin'], undefined);
    assert.equal(headers['cross-origin-resource-policy'], 'same-origin');
    assert.equal(headers['x-content-type-options'], 'nosniff');
    assert.equal(headers['cache-control'], 'no-store');
    const preflight = await ask('gc', {
      method: 'OPTIONS',
      headers: { ...root, origin: 'https://evil.test' },
    });
    assert.equal(preflight.status, 403);
  });
});

it('what a client sends is in no error and in no line of the log', async (t) => {
  const { ask, proxy } = await start(t, accounts);
  const secret = 'hunter2-in-the-wrong-place';
  const bodies = [
    `{"password": "${secret}"`,
    `["${secret}"]`,
    `"${secret}"`,
    `{"name": {"password": "${secret}"}, "match": ["${secret}"], "may": ["${secret}"]}`,
    `{"id": "${secret}", "session": "${secret}", "password": "${secret}", "options": "${secret}"}`,
  ];
  const paths = [
    'token-create',
    'jobs-cancel',
    'export-written',
    'backup-blob',
    'import?options={',
    'nothing',
  ];
  for (const path of paths) {
    for (const body of bodies) {
      const { status, text } = await ask(path, { method: 'POST', headers: root, body });
      assert.ok([400, 404].includes(status), `${path}: ${status} ${text}`);
      assert.ok(!text.includes(secret), `${path}: ${text}`);
    }
  }
  assert.ok(!JSON.stringify(proxy.log).includes(secret));
});
