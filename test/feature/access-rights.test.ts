/** Which client gets what: over Basic, over the token flow, by certificate; and what a client without the right is told. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import {
  basic,
  bearer,
  passwordLine,
  passwords,
  publicImage,
  rules,
  secretImage,
  startGuarded,
} from '../support/access.ts';
import { startApp } from '../support/app.ts';
import { createCertificateAuthority } from '../support/certificates.ts';
import { entry, readError, startRegistry } from '../support/endpoints.ts';
import { get } from '../support/http-client.ts';
import { tempFolder } from '../support/temp-folder.ts';

const secret = '/v2/ex.test/team/secret/manifests/1';
const open = '/v2/ex.test/public/app/manifests/1';

describe('a mirror with accounts', () => {
  it('asks a client without one to log in, and takes Basic on every request', async (t) => {
    const { get, as, proxy } = await startGuarded(t);
    const ping = await get('/v2/');
    assert.equal(ping.status, 401);
    assert.equal(ping.headers['www-authenticate'], `Bearer realm="${proxy.url}/token",service="entrepot"`);
    assert.equal(ping.headers['cache-control'], 'no-store');
    assert.equal(readError(ping).code, 'UNAUTHORIZED');
    assert.equal((await get('/v2/', as('ann'))).status, 200);
    assert.equal((await get(secret, as('ann'))).status, 200);
    assert.equal(
      (await get(`/v2/ex.test/team/secret/blobs/${secretImage.layers[0]?.digest}`, as('ann'))).status,
      200,
    );
    assert.equal((await get(open, as('bob'))).status, 200);
  });

  it('names in its challenge the scope that is missing', async (t) => {
    const { get } = await startGuarded(t);
    const refused = await get(secret);
    assert.equal(refused.status, 401);
    assert.match(
      refused.headers['www-authenticate'] ?? '',
      /,scope="repository:ex\.test\/team\/secret:pull"$/,
    );
    const push = await get('/v2/images.local/a/blobs/uploads/', { method: 'POST' });
    assert.equal(push.status, 401);
    assert.match(push.headers['www-authenticate'] ?? '', /,scope="repository:images\.local\/a:pull,push"$/);
    const byNs = await get('/v2/team/secret/manifests/1?ns=ex.test');
    assert.match(
      byNs.headers['www-authenticate'] ?? '',
      /,scope="repository:ex\.test\/team\/secret:pull"$/,
      'a token request has no ns, so the scope spells the registry',
    );
  });

  it('answers an account without the right as if nothing were there, asks no registry, and remembers nothing', async (t) => {
    const { get, as, registry } = await startGuarded(t);
    for (const path of [
      secret,
      '/v2/ex.test/team/none/manifests/1',
      `/v2/ex.test/team/secret/blobs/${secretImage.layers[0]?.digest}`,
      '/v2/ex.test/team/secret/tags/list',
      `/v2/ex.test/team/secret/referrers/${secretImage.digest}`,
    ]) {
      const refused = await get(path, as('bob'));
      assert.equal(refused.status, 404, path);
      assert.equal(refused.headers['cache-control'], 'no-store');
      assert.equal(refused.headers['www-authenticate'], undefined);
    }
    assert.equal(registry.count({}), 0);
    const [there, absent] = [
      await get(secret, as('bob')),
      await get('/v2/ex.test/team/none/manifests/1', as('bob')),
    ];
    const words = (answer: typeof there, name: string) => answer.body.toString().replaceAll(name, 'X');
    assert.equal(
      words(there, 'secret'),
      words(absent, 'none'),
      'what exists cannot be told from what does not',
    );
    assert.equal((await get(secret, as('ann'))).status, 200, 'it was not taken for absent');
    assert.equal((await get(secret, as('bob'))).status, 404, 'nor is it there for bob once it is cached');
  });

  it('refuses a push without the right with 403, and one without a [[push]] with 405', async (t) => {
    const { get, as } = await startGuarded(t);
    const denied = await get('/v2/images.local/a/blobs/uploads/', { method: 'POST', ...as('bob') });
    assert.deepEqual([denied.status, readError(denied).code], [403, 'DENIED']);
    const nowhere = await get('/v2/ex.test/public/app/blobs/uploads/', { method: 'POST', ...as('ann') });
    assert.equal(nowhere.status, 405);
    const taken = await get('/v2/images.local/a/blobs/uploads/', { method: 'POST', ...as('ann') });
    assert.equal(taken.status, 202);
    const removed = await get('/v2/ex.test/team/secret/manifests/1', { method: 'DELETE', ...as('bob') });
    assert.equal(removed.status, 403);
  });

  it('refuses a wrong password even where no account is needed', async (t) => {
    const { get } = await startGuarded(t, { access: 'htpasswd = "htpasswd"' });
    assert.equal((await get(open)).status, 200, 'anonymous = ["pull"] is the default');
    const wrong = await get(open, { headers: basic('ann', 'wrong') });
    assert.equal(wrong.status, 401);
    assert.match(wrong.headers['www-authenticate'] ?? '', /error="invalid_token"$/);
    for (const authorization of [
      'Basic',
      'Basic !',
      'Digest x',
      'Bearer',
      'Bearer a.b.c',
      'nonsense',
      `Bearer ${'x'.repeat(20_000)}`,
    ])
      assert.equal((await get(open, { headers: { authorization } })).status, 401, authorization.slice(0, 20));
  });

  it('has the principal on every log line of a request, and no secret anywhere', async (t) => {
    const { get, as, proxy } = await startGuarded(t);
    await get(secret, as('ann'));
    await get(secret, as('bob'));
    await get(open);
    await get(open, { headers: basic('mallory', 'mallory-secret-9') });
    const requests = proxy.log.filter(({ event }) => event === 'http.request');
    assert.deepEqual(
      requests.map(({ principal, status }) => [principal, status]),
      [
        ['ann', 200],
        ['bob', 404],
        ['anonymous', 401],
        [undefined, 401],
      ],
    );
    const failed = proxy.log.filter(({ event }) => event === 'access.loginFailed');
    assert.equal(failed.length, 1);
    const metrics = (await get('/metrics')).body.toString();
    assert.match(metrics, /entrepot_\w*login\w*\{[^}]*basic[^}]*\} 1/);
    const everything = JSON.stringify(proxy.log) + metrics;
    for (const text of [
      ...Object.values(passwords),
      'mallory',
      '$2',
      Buffer.from('mallory-').toString('base64').slice(0, 8),
    ])
      assert.ok(!everything.includes(text), text);
  });
});

describe('a reload', () => {
  it('changes rules and accounts for the next request, while others run', async (t) => {
    const { get, as, proxy, toml, writeAccounts } = await startGuarded(t);
    assert.equal((await get(secret, as('bob'))).status, 404);
    const running = Array.from({ length: 20 }, () => get(secret, as('ann')));
    await proxy.reload({
      toml: toml.replace(
        'who = ["ann"]\nmatch = "ex.test/team/**"',
        'who = ["bob", "ann"]\nmatch = "ex.test/team/**"',
      ),
    });
    assert.deepEqual(new Set((await Promise.all(running)).map(({ status }) => status)), new Set([200]));
    assert.equal((await get(secret, as('bob'))).status, 200);
    writeAccounts(['ann']);
    assert.equal((await get(secret, as('bob'))).status, 401, 'without a reload: the file is read again');
    writeAccounts(['ann', 'bob']);
    assert.equal((await get(secret, as('bob'))).status, 200);
  });

  it('with an unusable password file changes nothing', async (t) => {
    const { get, as, proxy, toml, folder } = await startGuarded(t);
    writeFileSync(join(folder, 'md5'), 'ann:$apr1$x$0123456789012345678901\n');
    await assert.rejects(proxy.reload({ toml: toml.replace('/htpasswd"', '/md5"') }), {
      code: 'CONFIG_INVALID',
      line: 1,
      message: /the account "ann" has an MD5 hash; only bcrypt is accepted/,
    });
    assert.equal((await get(secret, as('ann'))).status, 200);
  });
});

describe('a client certificate', () => {
  it('beside accounts gets what its names may, and a challenge for all else: the client may have a password', async (t) => {
    const authority = createCertificateAuthority();
    const folder = tempFolder(t);
    const server = authority.issue();
    for (const [name, text] of Object.entries({
      'tls.crt': server.cert,
      'tls.key': server.key,
      'ca.crt': authority.cert,
    }))
      writeFileSync(join(folder, name), text);
    writeFileSync(join(folder, 'htpasswd'), passwordLine('ann', passwords.ann));
    const registry = await startRegistry(t);
    registry.putImage('public/app', '1', publicImage);
    const toml = `[tls]\ncertificate = "tls.crt"\nkey = "tls.key"\nclient_ca = "ca.crt"\n[access]\nanonymous = []\nhtpasswd = "htpasswd"\n${rules.replace('who = ["bob", "ann"]', 'who = ["cn=node-*"]')}`;
    const proxy = await startApp(t, {
      registries: entry('ex.test', { source: registry.host }),
      toml,
      folder,
    });
    const client = authority.issue({ client: true, commonName: 'node-7' });
    const ask = (path: string, headers = {}, method = 'GET') =>
      get(`${proxy.url}${path}`, { ca: authority.cert, client, headers, method });
    const upload = '/v2/images.local/a/blobs/uploads/';
    assert.equal((await ask(open)).status, 200, 'a node asks for its image at once');
    assert.equal((await ask('/v2/')).status, 401, 'skopeo sends a password only after this');
    const refused = [await ask(secret), await ask(upload, {}, 'POST')];
    for (const { status, headers } of refused) {
      assert.equal(status, 401);
      assert.match(headers['www-authenticate'] ?? '', /^Bearer realm="https:.*,scope="repository:[^"]+"$/);
    }
    assert.equal((await ask(upload, basic('ann', passwords.ann), 'POST')).status, 202);
    assert.equal((await ask('/v2/', basic('ann', passwords.ann))).status, 200);
    const got = await ask(
      '/token?scope=repository:ex.test/public/app:pull&scope=repository:images.local/a:pull,push',
    );
    const token = bearer(JSON.parse(got.body.toString()).token);
    assert.deepEqual([(await ask('/v2/', token)).status, (await ask(open, token)).status], [200, 200]);
    assert.equal((await ask(upload, token, 'POST')).status, 403, 'no token helps it');
  });

  it('is a principal by its names, without any account', async (t) => {
    const authority = createCertificateAuthority();
    const folder = tempFolder(t);
    const server = authority.issue();
    writeFileSync(join(folder, 'tls.crt'), server.cert);
    writeFileSync(join(folder, 'tls.key'), server.key);
    writeFileSync(join(folder, 'ca.crt'), authority.cert);
    const registry = await startRegistry(t);
    registry.putImage('team/secret', '1', secretImage);
    registry.putImage('public/app', '1', publicImage);
    const toml = `[tls]\ncertificate = "tls.crt"\nkey = "tls.key"\nclient_ca = "ca.crt"\n[access]\nanonymous = []\n${rules.replace('who = ["bob", "ann"]', 'who = ["cn=node-*", "dns=ci.corp"]')}`;
    const registries = entry('ex.test', { source: registry.host });
    const proxy = await startApp(t, { registries, toml, folder });
    const ask = async (path: string, client: { key: string; cert: string }) =>
      (await get(`${proxy.url}${path}`, { ca: authority.cert, client })).status;
    const node = authority.issue({ client: true, commonName: 'node-7' });
    const named = authority.issue({ client: true, commonName: 'x', hosts: ['ci.corp'] });
    const pretender = authority.issue({ client: true, commonName: 'x', hosts: ['x.corp, DNS:ci.corp'] });
    assert.equal(await ask(open, node), 200);
    assert.equal(await ask(secret, node), 404);
    assert.equal(await ask(open, named), 200);
    assert.equal(await ask(open, pretender), 404, 'one name that looks like two is one');
    assert.equal(proxy.log.find(({ status }) => status === 200)?.principal, 'cn=node-7');
  });
});
