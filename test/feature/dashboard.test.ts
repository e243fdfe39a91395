/** The dashboard without a script: what pages show, which clients may see them, and what forms do. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { chmodSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import type { AppDeps } from '../../src/app.ts';
import { en } from '../../src/dashboard/texts/en.ts';
import type { JobId, JobKind } from '../../src/jobs/job.ts';
import { passwordLine } from '../support/access.ts';
import { startApp } from '../support/app.ts';
import { runCommand } from '../support/commands.ts';
import { createVisitor } from '../support/dashboard.ts';
import { entry, startRegistry } from '../support/endpoints.ts';
import { eventually } from '../support/eventually.ts';
import { get } from '../support/http-client.ts';
import { buildImage } from '../support/images.ts';
import { settled } from '../support/mirrored-registry.ts';
import { startProgramIn } from '../support/program-in-folder.ts';
import { imageManifest, pusher, sha256 } from '../support/pusher.ts';
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

async function startDashboard(
  t: TestContext,
  { toml = '', deps = {} }: { toml?: string; deps?: Partial<AppDeps> } = {},
) {
  const registry = await startRegistry(t);
  registry.putImage('team/app', '1.0', image);
  const folder = tempFolder(t);
  const lines = Object.entries(accounts).map(([name, password]) => passwordLine(name, password));
  writeFileSync(join(folder, 'htpasswd'), lines.join(''));
  const registries = entry('ex.test', { source: registry.host });
  const proxy = await startApp(t, { folder, registries, toml }, deps);
  const pull = async (path = `blobs/${image.layers[0]!.digest}`) => {
    const answer = await get(`${proxy.url}/v2/ex.test/team/app/${path}`);
    assert.equal(answer.status, 200);
    await settled(proxy);
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

describe('entrepot dashboard', () => {
  it('prints an address that makes one session, which may change things without accounts, too', async (t) => {
    const { visitor, proxy } = await startDashboard(t);
    const { code, json } = await runCommand(proxy, 'dashboard', '--url', 'https://mirror.test/', '--json');
    assert.equal(code, 0);
    const { origin, pathname, search } = new URL(json.url);
    assert.deepEqual([origin, pathname], ['https://mirror.test', '/ui/sign-in']);
    // A preview of the link uses no code.
    assert.equal((await visitor.get(pathname + search)).status, 200);
    const one = { code: new URLSearchParams(search).get('code') ?? '' };
    assert.equal((await visitor.post('/ui/sign-in', one)).to, '/ui');
    const page = await visitor.get('/ui');
    assert.match(page.html, /Signed in as operator/);
    const made = await visitor.post('/ui/access/create', { name: 'ci', match: '**', may: 'pull' });
    assert.equal(made.status, 200);
    const second = createVisitor(proxy.url);
    const again = await second.post('/ui/sign-in', one);
    assert.equal(again.status, 401);
    assert.match(again.text, /was used, or is older than a minute/);
    assert.equal(second.cookies.size, 0);
    assert.ok(!JSON.stringify(proxy.log).includes(one.code));
  });

  it('gives a code over the admin socket alone', async (t) => {
    const { visitor } = await startGuarded(t);
    await signIn(visitor);
    const { status } = await visitor.post('/api/v1/dashboard-code', {});
    assert.equal(status, 404);
  });

  it('says what to do where no server runs, and for an address that is none', async (t) => {
    const { proxy } = await startDashboard(t);
    const wrong = await runCommand(proxy, 'dashboard', '--url', 'mirror.corp');
    assert.equal(wrong.code, 2);
    assert.match(wrong.stderr, /--url must be a URL such as https:\/\/mirror\.corp, not "mirror\.corp"/);
    await proxy.stop();
    const { code, stderr } = await runCommand(proxy, 'dashboard');
    assert.equal(code, 1);
    assert.match(stderr, /no server runs on this data folder: start it with "entrepot serve"/);
  });
});

describe('the pages of what is stored', () => {
  it('find an image by a part of its name, and show its parts', async (t) => {
    const { visitor, pull, registry } = await startGuarded(t);
    await signIn(visitor);
    assert.match((await visitor.get('/ui/images')).text, /The cache has no image yet/);
    await pull('manifests/1.0');
    await pull();
    const found = await visitor.get('/ui/images?q=eam/a');
    assert.match(found.text, /ex\.test\/team\/app :1\.0 2 of 3/);
    assert.match((await visitor.get('/ui/images?q=other')).text, /no image with "other" in its name/);
    assert.match((await visitor.get('/ui/images?q=[')).text, /That did not work "\["/);
    const page = await visitor.get('/ui/image?reference=ex.test/team/app:1.0');
    assert.match(page.text, new RegExp(`Digest ${image.digest}`));
    assert.match(page.text, new RegExp(`From ${registry.host}/team/app`));
    assert.match(page.text, /1 of 2 parts here/);
    const absent = await visitor.get('/ui/image?reference=ex.test/team/none:1');
    assert.match(absent.text, /The cache does not have this image.*entrepot pull ex\.test\/team\/none:1/);
  });

  it('pin, unpin and purge an image', async (t) => {
    const { visitor, pull, proxy } = await startGuarded(t);
    await signIn(visitor);
    await pull('manifests/1.0');
    const what = 'ex.test/team/app:1.0';
    const pinned = await visitor.send(`/ui/image/pin?reference=${what}`, { what });
    assert.match(pinned.text, /ex\.test\/team\/app:1\.0 is pinned/);
    assert.deepEqual((await proxy.app.administration.pins()).added, [what]);
    assert.match((await visitor.get('/ui/disk')).text, /command or page Unpin/);
    const refused = await visitor.post(`/ui/image/purge?reference=${what}`, { what });
    assert.equal(refused.status, 400);
    assert.match(refused.text, /ex\.test\/team\/app:1\.0 is pinned: unpin it first/);
    await visitor.send('/ui/disk/unpin', { what });
    const purged = await visitor.send(`/ui/image/purge?reference=${what}`, { what });
    assert.match(purged.text, /ex\.test\/team\/app:1\.0 is purged/);
    assert.match(purged.text, /The cache has no image yet/);
  });

  it('tell what eviction would take next', async (t) => {
    const { visitor, pull } = await startGuarded(t);
    await signIn(visitor);
    await pull('manifests/1.0');
    assert.match(
      (await visitor.get('/ui/disk')).text,
      /What eviction takes next .* ex\.test\/team\/app:1\.0/,
    );
  });
});

describe('the pages of replication', () => {
  /** Jobs fail as long as `isBroken`. */
  async function startJobs(t: TestContext) {
    const state = { isBroken: true };
    const chore: JobKind = {
      name: 'chore',
      atOnce: 5,
      run: async () =>
        state.isBroken ? { kind: 'failed', reason: '<b>HTTP 503</b>' } : { kind: 'done', report: {} },
    };
    const { visitor, proxy } = await startDashboard(t, { toml: guarded, deps: { jobKinds: [chore] } });
    await signIn(visitor);
    const add = (key: string, notBefore?: number) =>
      proxy.app.jobs.add({
        kind: 'chore',
        key,
        arguments: null,
        priority: 0,
        cause: 'manual',
        ...(notBefore && { notBefore }),
      });
    const becomes = (id: JobId, wanted: string) =>
      eventually(`job ${id} is ${wanted}`, async () => (await proxy.app.jobs.find(id))?.state === wanted);
    return { visitor, state, add, becomes };
  }

  it('list jobs by state, retry one or all that failed, and cancel one', async (t) => {
    const { visitor, state, add, becomes } = await startJobs(t);
    assert.match((await visitor.get('/ui/jobs')).text, /There is no such job/);
    const [first, second] = [await add('one'), await add('two')];
    const waiting = await add('later', Date.now() + 3_600_000);
    for (const id of [first, second]) await becomes(id, 'failed');
    const failed = await visitor.get('/ui/jobs?state=failed');
    assert.match(failed.text, /chore two <b>HTTP 503<\/b> failed/);
    assert.ok(!failed.html.includes('<b>HTTP'));
    assert.ok(!failed.text.includes('later'));
    assert.match((await visitor.get('/ui/jobs?state=odd')).text, /"odd" is no state of a job/);

    state.isBroken = false;
    const retried = await visitor.send('/ui/jobs/retry?state=failed', { id: String(first) });
    assert.match(retried.text, /1 job will run again now/);
    await becomes(first, 'done');
    assert.match((await visitor.send('/ui/jobs/retry-failed', {})).text, /1 job will run again now/);
    await becomes(second, 'done');
    const cancelled = await visitor.send('/ui/jobs/cancel', { id: String(waiting) });
    assert.match(cancelled.text, new RegExp(`Job ${waiting} is cancelled`));
    const again = await visitor.post('/ui/jobs/cancel', { id: String(waiting) });
    assert.equal(again.status, 400);
    assert.match(again.text, /cannot be cancelled: it is cancelled/);
  });

  it('show how far each repository has come, and look again when they are told to', async (t) => {
    const sync = '[[sync]]\nname = "team"\nsource = "ex.test/team/app"\n';
    const { visitor, proxy } = await startDashboard(t, { toml: `${guarded}${sync}` });
    await signIn(visitor);
    assert.match((await visitor.get('/ui/sync')).text, /Nothing is mirrored ahead/);
    await proxy.app.administration.sync(['team'], {});
    assert.match((await visitor.get('/ui/sync')).text, /ex\.test\/team\/app done 1 of 1/);
    const tags = await visitor.get('/ui/sync?image=ex.test/team/app');
    assert.match(tags.text, /:1\.0 done team/);
    assert.match((await visitor.send('/ui/sync/resync', {})).text, /1 job will look at it now/);
  });
});

describe('the pages of the configuration', () => {
  it('explain an image, and say what is wrong with a name', async (t) => {
    const { visitor, registry } = await startGuarded(t);
    await signIn(visitor);
    const { text, html } = await visitor.get('/ui/explain?reference=ex.test/team/app:1.0');
    assert.match(text, new RegExp(`1 ${registry.host}/team/app:1.0 source insecure`));
    assert.match(html, /<svg class="drawing"[^>]* role="img" aria-label="Asked in this order: /);
    const refused = await visitor.get('/ui/explain?reference=other.test/app');
    assert.match(refused.text, /Refused .*other\.test.* source not asked/);
    assert.match((await visitor.get('/ui/explain?reference=UPPER')).text, /the reference "UPPER"/);
  });

  it('show settings with their sources, and no defaults unless they are asked for', async (t) => {
    const { visitor, proxy } = await startGuarded(t);
    await signIn(visitor);
    const set = await visitor.get('/ui/configuration');
    assert.match(set.text, new RegExp(`access\\.anonymous \\["pull"\\] ${proxy.folder}/entrepot\\.toml:2`));
    assert.ok(!set.text.includes('transfer.'));
    assert.match((await visitor.get('/ui/configuration?all=1')).text, /transfer\.\w+ .* default/);
    assert.match(set.text, /htpasswd no \[\[access\.rule\]\] names the account "bob"/);
    writeFileSync(join(proxy.folder, 'htpasswd'), 'bob:x\n', { flag: 'a' });
    const { text } = await visitor.get('/ui/configuration');
    assert.match(text, /htpasswd:3 /, 'what is wrong with the file of accounts by now');
  });
});

describe('the page of a pushed manifest without a tag', () => {
  it('says that no pull brings it back, and purges it', async (t) => {
    const rule = '[[push]]\nmatch = "images.local/**"\nmode = "local"\n';
    const toml = `${guarded.replace('["pull"]', '["pull", "push"]')}${rule}`;
    const { visitor, proxy } = await startDashboard(t, { toml });
    await signIn(visitor);
    const to = pusher(proxy.url, 'images.local/team/app');
    for (const blob of ['{}', 'a layer']) await to.blob(blob);
    const json = imageManifest(['{}', 'a layer']);
    const digest = sha256(JSON.stringify(json));
    assert.equal((await to.manifest(digest, json)).status, 201);
    const reference = `images.local/team/app@${digest}`;
    const { text, html } = await visitor.get(`/ui/image?reference=${encodeURIComponent(reference)}`);
    assert.ok(text.includes(en.image.purgeHosted));
    assert.match(html, /name="hosted" value="1"/);
    const purged = await visitor.post('/ui/image/purge', { what: reference, hosted: '1' });
    assert.equal(purged.status, 303);
    assert.equal((await to.send('GET', `manifests/${digest}`)).status, 404);
  });
});

describe('the editor', () => {
  async function startEditor(t: TestContext) {
    const dashboard = await startGuarded(t);
    await signIn(dashboard.visitor);
    const path = join(dashboard.proxy.folder, 'entrepot.toml');
    const at = (action: string) => `/ui/editor/${action}?file=${encodeURIComponent(path)}`;
    const review = (text: string) => dashboard.visitor.post(at('review'), { path, text });
    const printOf = (html: string) => /name="print" value="([\w-]+)"/.exec(html)?.[1] ?? '';
    const save = (text: string, print: string) => dashboard.visitor.post(at('save'), { path, text, print });
    return { ...dashboard, path, review, save, printOf };
  }

  it('leaves a line in the audit log of what was saved and what was not, and none of a review', async (t) => {
    const { review, save, printOf, proxy } = await startEditor(t);
    const file = join(proxy.folder, 'audit.log');
    const text = `${guarded}[audit]\nfile = "${file}"\n`;
    await save(text, printOf((await review(text)).html));
    assert.match((await save(`${text}wrong = 1\n`, 'x')).text, /wrong/);
    await save(`${text}# more\n`, printOf((await review(`${text}# more\n`)).html));
    const lines = await eventually('the lines of three saves', () => {
      const found = readFileSync(file, 'utf8')
        .split('\n')
        .filter((line) => line.includes('"editor '));
      return found.length >= 3 ? found : undefined;
    });
    const outcomes = lines.map((line) => JSON.parse(line) as { command: string; outcome: string });
    assert.deepEqual(
      outcomes.map(({ command, outcome }) => `${command} ${outcome}`),
      ['editor save done', 'editor save failed', 'editor save done'],
    );
  });

  it('saves a text that was reviewed, keeps the mode of the file, and puts it in force', async (t) => {
    const { visitor, path, review, save, printOf, proxy } = await startEditor(t);
    chmodSync(path, 0o640);
    const listed = await visitor.get('/ui/editor');
    assert.match(listed.text, new RegExp(`${path} can be edited`));
    const opened = await visitor.get(`/ui/editor?file=${encodeURIComponent(path)}`);
    assert.ok(opened.text.includes('htpasswd = "htpasswd"'));
    const strange = await review(guarded.replace('ann', 'eve'));
    assert.match(strange.text, /entrepot\.toml:4: \[\[access\.rule\]\] who = "eve" stands for no client/);
    const text = `${guarded}[freshness]\ntag = "5m"\n`;
    const reviewed = await review(text.replaceAll('\n', '\r\n'));
    assert.match(reviewed.text, /8 \+ added \[freshness\] 9 \+ added tag = "5m"/);
    assert.equal(readFileSync(path, 'utf8'), guarded, 'a review saves nothing');
    const saved = await save(text.replaceAll('\n', '\r\n'), printOf(reviewed.html));
    assert.equal(saved.status, 303);
    assert.equal(readFileSync(path, 'utf8'), text);
    assert.equal(statSync(path).mode & 0o777, 0o640);
    assert.match((await visitor.get(saved.to!)).text, /Saved, and in force/);
    assert.match((await visitor.get('/ui/configuration')).text, /freshness\.tag "5m"/);
    assert.deepEqual(
      readdirSync(proxy.folder).filter((name) => name.endsWith('.tmp')),
      [],
    );
  });

  it('refuses what the loader refuses, names the line, and keeps what was typed', async (t) => {
    const { path, review, save } = await startEditor(t);
    const text = `${guarded}[freshnes]\ntag = "5m"\n`;
    const reviewed = await review(text);
    assert.match(reviewed.text, /entrepot\.toml:8: unknown .*"freshnes"/);
    assert.ok(!reviewed.html.includes('name="print"'));
    assert.ok(reviewed.text.includes('[freshnes] tag = "5m"'));
    const forced = await save(text, createHash('sha256').update(guarded).digest('base64url'));
    assert.match(forced.text, /entrepot\.toml:8: unknown/);
    assert.ok(forced.text.includes('[freshnes] tag = "5m"'));
    assert.equal(readFileSync(path, 'utf8'), guarded);
  });

  it('loses no change that another hand has made meanwhile', async (t) => {
    const { path, review, save, printOf } = await startEditor(t);
    const mine = `${guarded}[freshness]\ntag = "5m"\n`;
    const print = printOf((await review(mine)).html);
    const theirs = `${guarded}[log]\nlevel = "warn"\n`;
    writeFileSync(path, theirs);
    const refused = await save(mine, print);
    assert.match(refused.text, /has changed since it was opened/);
    assert.match(refused.text, /removed \[log\]/);
    assert.match(refused.text, /added \[freshness\]/);
    assert.equal(readFileSync(path, 'utf8'), theirs);
    assert.equal((await save(mine, printOf(refused.html))).status, 303, 'the second look saves it');
  });

  it('works in the program, which says what it could not put in force', async (t) => {
    const folder = tempFolder(t);
    const path = join(folder, 'entrepot.toml');
    const before = 'listen = "127.0.0.1:0"\n';
    writeFileSync(path, before);
    writeFileSync(join(folder, 'registries.conf'), '[[registry]]\nlocation = "ex.test"\n');
    const { url } = await startProgramIn(t, folder);
    const { json } = await runCommand({ folder, data: join(folder, 'data') }, 'dashboard', '--json');
    const visitor = createVisitor(url);
    assert.equal(new URL(json.url).origin, url, 'the address that the program listens on');
    const code = new URL(json.url).searchParams.get('code') ?? '';
    await visitor.send('/ui/sign-in', { code });
    const save = async (text: string) => {
      const at = (action: string) => `/ui/editor/${action}?file=${encodeURIComponent(path)}`;
      const { html } = await visitor.post(at('review'), { path, text });
      const [, print = ''] = /name="print" value="([\w-]+)"/.exec(html) ?? [];
      return await visitor.post(at('save'), { path, text, print });
    };
    const saved = await save(`${before}[freshness]\ntag = "5m"\n`);
    assert.equal(saved.status, 303, saved.text);
    assert.match((await visitor.get('/ui/configuration')).text, /freshness\.tag "5m"/);
    // A password file that is right for the loader and cannot be used.
    writeFileSync(join(folder, 'htpasswd'), 'ann:plain text\n');
    const refused = await save(`${before}[access]\nhtpasswd = "htpasswd"\n`);
    assert.equal(refused.status, 200);
    assert.match(refused.text, /That did not work .*htpasswd/);
    assert.match((await visitor.get('/ui/configuration')).text, /freshness\.tag "5m"/);
  });

  it('opens no file but those of the configuration', async (t) => {
    const { visitor, proxy } = await startEditor(t);
    const secret = join(proxy.folder, 'htpasswd');
    const opened = await visitor.get(`/ui/editor?file=${encodeURIComponent(secret)}`);
    assert.equal(opened.status, 400);
    assert.ok(!opened.html.includes('$2'));
    const before = readFileSync(secret, 'utf8');
    for (const action of ['review', 'save']) {
      const sent = await visitor.post(`/ui/editor/${action}`, { path: secret, text: 'x', print: 'x' });
      assert.ok(!sent.html.includes('$2'), action);
    }
    assert.equal(readFileSync(secret, 'utf8'), before);
  });

  it('is closed for a client that may only look', async (t) => {
    const { visitor, proxy } = await startDashboard(t);
    const path = join(proxy.folder, 'entrepot.toml');
    assert.match((await visitor.get('/ui/editor')).text, /Only a session that may administer edits files/);
    const sent = await visitor.post('/ui/editor/save', { path, text: '', print: '' });
    assert.equal(sent.status, 403);
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
