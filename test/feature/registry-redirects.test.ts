/** Token servers that have moved, and registries that send to another registry: each gets its own credentials and no others. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { startApp } from '../support/app.ts';
import { entry, names, readError, startRegistry } from '../support/endpoints.ts';
import type { FakeRegistryOptions } from '../support/fake-registry.ts';
import { redirect } from '../support/fake-registry-faults.ts';
import { get } from '../support/http-client.ts';
import { buildImage } from '../support/images.ts';
import { startTokenServer, type TokenServer, type TokenServerOptions } from '../support/token-server.ts';

const image = buildImage({ seed: 1, layers: [1000] });
const base64 = (text: string) => Buffer.from(text).toString('base64');
const auths = (pairs: Record<string, string>) =>
  JSON.stringify({
    auths: Object.fromEntries(Object.entries(pairs).map(([host, pair]) => [host, { auth: base64(pair) }])),
  });
const accounts = { joe: { password: 'right', identityToken: 'id-7' } };

async function startTokens(t: TestContext, options: TokenServerOptions = {}): Promise<TokenServer> {
  const tokens = await startTokenServer(options);
  t.after(() => tokens.stop());
  return tokens;
}

async function start(t: TestContext, options: FakeRegistryOptions = {}) {
  const registry = await startRegistry(t, options);
  registry.putImage('team/app', '1', image);
  registry.putImage('other/app', '1', image);
  return registry;
}

describe('a token server that redirects', () => {
  for (const code of [301, 302, 303, 307, 308]) {
    it(`with ${code} to a path of its own is followed, by password and by identity token`, async (t) => {
      for (const pair of ['joe:right', 'identity'] as const) {
        const tokens = await startTokens(t, { accounts });
        const registry = await start(t, { auth: { kind: 'bearer', tokens, realm: `${tokens.url}/old` } });
        tokens.move('/old', '/token/new', code);
        const authJson =
          pair === 'identity'
            ? JSON.stringify({ auths: { [registry.host]: { auth: base64('joe:'), identitytoken: 'id-7' } } })
            : auths({ [registry.host]: pair });
        const proxy = await startApp(t, {
          registries: entry('ex.test', { source: registry.host }),
          authJson,
        });
        assert.equal((await get(`${proxy.url}/v2/ex.test/team/app/manifests/1`)).status, 200, pair);
        assert.equal(tokens.requests.at(-1)?.account, 'joe');
      }
    });
  }

  it('to a host of another owner sends no credentials there', async (t) => {
    const thief = await startTokens(t, { accounts, anonymous: /.*/ });
    const tokens = await startTokens(t, { accounts });
    const registry = await start(t, { auth: { kind: 'bearer', tokens, realm: `${tokens.url}/old` } });
    tokens.move('/old', `http://thief.test:${thief.port}/token`);
    const resolve = names({ 'thief.test': ['127.0.0.1'] });
    const authJson = auths({ [registry.host]: 'joe:right' });
    const registries = entry('ex.test', { source: registry.host });
    const proxy = await startApp(t, { registries, authJson }, { resolve });
    assert.equal((await get(`${proxy.url}/v2/ex.test/team/app/manifests/1`)).status, 502);
    assert.ok(thief.requests.length > 0);
    assert.deepEqual(new Set(thief.requests.map(({ authorization }) => authorization)), new Set([undefined]));
  });

  it('for ever is given up', async (t) => {
    const tokens = await startTokens(t);
    const registry = await start(t, { auth: { kind: 'bearer', tokens, realm: `${tokens.url}/old` } });
    tokens.move('/old', '/old');
    const proxy = await startApp(t, { registries: entry('ex.test', { source: registry.host }) });
    const answer = readError(await get(`${proxy.url}/v2/ex.test/team/app/manifests/1`));
    assert.match(answer.trail[0]?.reason ?? '', /^token server .* redirects more than 10 times$/);
  });
});

describe('a registry that redirects to another registry', () => {
  async function vanity(
    t: TestContext,
    {
      pairs,
      repository = 'team/app',
      isListed = true,
      toml = '',
      options = {},
    }: {
      pairs: (vanity: string, target: string) => Record<string, string>;
      repository?: string;
      isListed?: boolean;
      toml?: string;
      options?: TokenServerOptions;
    },
  ) {
    const tokens = await startTokens(t, options);
    const target = await start(t, { auth: { kind: 'bearer', tokens } });
    const front = await start(t);
    front.on(
      { kind: 'manifest' },
      redirect(({ path }) => `${target.url}${path.replace('team/app', repository)}`),
    );
    front.on(
      { kind: 'blob' },
      redirect(({ path }) => `${target.url}${path.replace('team/app', repository)}`),
    );
    const [name, there] = [`vanity.test:${front.port}`, target.host];
    const registries = `${entry('ex.test', { source: name })}\n${isListed ? entry(there) : ''}`;
    const resolve = names({ 'vanity.test': ['127.0.0.1'] });
    const proxy = await startApp(t, { registries, toml, authJson: auths(pairs(name, there)) }, { resolve });
    const ask = (path = 'manifests/1') => get(`${proxy.url}/v2/ex.test/team/app/${path}`);
    return { tokens, target, ask };
  }

  it('has that registry answered anonymously, and once for all requests', async (t) => {
    const { tokens, target, ask } = await vanity(t, { pairs: (name) => ({ [name]: 'joe:right' }) });
    assert.equal((await ask()).status, 200);
    assert.equal((await ask(`blobs/${image.layers[0]?.digest}`)).status, 200);
    assert.deepEqual(
      tokens.requests.map(({ authorization }) => authorization),
      [undefined],
    );
    assert.equal(target.count({ when: ({ status }) => status === 401 }), 1);
  });

  it('has that registry answered with its own credentials, never with those of the first', async (t) => {
    const pairs = (name: string, there: string) => ({ [name]: 'ann:first', [there]: 'joe:right' });
    const { tokens, ask } = await vanity(t, { pairs, options: { accounts } });
    assert.equal((await ask()).status, 200);
    assert.deepEqual(
      tokens.requests.map(({ account }) => account),
      ['joe'],
    );
  });

  it('gets no private image of another name in the name of its credentials', async (t) => {
    const pairs = (_: string, there: string) => ({ [there]: 'joe:right' });
    const { tokens, ask } = await vanity(t, { pairs, repository: 'other/app', options: { accounts } });
    assert.equal((await ask()).status, 502);
    assert.ok(tokens.requests.every(({ account }) => account === undefined));
  });

  it('gets no credentials of a registry that registries.conf does not list', async (t) => {
    const pairs = (_: string, there: string) => ({ [there]: 'joe:right' });
    const toml = '[upstream]\ninsecure = true\n';
    const { tokens, ask } = await vanity(t, { pairs, isListed: false, toml, options: { accounts } });
    assert.equal((await ask()).status, 502);
    assert.ok(tokens.requests.every(({ account }) => account === undefined));
  });

  it('gets no credentials over a connection less safe than that registry wants', async (t) => {
    const pairs = (_: string, there: string) => ({ [there]: 'joe:right' });
    const { tokens, ask } = await vanity(t, { pairs, isListed: false, options: { accounts } });
    assert.equal((await ask()).status, 502);
    assert.ok(tokens.requests.every(({ account }) => account === undefined));
  });
});
