/** The dashboard without a script: what pages show, which clients may see them, and what forms do. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { passwordLine } from '../support/access.ts';
import { startApp } from '../support/app.ts';
import { createVisitor } from '../support/dashboard.ts';
import { entry, startRegistry } from '../support/endpoints.ts';
import { get } from '../support/http-client.ts';
import { buildImage } from '../support/images.ts';
import { tempFolder } from '../support/temp-folder.ts';

const image = buildImage({ seed: 'dashboard', layers: [50_000] });
const accounts = { ann: 'ann-secret-1', bob: 'bob-secret-2' };
const guarded = `[access]
anonymous = ["pull"]
htpasswd = "htpasswd"
[[access.rule]]
who = ["ann"]
match = "**"
may = ["administer"]
`;

async function startDashboard(t: TestContext, { toml = '' } = {}) {
  const registry = await startRegistry(t);
  registry.putImage('team/app', '1.0', image);
  const folder = tempFolder(t);
  const lines = Object.entries(accounts).map(([name, password]) => passwordLine(name, password));
  writeFileSync(join(folder, 'htpasswd'), lines.join(''));
  const proxy = await startApp(t, { folder, registries: entry('ex.test', { source: registry.host }), toml });
  const pull = async (path = `blobs/${image.layers[0]!.digest}`) => {
    const answer = await get(`${proxy.url}/v2/ex.test/team/app/${path}`);
    assert.equal(answer.status, 200);
  };
  return { registry, proxy, pull, visitor: createVisitor(proxy.url) };
}

const startGuarded = (t: TestContext) => startDashboard(t, { toml: guarded });

async function signIn(visitor: ReturnType<typeof createVisitor>, account: 'ann' | 'bob' = 'ann') {
  return await visitor.post('/ui/sign-in', { account, password: accounts[account], to: '/ui' });
}

describe('the dashboard of a server without accounts', () => {
  it('shows clients on this machine what the server does, and no forms that change it', async (t) => {
    const { visitor, pull, registry } = await startDashboard(t);
    await pull('manifests/1.0');
    await pull();
    await pull();
    const { status, text, html } = await visitor.get('/ui');
    assert.equal(status, 200);
    assert.match(text, /Pulls 1 .*Hit ratio 33\.3 % 1 of 3 reads/);
    assert.ok(text.includes(registry.host));
    assert.match(html, /You can look, not change/);
    const requests = await visitor.get('/ui/requests');
    assert.match(requests.text, /ex\.test\/team\/app/);
    assert.match(requests.text, /GET 200/);
    assert.match(requests.text, new RegExp(`1 endpoint asked ${registry.host}/team/app ok`));
  });

  it('refuses changes, with the way in', async (t) => {
    const { visitor, proxy } = await startDashboard(t);
    const { status, text } = await visitor.post('/ui/access/create', {
      name: 'ci',
      match: '**',
      may: 'pull',
    });
    assert.equal(status, 403);
    assert.match(text, /\[access\]/);
    assert.deepEqual(await proxy.app.administration.tokens.list(), []);
    assert.match((await visitor.get('/ui/sign-in')).text, /entrepot dashboard/);
  });
});

describe('the dashboard of a server with accounts', () => {
  it('asks for a sign-in, and comes back to the page that was asked for', async (t) => {
    const { visitor } = await startGuarded(t);
    const first = await visitor.get('/ui/requests?q=app');
    assert.deepEqual([first.status, first.to], [303, '/ui/sign-in?to=%2Fui%2Frequests%3Fq%3Dapp']);
    assert.equal((await visitor.get(first.to!)).status, 200);
    const to = '/ui/requests?q=app';
    const signedIn = await visitor.post('/ui/sign-in', { account: 'ann', password: accounts.ann, to });
    assert.deepEqual([signedIn.status, signedIn.to], [303, to]);
    const [cookie = ''] = signedIn.headers.getSetCookie();
    assert.match(cookie, /^entrepot_session=[\w-]{43}; Max-Age=43200; Path=\/; HttpOnly; SameSite=Strict$/);
    const page = await visitor.get(to);
    assert.equal(page.status, 200);
    assert.match(page.html, /Signed in as ann/);
  });

  it('refuses a wrong password, and an account that may not administer, in one sentence each', async (t) => {
    const { visitor } = await startGuarded(t);
    const wrong = await visitor.post('/ui/sign-in', { account: 'ann', password: 'guess' });
    assert.equal(wrong.status, 401);
    assert.match(wrong.text, /No account or token has this name and password/);
    const other = await signIn(visitor, 'bob');
    assert.equal(other.status, 403);
    assert.match(other.text, /bob may not administer this server/);
    assert.equal(visitor.cookies.size, 0);
  });

  it('leads a sign-in nowhere but to its own pages', async (t) => {
    const { visitor } = await startGuarded(t);
    for (const to of [
      'https://evil.test/',
      '//evil.test/ui',
      '/v2/',
      '/ui\\evil',
      '/uievil',
      'javascript:alert(1)',
    ]) {
      const { to: led } = await visitor.post('/ui/sign-in', { account: 'ann', password: accounts.ann, to });
      assert.equal(led, '/ui', to);
    }
  });

  it('ends a session at the sign-out, and when a rule goes', async (t) => {
    const { visitor, proxy } = await startGuarded(t);
    await signIn(visitor);
    assert.equal((await visitor.get('/ui')).status, 200);
    const [cookie] = visitor.cookies.values();
    await visitor.post('/ui/sign-out', {});
    const stolen = await get(`${proxy.url}/ui`, { headers: { cookie: `entrepot_session=${cookie}` } });
    assert.equal(stolen.status, 303);
    await signIn(visitor);
    await proxy.reload({ toml: guarded.replace('"ann"', '"carl"') });
    assert.equal((await visitor.get('/ui')).status, 303);
  });

  it('refuses a form that comes from another site, even with a session', async (t) => {
    const { visitor, proxy } = await startGuarded(t);
    await signIn(visitor);
    const fields = { name: 'ci', match: '**', may: 'pull' };
    for (const headers of [{ 'sec-fetch-site': 'cross-site' }, { origin: 'https://evil.test' }]) {
      const { status } = await visitor.post('/ui/access/create', fields, headers);
      assert.equal(status, 403);
    }
    assert.deepEqual(await proxy.app.administration.tokens.list(), []);
  });

  it('makes a token, shows it once, and revokes it', async (t) => {
    const { visitor, proxy } = await startGuarded(t);
    await signIn(visitor);
    const fields = { name: 'ci', match: 'ex.test/team/**  images.local/**', may: 'pull', expires: '90d' };
    const made = await visitor.post('/ui/access/create', fields);
    assert.equal(made.status, 200);
    const [token = ''] = /entrepot_[\w-]{20,}/.exec(made.text) ?? [];
    assert.notEqual(token, '');
    const page = await visitor.get('/ui/access');
    assert.match(page.text, /ci ex\.test\/team\/\*\* images\.local\/\*\* pull/);
    assert.ok(!page.html.includes(token));
    assert.ok(!JSON.stringify(proxy.log).includes(token));
    const again = await visitor.post('/ui/access/create', fields);
    assert.equal(again.status, 400);
    const after = await visitor.send('/ui/access/revoke', { name: 'ci' });
    assert.match(after.text, /Token ci is revoked/);
    assert.deepEqual(await proxy.app.administration.tokens.list(), []);
  });

  it('says what a client may do with an image, and by which rule', async (t) => {
    const { visitor } = await startGuarded(t);
    await signIn(visitor);
    const { text } = await visitor.get('/ui/access?who=bob&image=ex.test/team/app');
    assert.match(text, /pull allowed anonymous clients may push denied nothing allows it/);
    const unknown = await visitor.get('/ui/access?who=nobody&image=ex.test/team/app');
    assert.equal(unknown.status, 200);
    assert.match(unknown.text, /no account, token or certificate has this name/);
  });
});

describe('every page', () => {
  const strict =
    /^default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'; require-trusted-types-for 'script'; trusted-types 'none'$/;

  it('comes with strict rules for the browser, a sign-in and a refusal, too', async (t) => {
    const { visitor } = await startDashboard(t);
    for (const path of ['/ui', '/ui/jobs', '/ui/sign-in', '/ui/nothing', '/ui/assets/ui.js']) {
      const { headers } = await visitor.get(path);
      assert.match(headers.get('content-security-policy') ?? '', strict, path);
      assert.equal(headers.get('x-content-type-options'), 'nosniff');
      assert.equal(headers.get('cross-origin-resource-policy'), 'same-origin');
    }
  });

  it('keeps the theme that was chosen, and comes back to where it was chosen', async (t) => {
    const { visitor } = await startDashboard(t);
    assert.match((await visitor.get('/ui')).html, /data-theme="auto"/);
    const sent = await visitor.post('/ui/theme', { theme: 'dark', back: '/ui/requests?q=app' });
    assert.deepEqual([sent.status, sent.to], [303, '/ui/requests?q=app']);
    assert.match((await visitor.get('/ui/requests')).html, /data-theme="dark"/);
    await visitor.post('/ui/theme', { theme: '"><script>', back: 'https://evil.test' });
    assert.match((await visitor.get('/ui')).html, /data-theme="auto"/);
  });

  it('shows text of clients as text', async (t) => {
    const { visitor, proxy } = await startDashboard(t);
    const hostile = '<img src=x onerror=alert(1)>"\'&';
    await get(`${proxy.url}/v2/${encodeURIComponent(hostile)}/manifests/1`);
    for (const path of ['/ui/requests', `/ui/requests?q=${encodeURIComponent(hostile)}`]) {
      const { html } = await visitor.get(path);
      assert.ok(!html.includes('<img'), path);
    }
  });
});
