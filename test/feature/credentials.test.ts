/** Whose name registries are asked in: where credentials are found, when they are looked for again, and who never gets them. */
import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { type AppFiles, startApp } from '../support/app.ts';
import { createCertificateAuthority } from '../support/certificates.ts';
import { createManualClock } from '../support/clock.ts';
import { certsFor, entry, names, readError, startRegistry } from '../support/endpoints.ts';
import type { FakeRegistryOptions } from '../support/fake-registry.ts';
import { redirect } from '../support/fake-registry-faults.ts';
import { get } from '../support/http-client.ts';
import { buildImage } from '../support/images.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { startTokenServer, type TokenServerOptions } from '../support/token-server.ts';

const image = buildImage({ seed: 1, layers: [1000] });
const other = buildImage({ seed: 2 });
const layer = image.layers[0]?.digest;
const authority = createCertificateAuthority();

const base64 = (text: string) => Buffer.from(text).toString('base64');
const auths = (keys: Record<string, string>) =>
  JSON.stringify({
    auths: Object.fromEntries(Object.entries(keys).map(([key, pair]) => [key, { auth: base64(pair) }])),
  });

async function privateRegistry(t: TestContext, options: FakeRegistryOptions) {
  const registry = await startRegistry(t, options);
  registry.putImage('team/app', '1', image);
  registry.putImage('team/app', '2', other);
  return registry;
}

const basicAuth = (password = 'right') => ({ kind: 'basic', username: 'joe', password }) as const;

async function tokenServer(t: TestContext, options: TokenServerOptions = {}) {
  const tokens = await startTokenServer({ accounts: { joe: { password: 'right' } }, ...options });
  t.after(() => tokens.stop());
  return tokens;
}

async function proxyFor(t: TestContext, host: string, files: Partial<AppFiles> = {}, deps = {}) {
  const registries = files.registries ?? entry('ex.test', { source: host });
  const proxy = await startApp(t, { ...files, registries }, deps);
  const ask = (path = 'manifests/1') => get(`${proxy.url}/v2/ex.test/team/app/${path}`);
  return { proxy, ask };
}

describe('credentials', () => {
  it('are those of auth.json, and of the longest key that fits', async (t) => {
    const registry = await privateRegistry(t, { auth: basicAuth() });
    const authJson = auths({ [registry.host]: 'joe:wrong', [`${registry.host}/team`]: 'joe:right' });
    const { ask } = await proxyFor(t, registry.host, { authJson });
    assert.equal((await ask()).status, 200);
  });

  it('are those of docker login', async (t) => {
    const registry = await privateRegistry(t, { auth: basicAuth() });
    const folder = tempFolder(t);
    mkdirSync(join(folder, '.docker'));
    writeFileSync(join(folder, '.docker/config.json'), auths({ [registry.host]: 'joe:right' }));
    const { ask } = await proxyFor(t, registry.host, { folder });
    assert.equal((await ask()).status, 200);
  });

  it('are sent no more once a reload has taken them away, nor is the token that they bought', async (t) => {
    const tokens = await tokenServer(t);
    const registry = await privateRegistry(t, { auth: { kind: 'bearer', tokens } });
    const authJson = auths({ [registry.host]: 'joe:right' });
    const { ask, proxy } = await proxyFor(t, registry.host, { authJson });
    assert.equal((await ask()).status, 200);
    const before = registry.requests.map(({ headers }) => headers.authorization).filter(Boolean);
    assert.equal(before.length, 1);
    registry.clear();
    await proxy.reload({ authJson: auths({}) });
    assert.equal((await ask('manifests/2')).status, 502);
    for (const { headers } of registry.requests) assert.notEqual(headers.authorization, before[0]);
    assert.equal(tokens.requests.at(-1)?.authorization, undefined);
  });

  it('are read again when the file changes, and a wrong one is told by its file and key', async (t) => {
    const registry = await privateRegistry(t, { auth: basicAuth() });
    const { ask, proxy } = await proxyFor(t, registry.host, {
      authJson: auths({ [registry.host]: 'joe:old' }),
    });
    const file = join(proxy.folder, 'auth.json');
    const refused = readError(await ask());
    assert.deepEqual([refused.status, refused.outline], [502, [`${registry.host} unauthorized`]]);
    assert.equal(
      refused.trail[0]?.reason,
      `refuses the credentials of ${file} (entry ${registry.host}): HTTP 401 (UNAUTHORIZED: authentication required)`,
    );
    const asked = registry.count({ kind: 'manifest' });
    assert.deepEqual(readError(await ask()).trail[0]?.credentials, refused.trail[0]?.credentials);
    assert.deepEqual(refused.trail[0]?.credentials, { file, key: registry.host });
    const again = registry.matching({ kind: 'manifest' }).slice(asked);
    assert.deepEqual(
      again.map(({ headers }) => headers.authorization),
      [undefined],
      'a refused password is not tried at every request: registries lock accounts for that',
    );
    writeFileSync(file, auths({ [registry.host]: 'joe:right' }));
    assert.equal((await ask()).status, 200);
  });

  it('are those of a helper program, asked again when its answer has expired', async (t) => {
    const account = { kind: 'basic' as const, username: 'joe', password: 'monday' };
    const registry = await privateRegistry(t, { auth: account });
    const folder = tempFolder(t);
    const program = join(folder, 'docker-credential-corp');
    writeFileSync(
      program,
      `#!/bin/sh\ncat >>"${folder}/asked"; echo >>"${folder}/asked"; cat "${folder}/answer"\n`,
    );
    chmodSync(program, 0o755);
    const answer = (Secret: string) =>
      writeFileSync(join(folder, 'answer'), JSON.stringify({ Username: 'joe', Secret }));
    const env = { PATH: [folder, process.env.PATH].join(delimiter) };
    const registries = `credential-helpers = ["corp"]\n${entry('ex.test', { source: registry.host })}`;
    const { ask } = await proxyFor(t, registry.host, { registries }, { env });
    answer('monday');
    assert.equal((await ask('manifests/1')).status, 200);
    account.password = 'tuesday';
    answer('tuesday');
    assert.equal((await ask('manifests/2')).status, 200);
    const asked = readFileSync(join(folder, 'asked'), 'utf8').trim().split('\n');
    assert.deepEqual(asked, [registry.host, registry.host]);
  });

  it('of a helper that fails are told to be what is wrong', async (t) => {
    const registry = await privateRegistry(t, { auth: basicAuth() });
    const registries = `credential-helpers = ["gone"]\n${entry('ex.test', { source: registry.host })}`;
    const { ask } = await proxyFor(t, registry.host, { registries }, { env: { PATH: '/nowhere' } });
    assert.match(
      readError(await ask()).trail[0]?.reason ?? '',
      /^docker-credential-gone gave no credentials for .+: there is no such program in PATH \(\/nowhere\)/,
    );
  });

  it('are those of password_file before all others, and read again when it changes', async (t) => {
    const account = { kind: 'basic' as const, username: 'joe', password: 'right' };
    const registry = await privateRegistry(t, { auth: account });
    const folder = tempFolder(t);
    const file = join(folder, 'password');
    writeFileSync(file, 'right\n');
    const toml = `[[upstream.host]]\nhost = "${registry.host}"\nusername = "joe"\npassword_file = "${file}"\n`;
    const authJson = auths({ [registry.host]: 'joe:wrong' });
    const { ask } = await proxyFor(t, registry.host, { folder, toml, authJson });
    assert.equal((await ask('manifests/1')).status, 200);
    account.password = 'rotated';
    writeFileSync(file, 'rotated\n');
    assert.equal((await ask('manifests/2')).status, 200);
  });

  it('are those of identity_token_file, which buys tokens', async (t) => {
    const tokens = await tokenServer(t, {
      accounts: { joe: { password: 'x', identityToken: 'refresh-me' } },
    });
    const registry = await privateRegistry(t, { auth: { kind: 'bearer', tokens } });
    const folder = tempFolder(t);
    const file = join(folder, 'identity');
    writeFileSync(file, 'refresh-me');
    const toml = `[[upstream.host]]\nhost = "${registry.host}"\nidentity_token_file = "${file}"\n`;
    const { ask } = await proxyFor(t, registry.host, { folder, toml });
    assert.equal((await ask()).status, 200);
    assert.deepEqual(
      tokens.requests.map(({ method, account, status }) => [method, account, status]),
      [['POST', 'joe', 200]],
    );
  });

  it('are a certificate where certs.d has one', async (t) => {
    const registry = await privateRegistry(t, { tls: { ...authority.issue(), clientCa: authority.cert } });
    const registries = entry('ex.test', { source: registry.host, secure: [registry.host] });
    const folder = tempFolder(t);
    certsFor(folder, registry.host, { 'ca.crt': authority.cert });
    const { ask } = await proxyFor(t, registry.host, { folder, registries });
    const refused = readError(await ask());
    assert.deepEqual(refused.outline, [`${registry.host} unreachable`]);
    const { key, cert } = authority.issue({ client: true });
    certsFor(folder, registry.host, { 'client.cert': cert, 'client.key': key });
    assert.equal((await ask()).status, 200, 'it is seen without a restart');
  });

  it('buy a token once for all who ask, and a new one before it ends', async (t) => {
    const clock = createManualClock();
    const tokens = await tokenServer(t, { expiresIn: 120, clock });
    const registry = await privateRegistry(t, { auth: { kind: 'bearer', tokens } });
    const authJson = auths({ [registry.host]: 'joe:right' });
    const { ask } = await proxyFor(t, registry.host, { authJson }, { clock });
    const answers = await Promise.all([ask('manifests/1'), ask('manifests/2'), ask('tags/list')]);
    for (const { status } of answers) assert.equal(status, 200);
    assert.equal(tokens.requests.length, 1);
    registry.clear();
    await clock.advance(115_000);
    assert.equal((await ask('manifests/1')).status, 200);
    assert.equal(tokens.requests.length, 2);
    const bare = registry.matching({ when: ({ status }) => status === 401 });
    assert.equal(bare.length, 0, 'without being refused first');
  });
});

describe('credentials are not given', () => {
  const resolve = names({
    'hub.test': ['127.0.0.1'],
    'auth.other.test': ['127.0.0.1'],
    'cdn.test': ['127.0.0.1'],
  });

  /** A registry `hub.test` whose tokens are somebody else's. */
  async function strangerTokens(t: TestContext, toml = '') {
    const tokens = await tokenServer(t, { anonymous: /.*/ });
    const realm = `http://auth.other.test:${tokens.port}/token`;
    const registry = await privateRegistry(t, { auth: { kind: 'bearer', tokens, realm } });
    const host = `hub.test:${registry.port}`;
    const authJson = auths({ [host]: 'joe:right' });
    const { ask } = await proxyFor(
      t,
      host,
      { authJson, toml: toml.replace('PORT', `${tokens.port}`) },
      { resolve },
    );
    return { tokens, ask };
  }

  it('to a token server of somebody else, which is asked for an anonymous token only', async (t) => {
    const { tokens, ask } = await strangerTokens(t);
    assert.equal((await ask()).status, 200);
    assert.deepEqual(
      tokens.requests.map(({ authorization, account }) => [authorization, account]),
      [[undefined, undefined]],
    );
  });

  it('unless upstream.token_realms lists it', async (t) => {
    for (const listed of ['auth.other.test', 'auth.other.test:PORT', '*.other.test']) {
      const { tokens, ask } = await strangerTokens(t, `[upstream]\ntoken_realms = ["${listed}"]\n`);
      assert.equal((await ask()).status, 200);
      assert.deepEqual(
        tokens.requests.map(({ account }) => account),
        ['joe'],
        listed,
      );
    }
  });

  it('to where a blob is redirected', async (t) => {
    const registry = await privateRegistry(t, { auth: basicAuth() });
    const cdn = await startRegistry(t);
    cdn.putFile('/layer', image.layers[0] ?? '', { refusesAuthorization: true });
    registry.on({ kind: 'blob' }, redirect(`http://cdn.test:${cdn.port}/layer?signature=abc`));
    const host = `hub.test:${registry.port}`;
    const { ask } = await proxyFor(t, host, { authJson: auths({ [host]: 'joe:right' }) }, { resolve });
    const answer = await ask(`blobs/${layer}`);
    assert.equal(answer.status, 200, 'and no client is sent there');
    assert.equal(answer.headers.location, undefined);
    assert.deepEqual(
      cdn.requests.map(({ headers }) => headers.authorization),
      [undefined],
    );
  });

  it('in the clear, where the registry is not marked insecure', async (t) => {
    const registry = await privateRegistry(t, { auth: basicAuth() });
    const registries = entry('ex.test', { source: registry.host, secure: [registry.host] });
    const authJson = auths({ [registry.host]: 'joe:right' });
    const { ask } = await proxyFor(t, registry.host, { registries, authJson });
    assert.equal((await ask()).status, 502);
    assert.equal(registry.count(), 0);
  });

  it('before a registry asks for them, and not for a mirror to the source', async (t) => {
    const open = await privateRegistry(t, {});
    const mirror = await startRegistry(t);
    const registries = entry('ex.test', { mirrors: [mirror.host], source: open.host });
    const authJson = auths({ [open.host]: 'joe:right', [mirror.host]: 'ann:mirror' });
    const { ask } = await proxyFor(t, open.host, { registries, authJson });
    assert.equal((await ask()).status, 200);
    const sent = [...open.requests, ...mirror.requests].map(({ headers }) => headers.authorization);
    assert.deepEqual(new Set(sent), new Set([undefined]));
  });
});
