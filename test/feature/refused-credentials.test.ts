/** What happens when a registry refuses a credential, whatever status it says so with, and which of its challenges is answered. */
import assert from 'node:assert/strict';
import { chmodSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { type AppFiles, startApp } from '../support/app.ts';
import { createManualClock } from '../support/clock.ts';
import { entry, readError, startRegistry } from '../support/endpoints.ts';
import type { FakeRegistry } from '../support/fake-registry.ts';
import { status } from '../support/fake-registry-faults.ts';
import { get } from '../support/http-client.ts';
import { buildImage } from '../support/images.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { startTokenServer, type TokenServer, type TokenServerOptions } from '../support/token-server.ts';

const first = buildImage({ seed: 1, layers: [1000] });
const second = buildImage({ seed: 2 });
const third = buildImage({ seed: 3 });

const base64 = (text: string) => Buffer.from(text).toString('base64');
const basic = (pair: string) => `Basic ${base64(pair)}`;
const auths = (host: string, pair: string) => JSON.stringify({ auths: { [host]: { auth: base64(pair) } } });

async function start(t: TestContext): Promise<FakeRegistry> {
  const registry = await startRegistry(t);
  registry.putImage('team/app', '1', first);
  registry.putImage('team/app', '2', second);
  registry.putImage('team/app', '3', third);
  return registry;
}

async function startTokens(t: TestContext, options: TokenServerOptions = {}): Promise<TokenServer> {
  const tokens = await startTokenServer(options);
  t.after(() => tokens.stop());
  return tokens;
}

async function proxyFor(t: TestContext, registry: FakeRegistry, files: Partial<AppFiles> = {}, deps = {}) {
  const registries = files.registries ?? entry('ex.test', { source: registry.host });
  const proxy = await startApp(t, { ...files, registries }, deps);
  const ask = (path = 'manifests/1') => get(`${proxy.url}/v2/ex.test/team/app/${path}`);
  return { proxy, ask };
}

const bearer = (tokens: TokenServer, service = 'fake') =>
  `Bearer realm="${tokens.realm}",service="${service}"`;

/** Lets a request pass that `accepts` its Authorization; any other gets `refusal`, and a bare one 401 with the challenges. */
function guard(
  registry: FakeRegistry,
  accepts: (authorization: string | undefined) => boolean,
  challenges: string | string[],
  refusal = status(401, { 'www-authenticate': challenges }),
): void {
  const isRefused = (authorization: string | undefined) => !accepts(authorization);
  registry.on(
    { early: true, when: ({ headers }) => headers.authorization === undefined && isRefused(undefined) },
    status(401, { 'www-authenticate': challenges }),
  );
  registry.on({ early: true, when: ({ headers }) => isRefused(headers.authorization) }, refusal);
}

const tokenOf = (authorization: string | undefined) => /^Bearer (.+)$/.exec(authorization ?? '')?.[1];
const denied = (code: number) =>
  status(
    code,
    { 'content-type': 'application/json' },
    JSON.stringify({ errors: [{ code: 'DENIED', message: 'Your authorization token has expired.' }] }),
  );

describe('a credential that has ended', () => {
  for (const code of [400, 401, 403]) {
    it(`is an anonymous token that the registry refuses with ${code}: a new one is fetched`, async (t) => {
      const registry = await start(t);
      const tokens = await startTokens(t);
      guard(
        registry,
        (sent) => tokens.judge(tokenOf(sent), undefined) === 'ok',
        bearer(tokens),
        code === 401 ? undefined : denied(code),
      );
      const { ask } = await proxyFor(t, registry);
      assert.equal((await ask('manifests/1')).status, 200);
      tokens.revokeAll();
      assert.equal((await ask('manifests/2')).status, 200);
      assert.equal(tokens.requests.length, 2);
      assert.equal((await ask('manifests/3')).status, 200);
      assert.equal(tokens.requests.length, 2, 'the new token is kept');
    });

    it(`is a password that the registry refuses with ${code}: password_file is read again`, async (t) => {
      const registry = await start(t);
      let password = 'monday';
      const refusal = code === 401 ? undefined : denied(code);
      guard(registry, (sent) => sent === basic(`joe:${password}`), 'Basic realm="x"', refusal);
      const folder = tempFolder(t);
      const file = join(folder, 'password');
      writeFileSync(file, 'monday');
      const toml = `[[upstream.host]]\nhost = "${registry.host}"\nusername = "joe"\npassword_file = "${file}"\n`;
      const { ask } = await proxyFor(t, registry, { folder, toml });
      assert.equal((await ask('manifests/1')).status, 200);
      password = 'tuesday';
      writeFileSync(file, 'tuesday');
      assert.equal((await ask('manifests/2')).status, 200);
    });
  }

  it('is what a helper program gave: it is asked again, whatever status refuses it', async (t) => {
    const registry = await start(t);
    let password = 'monday';
    guard(registry, (sent) => sent === basic(`AWS:${password}`), 'Basic realm="ecr"', denied(403));
    const folder = tempFolder(t);
    const program = join(folder, 'docker-credential-corp');
    writeFileSync(program, `#!/bin/sh\ncat "${folder}/answer"\n`);
    chmodSync(program, 0o755);
    const answer = (Secret: string) =>
      writeFileSync(join(folder, 'answer'), JSON.stringify({ Username: 'AWS', Secret }));
    const env = { PATH: [folder, process.env.PATH].join(delimiter) };
    const registries = `credential-helpers = ["corp"]\n${entry('ex.test', { source: registry.host })}`;
    const { ask } = await proxyFor(t, registry, { registries }, { env });
    answer('monday');
    assert.equal((await ask('manifests/1')).status, 200);
    password = 'tuesday';
    answer('tuesday');
    assert.equal((await ask('manifests/2')).status, 200);
  });

  it('is no longer in the way of what the registry gives to anyone', async (t) => {
    for (const code of [400, 401, 403]) {
      const registry = await start(t);
      let isEnded = false;
      const wantsNone = (sent: string | undefined) => isEnded === (sent === undefined);
      guard(registry, wantsNone, 'Basic realm="x"', denied(code));
      const { ask } = await proxyFor(t, registry, { authJson: auths(registry.host, 'joe:old') });
      assert.equal((await ask('manifests/1')).status, 200);
      isEnded = true;
      assert.equal((await ask('manifests/2')).status, 200, `${code}`);
    }
    const registry = await start(t);
    const tokens = await startTokens(t, { accounts: { joe: { password: 'new' } }, anonymous: /.*/ });
    guard(registry, (sent) => tokens.judge(tokenOf(sent), 'team/app') === 'ok', bearer(tokens));
    const { ask } = await proxyFor(t, registry, { authJson: auths(registry.host, 'joe:old') });
    assert.equal((await ask('manifests/1')).status, 200);
    assert.equal((await ask('manifests/2')).status, 200);
    assert.deepEqual(
      tokens.requests.map(({ authorization }) => authorization),
      [basic('joe:old'), undefined],
    );
  });

  it('is no reason to believe a "not found" that is told to a stranger', async (t) => {
    const clock = createManualClock();
    const registry = await start(t);
    const accounts = { joe: { password: 'right' } };
    const tokens = await startTokens(t, { accounts, anonymous: /^none$/, clock });
    const verdict = (sent: string | undefined) => tokens.judge(tokenOf(sent), 'team/app');
    registry.on(
      { early: true, when: ({ headers }) => verdict(headers.authorization) === 'insufficient_scope' },
      status(404),
    );
    guard(registry, (sent) => verdict(sent) === 'ok', bearer(tokens));
    const authJson = auths(registry.host, 'joe:right');
    const { ask } = await proxyFor(t, registry, { authJson }, { clock });
    assert.equal((await ask()).status, 200);
    accounts.joe.password = 'rotated';
    await clock.advance(600_000);
    const answer = await ask();
    assert.equal(answer.status, 200, 'the tag is kept');
    assert.equal(answer.headers['x-entrepot-cache'], 'stale');
    assert.ok(registry.count({ when: (request) => request.status === 404 }) > 0, 'a stranger was told');
    assert.equal((await ask('manifests/2')).status, 502);
  });
});

describe('a registry that refuses for good', () => {
  it('is asked for a new token once, not at each request', async (t) => {
    const registry = await start(t);
    const tokens = await startTokens(t, { accounts: { joe: { password: 'right' } }, anonymous: /.*/ });
    guard(registry, () => false, bearer(tokens), denied(403));
    const { ask } = await proxyFor(t, registry, { authJson: auths(registry.host, 'joe:right') });
    const answer = readError(await ask());
    assert.equal(answer.status, 502);
    assert.match(
      answer.trail[0]?.reason ?? '',
      /^refuses a token of 127\.0\.0\.1:\d+ for the credentials of \/.+auth\.json \(entry .+\): HTTP 403 \(DENIED: Your authorization token has expired\.\)$/,
    );
    const [asked, bought] = [registry.count(), tokens.requests.length];
    assert.ok(asked <= 5 && bought <= 3, `${asked} requests, ${bought} tokens`);
    for (let time = 0; time < 3; time += 1) assert.equal((await ask()).status, 502);
    assert.equal(tokens.requests.length, bought);
    assert.equal(registry.count(), asked + 3);
  });

  it('gets a wrong password once in half a minute, wherever its challenges may lead', async (t) => {
    const registry = await start(t);
    const tokens = await startTokens(t, { accounts: { joe: { password: 'right' } }, post: false });
    guard(registry, () => false, [bearer(tokens), 'Basic realm="x"']);
    const { ask } = await proxyFor(t, registry, { authJson: auths(registry.host, 'joe:wrong') });
    for (let time = 0; time < 3; time += 1) assert.equal((await ask()).status, 502);
    const isNamed = (authorization: string | undefined) => authorization === basic('joe:wrong');
    assert.equal(tokens.requests.filter(({ authorization }) => isNamed(authorization)).length, 1);
    assert.equal(registry.count({ when: ({ headers }) => isNamed(headers.authorization) }), 1);
  });

  it('is quoted without the secret that it repeats', async (t) => {
    const registry = await start(t);
    const echo = { errors: [{ code: 'DENIED', message: `bad login joe:hunter2 (${basic('joe:hunter2')})` }] };
    const json = { 'content-type': 'application/json' };
    guard(registry, () => false, 'Basic realm="x"', status(401, json, JSON.stringify(echo)));
    const { ask, proxy } = await proxyFor(t, registry, { authJson: auths(registry.host, 'joe:hunter2') });
    const answer = await ask();
    assert.match(readError(answer).trail[0]?.reason ?? '', /HTTP 401 \(DENIED: bad login joe:\.\.\. /);
    const all = `${answer.body} ${JSON.stringify(proxy.log)}`;
    assert.ok(!all.includes('hunter2') && !all.includes(base64('joe:hunter2')));
  });
});

describe('of several challenges', () => {
  const orders: [string, (tokens: TokenServer) => string | string[]][] = [
    ['in one header, Basic first', (tokens) => `Basic realm="x", ${bearer(tokens)}`],
    ['in two headers, Basic first', (tokens) => ['Basic realm="x"', bearer(tokens)]],
    ['in two headers, Bearer first', (tokens) => [bearer(tokens), 'Basic realm="x"']],
    [
      'behind schemes that are unknown',
      (tokens) => ['Negotiate', 'NTLM', `Digest realm="x", ${bearer(tokens)}`],
    ],
  ];
  for (const [order, challenges] of orders) {
    it(`${order}, an anonymous pull answers Bearer`, async (t) => {
      const registry = await start(t);
      const tokens = await startTokens(t);
      guard(registry, (sent) => tokens.judge(tokenOf(sent), 'team/app') === 'ok', challenges(tokens));
      const { ask } = await proxyFor(t, registry);
      assert.equal((await ask()).status, 200);
    });

    it(`${order}, an identity token answers Bearer`, async (t) => {
      const registry = await start(t);
      const tokens = await startTokens(t, { accounts: { joe: { password: 'x', identityToken: 'id-7' } } });
      guard(registry, (sent) => tokens.judge(tokenOf(sent), 'team/app') === 'ok', challenges(tokens));
      const folder = tempFolder(t);
      const file = join(folder, 'identity');
      writeFileSync(file, 'id-7');
      const toml = `[[upstream.host]]\nhost = "${registry.host}"\nidentity_token_file = "${file}"\n`;
      const { ask } = await proxyFor(t, registry, { folder, toml });
      assert.equal((await ask()).status, 200);
    });
  }

  it('the one whose token server works is taken', async (t) => {
    for (const how of [405, 401, 503, 'dead'] as const) {
      const registry = await start(t);
      const broken = await startTokens(t);
      const tokens = await startTokens(t);
      if (how === 'dead') await broken.stop();
      else broken.fail(how);
      guard(registry, (sent) => tokens.judge(tokenOf(sent), 'team/app') === 'ok', [
        bearer(broken),
        bearer(tokens),
      ]);
      const { ask } = await proxyFor(t, registry);
      assert.equal((await ask()).status, 200, `${how}`);
    }
  });

  it('Basic is taken with a password when the token server does not know the method', async (t) => {
    const registry = await start(t);
    const tokens = await startTokens(t);
    tokens.fail(405);
    guard(registry, (sent) => sent === basic('joe:right'), [bearer(tokens), 'Basic realm="x"']);
    const { ask } = await proxyFor(t, registry, { authJson: auths(registry.host, 'joe:right') });
    assert.equal((await ask('manifests/1')).status, 200);
    assert.equal((await ask('manifests/2')).status, 200);
    const methods = tokens.requests.map(({ method }) => method);
    assert.deepEqual(methods, ['GET', 'POST'], 'what worked comes first the next time');
  });

  it('what worked last is tried again when an ended token is refused in the name of another realm', async (t) => {
    for (const how of [401, 403, 404, 503] as const) {
      const registry = await start(t);
      const tokens = await startTokens(t);
      const other = await startTokens(t, { address: '127.0.0.2' });
      other.fail(how);
      const elsewhere = status(401, { 'www-authenticate': bearer(other) });
      guard(registry, (sent) => tokens.judge(tokenOf(sent), 'team/app') === 'ok', bearer(tokens), elsewhere);
      const { ask } = await proxyFor(t, registry);
      assert.equal((await ask('manifests/1')).status, 200);
      tokens.revokeAll();
      assert.equal((await ask('manifests/2')).status, 200, `${how}`);
    }
  });

  it('that name what does not help, at last a bare request is sent, and its challenge answered', async (t) => {
    const registry = await start(t);
    const [old, moved] = [await startTokens(t), await startTokens(t)];
    const other = await startTokens(t);
    other.fail(403);
    let named = old;
    const isGood = (sent: string | undefined) => named.judge(tokenOf(sent), 'team/app') === 'ok';
    const elsewhere = status(401, { 'www-authenticate': bearer(other) });
    const isBare = ({ headers }: { headers: { authorization?: string | undefined } }) =>
      !headers.authorization;
    registry.on(
      { early: true, when: (request) => isBare(request) && named === old },
      status(401, { 'www-authenticate': bearer(old) }),
    );
    registry.on({ early: true, when: isBare }, status(401, { 'www-authenticate': bearer(moved) }));
    registry.on({ early: true, when: ({ headers }) => !isGood(headers.authorization) }, elsewhere);
    const { ask } = await proxyFor(t, registry);
    assert.equal((await ask('manifests/1')).status, 200);
    old.fail(410);
    named = moved;
    assert.equal((await ask('manifests/2')).status, 200);
  });

  it('a scope that the registry names is asked for when our own gives nothing', async (t) => {
    const registry = await start(t);
    const tokens = await startTokens(t, { anonymous: /^mapped\/app$/ });
    const challenge = `${bearer(tokens)},scope="repository:mapped/app:pull"`;
    guard(registry, (sent) => tokens.judge(tokenOf(sent), 'mapped/app') === 'ok', challenge);
    const { ask } = await proxyFor(t, registry);
    assert.equal((await ask()).status, 200);
  });
});

describe('a registry that challenges at its ping only', () => {
  for (const code of [403, 404]) {
    it(`and says ${code} to strangers gets our credentials`, async (t) => {
      const registry = await start(t);
      const tokens = await startTokens(t, { accounts: { joe: { password: 'right' } } });
      const isGood = (sent: string | undefined) => tokens.judge(tokenOf(sent), undefined) === 'ok';
      registry.on(
        { early: true, kind: 'ping', when: ({ headers }) => !isGood(headers.authorization) },
        status(401, { 'www-authenticate': bearer(tokens) }),
      );
      registry.on({ early: true, when: ({ headers }) => !isGood(headers.authorization) }, status(code));
      const { ask } = await proxyFor(t, registry, { authJson: auths(registry.host, 'joe:right') });
      assert.equal((await ask('manifests/1')).status, 200);
      assert.equal((await ask('manifests/2')).status, 200);
      assert.equal((await ask('manifests/none')).status, 404);
    });
  }

  it('or does not, is pinged once in half a minute for what it does not have', async (t) => {
    const registry = await start(t);
    const { ask } = await proxyFor(t, registry, { authJson: auths(registry.host, 'joe:right') });
    for (const tag of ['a', 'b', 'c']) assert.equal((await ask(`manifests/${tag}`)).status, 404);
    // One ping finds out whether it speaks HTTPS.
    assert.ok(registry.count({ kind: 'ping' }) <= 2);
    assert.ok(registry.requests.every(({ headers }) => headers.authorization === undefined));
  });
});

describe('a token server that answers 405 to GET', () => {
  const accounts = { joe: { password: 'right & wrong=1' } };

  it('gets the password by the OAuth2 form', async (t) => {
    const registry = await start(t);
    const tokens = await startTokens(t, { accounts, get: false });
    guard(registry, (sent) => tokens.judge(tokenOf(sent), 'team/app') === 'ok', bearer(tokens));
    const { ask } = await proxyFor(t, registry, { authJson: auths(registry.host, 'joe:right & wrong=1') });
    assert.equal((await ask()).status, 200);
    assert.deepEqual(
      tokens.requests.map(({ method, status }) => [method, status]),
      [
        ['GET', 405],
        ['POST', 200],
      ],
    );
    const form = Object.fromEntries(tokens.requests.at(-1)?.parameters ?? []);
    assert.deepEqual(form, {
      grant_type: 'password',
      username: 'joe',
      password: 'right & wrong=1',
      client_id: 'entrepot',
      service: 'fake',
      scope: 'repository:team/app:pull',
    });
    assert.equal(tokens.requests.at(-1)?.authorization, undefined);
  });

  it('gets it after a redirect, too, and is told as refusing where it refuses both', async (t) => {
    const registry = await start(t);
    const tokens = await startTokens(t, { accounts, get: false });
    tokens.move('/old', '/token/new', 308);
    const challenge = `Bearer realm="${tokens.url}/old",service="fake"`;
    guard(registry, (sent) => tokens.judge(tokenOf(sent), 'team/app') === 'ok', challenge);
    const { ask, proxy } = await proxyFor(t, registry, { authJson: auths(registry.host, 'joe:wrong') });
    const reason = readError(await ask()).trail[0]?.reason ?? '';
    assert.match(reason, /^token server 127\.0\.0\.1:\d+: HTTP 401 with the credentials of .+ \(entry .+\)/);
    assert.doesNotMatch(reason, /wrong/);
    writeFileSync(join(proxy.folder, 'auth.json'), auths(registry.host, 'joe:right & wrong=1'));
    assert.equal((await ask()).status, 200);
    assert.equal(tokens.requests.at(-1)?.method, 'POST');
  });

  it('gets no POST where there are no credentials', async (t) => {
    const registry = await start(t);
    const tokens = await startTokens(t, { get: false });
    guard(registry, () => false, bearer(tokens));
    const { ask } = await proxyFor(t, registry);
    assert.match(readError(await ask()).trail[0]?.reason ?? '', /: HTTP 405 without credentials for /);
    assert.ok(tokens.requests.every(({ method }) => method === 'GET'));
  });
});

describe('a password_file that is being rewritten', () => {
  async function withFile(t: TestContext) {
    const clock = createManualClock();
    const registry = await start(t);
    let password = 'monday';
    guard(registry, (sent) => sent === basic(`joe:${password}`), 'Basic realm="x"');
    const folder = tempFolder(t);
    const file = join(folder, 'password');
    writeFileSync(file, password);
    const toml = `[[upstream.host]]\nhost = "${registry.host}"\nusername = "joe"\npassword_file = "${file}"\n`;
    const registries = entry('ex.test', { source: registry.host });
    const proxy = await startApp(t, { registries, folder, toml }, { clock });
    // Each repository has its credentials looked up anew.
    const ask = async (repository: string) => {
      registry.putImage(repository, '1', first);
      return get(`${proxy.url}/v2/ex.test/${repository}/manifests/1`);
    };
    const warnings = () => proxy.log.filter(({ event }) => event === 'credentials.rewritten');
    const rotate = (to: string) => {
      password = to;
    };
    return { clock, file, ask, warnings, rotate };
  }

  for (const [state, text] of [
    ['empty', ''],
    ['cut short', 'mon'],
  ] as const) {
    it(`is ${state} for a moment: the last good password is used, and the log says so once`, async (t) => {
      const { clock, file, ask, warnings, rotate } = await withFile(t);
      assert.equal((await ask('team/one')).status, 200);
      writeFileSync(file, text);
      assert.equal((await ask('team/two')).status, 200);
      assert.equal((await ask('team/three')).status, 200);
      assert.deepEqual(
        warnings().map(({ file }) => file),
        [file],
      );
      await clock.advance(4999);
      assert.equal((await ask('team/four')).status, 200);
      rotate('tuesday');
      writeFileSync(file, 'tuesday');
      assert.equal((await ask('team/five')).status, 200);
      assert.equal(warnings().length, 1);
    });
  }

  it('is empty for longer: then it is told of', async (t) => {
    const { clock, file, ask } = await withFile(t);
    assert.equal((await ask('team/one')).status, 200);
    writeFileSync(file, '');
    assert.equal((await ask('team/two')).status, 200);
    await clock.advance(5000);
    const reason = readError(await ask('team/three')).trail[0]?.reason ?? '';
    assert.match(
      reason,
      /the file is empty: it must hold the secret \(password_file of \[\[upstream\.host\]\]/,
    );
  });

  it('is shorter for good: then that is the password', async (t) => {
    const { clock, file, ask, rotate } = await withFile(t);
    assert.equal((await ask('team/one')).status, 200);
    rotate('mon');
    writeFileSync(file, 'mon');
    assert.equal((await ask('team/two')).status, 502);
    await clock.advance(5000);
    assert.equal((await ask('team/three')).status, 200);
  });
});

describe('the reason of a refusal', () => {
  const reasonOf = async (
    t: TestContext,
    setup: (tokens: TokenServer) => void,
    authJson?: (host: string) => string,
  ) => {
    const registry = await start(t);
    const tokens = await startTokens(t, { accounts: { joe: { password: 'right' } }, anonymous: /.*/ });
    setup(tokens);
    guard(registry, () => false, bearer(tokens));
    const files = authJson ? { authJson: authJson(registry.host) } : {};
    const { ask } = await proxyFor(t, registry, files);
    return readError(await ask()).trail[0]?.reason ?? '';
  };

  it('names the token server and what it said', async (t) => {
    const json = (body: unknown) => JSON.stringify(body);
    const cases: [number, string, RegExp][] = [
      [405, '', /: HTTP 405 without credentials for repository:team\/app:pull$/],
      [
        400,
        json({ error: 'invalid_scope', error_description: 'no such repository' }),
        /HTTP 400 .*:pull \(invalid_scope: no such repository\)$/,
      ],
      [
        403,
        json({ errors: [{ code: 'DENIED', message: 'not yours' }] }),
        /HTTP 403 .*:pull \(DENIED: not yours\)$/,
      ],
      [401, json({ details: 'who are you' }), /HTTP 401 .*:pull \(who are you\); no credentials .*for 127/],
    ];
    for (const [code, body, wanted] of cases) {
      const reason = await reasonOf(t, (tokens) => tokens.fail(code, body));
      assert.match(reason, /^token server 127\.0\.0\.1:\d+: /);
      assert.match(reason, wanted);
    }
  });

  it('names whose token the registry refused', async (t) => {
    const fresh = await reasonOf(
      t,
      () => {},
      (host) => auths(host, 'joe:right'),
    );
    assert.match(
      fresh,
      /^refuses a token of 127\.0\.0\.1:\d+ for the credentials of \/.+ \(entry .+\): HTTP 401/,
    );
    assert.doesNotMatch(fresh, /no credentials/);
  });
});
