/** Events that registries tell: `POST /events/NAME`, from the request to the jobs in the index. */
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { rmSync, writeFileSync } from 'node:fs';
import { Agent } from 'node:http';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import type { Job } from '../../src/jobs/job.ts';
import { type RunningApp, startApp } from '../support/app.ts';
import { createManualClock } from '../support/clock.ts';
import { eventually } from '../support/eventually.ts';
import { startFakeRegistry } from '../support/fake-registry.ts';
import { type GetOptions, get } from '../support/http-client.ts';
import { buildImage } from '../support/images.ts';
import { raw } from '../support/raw-http.ts';
import { tempFolder } from '../support/temp-folder.ts';

const isLong = process.env.LONG === '1';
const secret = 'correct horse battery staple';
const registry = 'registry.gitlab.corp:5050';
const digest = `sha256:${'a'.repeat(64)}`;
// Nothing listens there: what becomes of the jobs is told elsewhere.
const registries = `[[registry]]\nprefix = "${registry}"\nlocation = "127.0.0.1:1"\n`;

interface Sent extends GetOptions {
  readonly name?: string;
}

async function start(
  t: TestContext,
  lines = 'format = "distribution"',
  deps: Parameters<typeof startApp>[2] = {},
): Promise<RunningApp> {
  const folder = tempFolder(t);
  writeFileSync(join(folder, 'secret'), `${secret}\n`);
  const toml = `[[events.in]]\nname = "gitlab"\nsecret_file = "secret"\nregistry = "${registry}"\n${lines}\n`;
  return startApp(t, { folder, registries, toml }, deps);
}

function post({ url }: RunningApp, body: unknown, { name = 'gitlab', headers, ...options }: Sent = {}) {
  return get(`${url}/events/${name}`, {
    method: 'POST',
    headers: { authorization: secret, ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
    ...options,
  });
}

function push(changes: Record<string, unknown> = {}, more: Record<string, unknown> = {}) {
  return {
    id: 'e1',
    action: 'push',
    target: {
      mediaType: 'application/vnd.oci.image.index.v1+json',
      digest,
      repository: 'group/project',
      url: `http://evil.example/v2/group/project/manifests/${digest}`,
      tag: 'v1',
      ...changes,
    },
    request: { host: 'evil.example', useragent: 'docker/27.0.1' },
    source: { addr: 'evil.example:443' },
    ...more,
  };
}

async function jobsOf({ app }: RunningApp): Promise<readonly Job[]> {
  return (await app.jobs.list({ limit: 100_000 })).toReversed();
}

async function keysOf(proxy: RunningApp): Promise<readonly string[]> {
  // Of one key there may be several: the ones before were done.
  return [...new Set((await jobsOf(proxy)).map(({ key }) => key))];
}

/** `entrepot_events_total` of the sender, by result. */
async function counts({ url }: RunningApp): Promise<Record<string, number>> {
  const { body } = await get(`${url}/metrics`);
  const samples = body
    .toString()
    .matchAll(/^entrepot_events_total\{sender="gitlab",result="(\w+)"\} (\d+)$/gm);
  return Object.fromEntries(
    [...samples].map(([, result, count]) => [result, Number(count)]).filter(([, count]) => count !== 0),
  );
}

describe('POST /events/NAME', () => {
  it('answers 202 with an empty body, and has a job then', async (t) => {
    const proxy = await start(t);
    const { status, body, headers } = await post(proxy, { events: [push()] });
    assert.deepEqual([status, body.length, headers['content-length']], [202, 0, '0']);
    const [job, ...others] = await jobsOf(proxy);
    assert.deepEqual(others, []);
    const { at, ...change } = job!.arguments as { at: number };
    assert.deepEqual(change, {
      image: `${registry}/group/project`,
      tag: 'v1',
      digest,
      change: 'updated',
      sender: 'gitlab',
    });
    assert.equal(typeof at, 'number');
    assert.deepEqual([job!.kind, job!.key], ['replicate', `${registry}/group/project:v1`]);
    assert.deepEqual(await counts(proxy), { accepted: 1 });
  });

  it('keeps the job over a restart', async (t) => {
    const proxy = await start(t);
    await post(proxy, { events: [push()] });
    await proxy.stop();
    const again = await startApp(t, { folder: proxy.folder, registries });
    assert.deepEqual(await keysOf(again), [`${registry}/group/project:v1`]);
  });

  it('takes the registry from the configuration, whatever the event says', async (t) => {
    const proxy = await start(t);
    const names = ['evil.example/app', 'evil.example:5000/app', '../../app', '//app', 'docker.io', 'a/../b'];
    for (const [at, repository] of names.entries()) {
      const { status } = await post(proxy, { events: [push({ repository }, { id: `${at}` })] });
      assert.equal(status, 202);
    }
    const keys = await keysOf(proxy);
    assert.ok(keys.length > 0);
    for (const key of keys) assert.ok(key.startsWith(`${registry}/`), key);
  });

  it('takes names of one to many components', async (t) => {
    const proxy = await start(t);
    const names = ['app', 'group/app', 'group/sub/project/app'];
    await post(proxy, { events: names.map((repository, at) => push({ repository }, { id: `${at}` })) });
    assert.deepEqual(
      await keysOf(proxy),
      names.map((name) => `${registry}/${name}:v1`),
    );
  });

  it('takes a name that begins with the registry, as another Entrepot tells it', async (t) => {
    const proxy = await start(t);
    await post(proxy, { events: [push({ repository: `${registry}/app` })] });
    assert.deepEqual(await keysOf(proxy), [`${registry}/app:v1`]);
  });

  it('takes any Content-Type, version 1 of the envelope, and a list of events', async (t) => {
    const proxy = await start(t);
    const type = (version: number) => `application/vnd.docker.distribution.events.v${version}+json`;
    for (const [tag, contentType] of Object.entries({ a: type(1), b: type(2), c: 'text/plain', d: '' })) {
      const headers: Record<string, string> = contentType === '' ? {} : { 'content-type': contentType };
      assert.equal((await post(proxy, { events: [push({ tag })] }, { headers })).status, 202);
    }
    assert.equal((await post(proxy, [push({ tag: 'e' }), push({ tag: 'f' })])).status, 202);
    const tags = (await keysOf(proxy)).map((key) => key.split(':').at(-1));
    assert.deepEqual(tags, ['a', 'b', 'c', 'd', 'e', 'f']);
  });

  it('counts what it does not understand as ignored, and says why in the log', async (t) => {
    const proxy = await start(t, `format = "distribution"\nmatch = "${registry}/group/**"`);
    const bodies = [
      { events: [push({}, { action: 'pull' })] },
      { events: [push({}, { action: 'reticulate' })] },
      { events: [push({ mediaType: 'application/octet-stream', tag: undefined })] },
      { events: [push({ repository: 'other/app' })] },
      { events: [push({ tag: '../../etc/passwd' })] },
      { events: [push({ digest: 'md5:1', tag: undefined })] },
      { events: [null, 7, 'push', [], {}] },
      { events: 'none' },
      {},
      [],
      null,
      '"text"',
    ];
    for (const body of bodies) assert.equal((await post(proxy, body)).status, 202, JSON.stringify(body));
    assert.deepEqual(await keysOf(proxy), []);
    assert.deepEqual(await counts(proxy), { ignored: 15 });
    const reasons = proxy.log.filter(({ event }) => event === 'http.request').map(({ reason }) => reason);
    assert.ok(reasons.includes('events: 0 accepted, 0 known, 1 ignored (its repository is outside match)'));
    assert.ok(!JSON.stringify(proxy.log).includes('passwd'));
  });

  it('refuses what is no JSON, is nested too deep, or holds too much', async (t) => {
    const proxy = await start(t);
    const deep = `{"events":${'['.repeat(10_000)}${']'.repeat(10_000)}}`;
    for (const body of ['', '{', 'events', `{"events":[${'{},'.repeat(120_000)}{}]}`, deep]) {
      assert.equal((await post(proxy, body)).status, 400, body.slice(0, 20));
    }
    assert.deepEqual(await counts(proxy), { refused: 5 });
  });

  it('refuses more than 1 MiB: before it is read where its length is known, and in the middle elsewhere', async (t) => {
    const proxy = await start(t);
    const head = `POST /events/gitlab HTTP/1.1\r\nHost: a\r\nAuthorization: ${secret}\r\n`;
    const known = await raw(proxy.url, `${head}Content-Length: 1048577\r\n\r\n`, /413/);
    assert.match(known, /^HTTP\/1\.1 413 /);
    const chunk = `10000\r\n${'x'.repeat(65_536)}\r\n`;
    const endless = await raw(
      proxy.url,
      `${head}Transfer-Encoding: chunked\r\n\r\n${chunk.repeat(17)}`,
      /413/,
    );
    assert.match(endless, /^HTTP\/1\.1 413 /);
    const exact = JSON.stringify({ events: [push()], pad: '' });
    const body = exact.replace('"pad":""', `"pad":"${'x'.repeat(1024 * 1024 - exact.length)}"`);
    assert.equal(body.length, 1024 * 1024);
    assert.equal((await post(proxy, body)).status, 202);
  });

  it('ends a body that goes on for ever', async (t) => {
    const clock = createManualClock();
    const proxy = await start(t, undefined, { clock });
    const head = `POST /events/gitlab HTTP/1.1\r\nHost: a\r\nAuthorization: ${secret}\r\nContent-Length: 100\r\n\r\n{`;
    // The minute of the status began with the server; that of the body is another one.
    await clock.advance(1);
    const answer = raw(proxy.url, head);
    await clock.armed(60_000);
    await clock.advance(60_000);
    assert.doesNotMatch(await answer, / 202 /);
    assert.deepEqual(await keysOf(proxy), []);
  });

  it('knows no other name, and no other method', async (t) => {
    const proxy = await start(t);
    for (const name of [
      '',
      'gitlab2',
      'gitlab/',
      'gitlab/x',
      'GITLAB',
      '%67itlab',
      'constructor',
      '__proto__',
    ])
      assert.equal((await post(proxy, { events: [push()] }, { name })).status, 404, name);
    for (const method of ['GET', 'PUT', 'DELETE', 'HEAD']) {
      const { status, headers } = await get(`${proxy.url}/events/gitlab`, { method });
      assert.deepEqual([status, headers.allow], [405, 'POST'], method);
    }
    assert.deepEqual(await keysOf(proxy), []);
  });

  it('does not ask for an account of [access], and opens nothing else', async (t) => {
    const proxy = await start(
      t,
      'format = "distribution"\n[access]\nanonymous = []\nhtpasswd = "users"',
    ).catch(() => undefined);
    assert.equal(proxy, undefined, 'there is no such file yet');
    const folder = tempFolder(t);
    writeFileSync(join(folder, 'secret'), secret);
    writeFileSync(join(folder, 'users'), '');
    const sender = `[[events.in]]\nname = "gitlab"\nformat = "distribution"\nsecret_file = "secret"\nregistry = "${registry}"\n`;
    const toml = `${sender}[access]\nanonymous = []\nhtpasswd = "users"\n`;
    const closed = await startApp(t, { folder, registries, toml });
    assert.equal((await post(closed, { events: [push()] })).status, 202);
    for (const path of [
      '/v2/',
      '/v2/events/gitlab/manifests/v1',
      '/events/../v2/',
      '/events/gitlab/../../v2/',
    ]) {
      const { status } = await get(`${closed.url}${path}`, { headers: { authorization: secret } });
      assert.ok(status === 401 || status === 404, `${path}: ${status}`);
    }
  });
});

describe('the secret of a sender', () => {
  const basic = (user: string, password: string) =>
    `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
  const signature = (body: string, by = secret) => createHmac('sha256', by).update(body).digest('hex');

  it('may come as it is, as Bearer, as the password of Basic, and as a signature of the body', async (t) => {
    const proxy = await start(t);
    const body = JSON.stringify({ events: [push()] });
    for (const authorization of [
      secret,
      `Bearer ${secret}`,
      `bearer ${secret}`,
      basic('any', secret),
      basic('', secret),
    ])
      assert.equal((await post(proxy, body, { headers: { authorization } })).status, 202, authorization);
    for (const value of [
      `sha256=${signature(body)}`,
      signature(body),
      `SHA256=${signature(body).toUpperCase()}`,
    ]) {
      const { status } = await get(`${proxy.url}/events/gitlab`, {
        method: 'POST',
        body,
        headers: { 'x-hub-signature-256': value },
      });
      assert.equal(status, 202, value);
    }
  });

  it('may be signed in another header', async (t) => {
    const proxy = await start(t, 'format = "distribution"\nsignature_header = "X-Registry-Signature"');
    const body = JSON.stringify({ events: [push()] });
    const send = (header: string) =>
      get(`${proxy.url}/events/gitlab`, { method: 'POST', body, headers: { [header]: signature(body) } });
    assert.equal((await send('X-Registry-Signature')).status, 202);
    assert.equal((await send('X-Hub-Signature-256')).status, 401);
  });

  it('is refused where it is wrong: 401, a metric, and a line that names sender and header, and no value', async (t) => {
    const proxy = await start(t, undefined, { clock: createManualClock() });
    const body = JSON.stringify({ events: [push()] });
    const wrong: readonly (readonly [Record<string, string>, string])[] = [
      [{ authorization: 'wrong-secret' }, 'Authorization'],
      [{ 'x-hub-signature-256': `sha256=${signature(body, 'wrong-secret')}` }, 'x-hub-signature-256'],
      [{ 'x-hub-signature-256': secret }, 'x-hub-signature-256'],
      [{}, 'no header'],
    ];
    for (const [headers] of wrong) {
      const { status, headers: answered } = await get(`${proxy.url}/events/gitlab`, {
        method: 'POST',
        body,
        headers,
      });
      assert.deepEqual([status, answered['www-authenticate']], [401, 'Basic realm="events"']);
    }
    assert.deepEqual(await counts(proxy), { refused: 4 });
    const lines = proxy.log.filter(({ event }) => event === 'events.refused');
    assert.deepEqual(
      lines.map(({ sender, where, client }) => [sender, where, client]),
      wrong.map(([, where]) => ['gitlab', where, '127.0.0.1']),
    );
    const log = JSON.stringify(proxy.log);
    for (const value of ['wrong-secret', secret, signature(body, 'wrong-secret')])
      assert.ok(!log.includes(value));
    assert.deepEqual(await keysOf(proxy), []);
  });

  it('is not part of itself, of another case, or followed by anything', async (t) => {
    const proxy = await start(t);
    const texts = [
      secret.slice(0, -1),
      `${secret}x`,
      secret.toUpperCase(),
      'Bearer',
      'Basic',
      'Basic x',
      basic(secret, ''),
    ];
    for (const authorization of texts.slice(0, 4))
      assert.equal((await post(proxy, {}, { headers: { authorization } })).status, 401, authorization);
    const again = await start(t);
    for (const authorization of texts.slice(4))
      assert.equal((await post(again, {}, { headers: { authorization } })).status, 401, authorization);
  });

  it('is guessed slowly: answers wait longer and longer', async (t) => {
    const clock = createManualClock();
    const proxy = await start(t, undefined, { clock });
    const guess = () => post(proxy, {}, { headers: { authorization: 'guess' } });
    for (let n = 0; n < 4; n++) assert.equal((await guess()).status, 401);
    let isOver = false;
    const fifth = guess().then(({ status }) => {
      isOver = true;
      return status;
    });
    await clock.armed(500);
    assert.equal(isOver, false);
    await clock.advance(500);
    assert.equal(await fifth, 401);
    assert.equal((await post(proxy, { events: [push()] })).status, 202, 'the sender does not wait');
  });

  it('may be the last part of the path where the sender can send no header, and no log shows it', async (t) => {
    const proxy = await start(t, 'format = "dockerhub"\nsecret_in_path = true');
    const body = { push_data: { tag: 'v1' }, repository: { repo_name: 'team/app' } };
    const send = (path: string, headers = {}) =>
      get(`${proxy.url}${path}`, { method: 'POST', body: JSON.stringify(body), headers });
    assert.equal((await send(`/events/gitlab/${encodeURIComponent(secret)}`)).status, 202);
    assert.equal((await send('/events/gitlab/guessed-in-vain')).status, 401);
    assert.equal((await send('/events/gitlab/%ff')).status, 401);
    assert.equal((await send('/events/gitlab')).status, 401);
    assert.equal((await send('/events/gitlab', { authorization: secret })).status, 202);
    assert.equal((await send('/events/other/guessed-in-vain')).status, 404);
    assert.deepEqual(await keysOf(proxy), [`${registry}/team/app:v1`]);
    const log = JSON.stringify(proxy.log);
    for (const text of [encodeURIComponent(secret), secret, 'guessed-in-vain'])
      assert.ok(!log.includes(text), text);
    assert.ok(log.includes('/events/gitlab/...'));
  });

  it('is read again when its file has changed', async (t) => {
    const proxy = await start(t);
    writeFileSync(join(proxy.folder, 'secret'), 'another one');
    assert.equal((await post(proxy, { events: [push()] })).status, 401);
    const headers = { authorization: 'another one' };
    assert.equal((await post(proxy, { events: [push()] }, { headers })).status, 202);
  });

  it('makes the sender try again later where its file cannot be read', async (t) => {
    const folder = tempFolder(t);
    const toml = `[[events.in]]\nname = "gitlab"\nformat = "distribution"\nsecret_file = "secret"\nregistry = "${registry}"\n`;
    const proxy = await startApp(t, { folder, registries, toml });
    const { status, headers } = await post(proxy, { events: [push()] });
    assert.deepEqual([status, headers['retry-after']], [503, '30']);
    assert.ok(
      proxy.log.some(({ event, sender }) => event === 'events.secretUnusable' && sender === 'gitlab'),
    );
    writeFileSync(join(folder, 'secret'), secret);
    assert.equal((await post(proxy, { events: [push()] })).status, 202);
    rmSync(join(folder, 'secret'));
  });
});

describe('an event that comes again', () => {
  it('is known by its id, also after a restart, and other content under the same id is not', async (t) => {
    const proxy = await start(t);
    const body = { events: [push()] };
    for (let n = 0; n < 3; n++) await post(proxy, body);
    assert.deepEqual(await counts(proxy), { accepted: 1, duplicate: 2 });
    await post(proxy, { events: [push({ digest: `sha256:${'b'.repeat(64)}` })] });
    assert.deepEqual(await counts(proxy), { accepted: 2, duplicate: 2 });
    await proxy.stop();
    const toml = `[[events.in]]\nname = "gitlab"\nformat = "distribution"\nsecret_file = "secret"\nregistry = "${registry}"\n`;
    const again = await startApp(t, { folder: proxy.folder, registries, toml });
    await post(again, body);
    assert.deepEqual(await counts(again), { duplicate: 1 });
  });

  it('is known though its id has nearly a megabyte', async (t) => {
    const proxy = await start(t);
    const body = { events: [push({}, { id: 'i'.repeat(1_000_000) })] };
    await post(proxy, body);
    await post(proxy, body);
    assert.deepEqual(await counts(proxy), { accepted: 1, duplicate: 1 });
  });

  it('counts each time without an id, and joins the job that waits', async (t) => {
    const proxy = await start(t);
    for (let n = 0; n < 3; n++) await post(proxy, { events: [push({}, { id: undefined })] });
    assert.deepEqual(await counts(proxy), { accepted: 3 });
    assert.equal(new Set(await keysOf(proxy)).size, 1);
  });
});

describe('events of this server itself', () => {
  it('are ignored, by Via and by User-Agent', async (t) => {
    const proxy = await start(t, undefined, { version: '1.2.3' });
    await post(proxy, { events: [push({}, { request: { useragent: 'entrepot/1.2.3' } })] });
    assert.deepEqual(await counts(proxy), { ignored: 1 });
    await post(proxy, { events: [push({}, { request: { useragent: 'entrepot/1.2.4' } })] });
    assert.deepEqual(await counts(proxy), { ignored: 1, accepted: 1 });
  });
});

describe('the senders in force', () => {
  const sender = (name: string) =>
    `[[events.in]]\nname = "${name}"\nformat = "distribution"\nsecret_file = "secret"\nregistry = "${registry}"\n`;

  it('change with a reload', async (t) => {
    const proxy = await start(t);
    assert.equal((await post(proxy, {}, { name: 'other' })).status, 404);
    await proxy.reload({ toml: sender('other') });
    assert.equal((await post(proxy, {}, { name: 'other' })).status, 202);
    assert.equal((await post(proxy, {})).status, 404);
  });
});

describe('a job for a whole registry', () => {
  it('becomes a job for each of its images that are here and match, and for its [[sync]] blocks', async (t) => {
    const upstream = await startFakeRegistry();
    t.after(() => upstream.stop());
    const names = ['group/a', 'group/b', 'other/c'];
    for (const name of names) upstream.putImage(name, 'v1', buildImage());
    const folder = tempFolder(t);
    writeFileSync(join(folder, 'secret'), secret);
    const toml = `[[events.in]]\nname = "gitlab"\nformat = "distribution"\nsecret_file = "secret"\nregistry = "${registry}"
match = "${registry}/group/**"\n[[sync]]\nname = "ours"\nsource = "{quay.io,${registry}}/group/new"\n[[sync]]\nname = "others"\nsource = "quay.io/a/b"\n`;
    const proxy = await startApp(t, {
      folder,
      registries: `[[registry]]\nprefix = "${registry}"\nlocation = "${upstream.host}"\ninsecure = true\n`,
      toml,
    });
    for (const name of names) await get(`${proxy.url}/v2/${registry}/${name}/manifests/v1`);
    const kind = 'registry';
    const id = await proxy.app.jobs.add({
      kind,
      key: 'gitlab',
      arguments: null,
      priority: 0,
      cause: 'event',
    });
    const gone = await proxy.app.jobs.add({
      kind,
      key: 'no-more',
      arguments: null,
      priority: 0,
      cause: 'event',
    });
    await eventually('both are over', async () => {
      const states = await Promise.all(
        [id, gone].map(async (one) => (await proxy.app.jobs.find(one))?.state),
      );
      return states.join() === 'done,done';
    });
    const jobs = (await jobsOf(proxy))
      .filter((job) => job.kind !== kind)
      .map((job) => `${job.kind} ${job.key}`);
    assert.deepEqual(jobs.toSorted(), [
      `replicate ${registry}/group/a`,
      `replicate ${registry}/group/b`,
      'sync ours',
    ]);
  });
});

describe('a job for a whole registry, whose block has a glob', () => {
  for (const catalogue of [true, false]) {
    const what = catalogue ? 'brings repositories that were not here' : 'says where there is no catalogue';
    it(what, async (t) => {
      const upstream = await startFakeRegistry({ catalogue });
      t.after(() => upstream.stop());
      for (const name of ['group/known', 'group/new']) upstream.putImage(name, 'v1', buildImage());
      const folder = tempFolder(t);
      writeFileSync(join(folder, 'secret'), secret);
      const proxy = await startApp(t, {
        folder,
        registries: `[[registry]]\nprefix = "${registry}"\nlocation = "${upstream.host}"\ninsecure = true\n`,
        toml: `[[events.in]]\nname = "gitlab"\nformat = "distribution"\nsecret_file = "secret"\nregistry = "${registry}"
[[sync]]\nname = "all"\nsource = "${registry}/group/**"\n`,
      });
      await get(`${proxy.url}/v2/${registry}/group/known/manifests/v1`);
      const events = Array.from({ length: 300 }, (_, n) =>
        push({ repository: `group/${n}` }, { id: `${n}` }),
      );
      assert.equal((await post(proxy, { events })).status, 202);
      const run = await eventually('the block has run', async () =>
        (await jobsOf(proxy)).find(({ kind, state }) => kind === 'sync' && state === 'done'),
      );
      await upstream.refuse();
      const pulled = await get(`${proxy.url}/v2/${registry}/group/new/manifests/v1`);
      assert.equal(pulled.status, catalogue ? 200 : 502);
      const { warning } = run.progress as { warning: string | null };
      if (catalogue) assert.equal(warning, null);
      else assert.match(warning ?? '', /the catalogue of .* could not be read/);
    });
  }
});

describe('many events at once', () => {
  it('become as many jobs as a body may make, then one for each repository, then one for the registry', async (t) => {
    const proxy = await start(t);
    const body = (count: number, of: (n: number) => Record<string, unknown>) => ({
      events: Array.from({ length: count }, (_, n) => push(of(n), { id: `${n}` })),
    });
    await post(
      proxy,
      body(101, (n) => ({ repository: `group/${n % 2}`, tag: `v${n}` })),
    );
    assert.deepEqual((await keysOf(proxy)).toSorted(), [`${registry}/group/0`, `${registry}/group/1`]);
    await post(
      proxy,
      body(300, (n) => ({ repository: `group/many-${n}` })),
    );
    assert.deepEqual(
      (await keysOf(proxy)).filter((key) => !key.startsWith(registry)),
      ['gitlab'],
    );
  });

  it('are all taken, and leave a bounded queue', async (t) => {
    const proxy = await start(t);
    const total = isLong ? 100_000 : 3_000;
    let sent = 0;
    const sender = async () => {
      while (sent < total) {
        const n = sent++;
        const { status } = await post(proxy, { events: [push({ tag: `v${n}` }, { id: `${n}` })] }, { agent });
        assert.equal(status, 202);
      }
    };
    const agent = new Agent({ keepAlive: true });
    t.after(() => agent.destroy());
    await Promise.all(Array.from({ length: 50 }, sender));
    assert.deepEqual(await counts(proxy), { accepted: total });
    const waiting = await proxy.app.jobs.list({ states: ['pending'], limit: total });
    assert.ok(waiting.length <= 2001, `${waiting.length} jobs`);
  });
});
