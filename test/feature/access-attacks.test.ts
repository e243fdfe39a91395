/** Ways around a rule that an attacker tries: other spellings of a name, forged tokens, headers that are too many or too long. */
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { exportJWK } from 'jose';
import {
  basic,
  bearer,
  getToken,
  passwords,
  publicImage,
  secretImage,
  startGuarded,
} from '../support/access.ts';
import { startApp } from '../support/app.ts';
import { createManualClock } from '../support/clock.ts';
import { entry, startRegistry } from '../support/endpoints.ts';
import { get } from '../support/http-client.ts';
import { forged, newKeys, signed } from '../support/jwts.ts';
import { raw } from '../support/raw-http.ts';

const secret = '/v2/ex.test/team/secret/manifests/1';
const pullSecret = 'repository:ex.test/team/secret:pull';

describe('another spelling of an image', () => {
  /** Ways to name ex.test/team/secret, and ways that must not name it. */
  const spellings = [
    '/v2/ex.test%2fteam%2Fsecret/manifests/1',
    '/v2/ex%2etest/team/secret/manifests/1',
    '/v2/ex.test/team/%73ecret/manifests/1',
    '/v2/ex.test%252fteam%252fsecret/manifests/1',
    '/v2/ex.test/public/..%2fteam/secret/manifests/1',
    '/v2/ex.test/public/../team/secret/manifests/1',
    '/v2/ex.test/public/%2e%2e/team/secret/manifests/1',
    '/v2/ex.test//team/secret/manifests/1',
    '/v2//ex.test/team/secret/manifests/1',
    '/v2/./ex.test/team/secret/manifests/1',
    '//v2/ex.test/team/secret/manifests/1',
    '/V2/ex.test/team/secret/manifests/1',
    '/v2/ex.test/Team/Secret/manifests/1',
    '/v2/EX.test/team/secret/manifests/1',
    '/v2/ex.test./team/secret/manifests/1',
    '/v2/ex.test:443/team/secret/manifests/1',
    '/v2/ex.test:80/team/secret/manifests/1',
    '/v2/ex.test/team/secret%00/manifests/1',
    '/v2/ex.test/team/secret;x/manifests/1',
    '/v2/ex.test/team/secret/manifests/1#',
    '/v2/ex.test/team\\secret/manifests/1',
    '/v2/team/secret/manifests/1?ns=ex.test',
    '/v2/ex.test/team/secret/manifests/1?ns=ex.test',
    '/v2/team/secret/manifests/1?ns=EX.TEST',
    '/v2/team/secret/manifests/1?ns=ex.test:443',
    '/v2/public/app/../../team/secret/manifests/1?ns=ex.test',
    '/v2/team/secret/manifests/1?ns=other.test&ns=ex.test',
    '/v2/team/secret/manifests/1?ns=ex.test&ns=other.test',
    '/v2/team/secret/manifests/1?n%73=ex.test',
    '/v2/ex.test/public/app/manifests/1/../../../team/secret/manifests/1',
    '/v2/ex.test/public/app/manifests/..%2f..%2f..%2fteam%2fsecret%2fmanifests%2f1',
  ];

  it('gives a client without the right nothing of it, cached or not, and none of it reaches the registry', async (t) => {
    const { proxy, registry, get } = await startGuarded(t);
    const authorization = basic('bob', passwords.bob).authorization;
    const tryAll = async () => {
      for (const path of spellings) {
        const answer = await raw(
          proxy.url,
          `GET ${path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\nAuthorization: ${authorization}\r\n\r\n`,
        );
        assert.match(answer, /^HTTP\/1\.1 40[034] /, path);
        assert.ok(!answer.includes(secretImage.digest), path);
      }
    };
    await tryAll();
    const asked = registry.requests.map(({ path }) => path);
    assert.deepEqual(
      asked.filter((path) => path.includes('team/secret')),
      [],
    );
    const headers = basic('ann', passwords.ann);
    for (const path of [secret, `/v2/ex.test/team/secret/blobs/${secretImage.layers[0]?.digest}`])
      assert.equal((await get(path, { headers })).status, 200);
    await tryAll();
  });

  it('that is right for it is judged by the same rule', async (t) => {
    const { get } = await startGuarded(t);
    for (const path of [
      '/v2/ex.test%2fteam%2Fsecret/manifests/1',
      '/v2/ex.test/team/%73ecret/manifests/1',
      '/v2/team/secret/manifests/1?ns=ex.test',
      '/v2/ex.test/team/secret/manifests/1?ns=ex.test',
    ]) {
      const { status } = await get(path, { headers: basic('ann', passwords.ann) });
      assert.ok([200, 400].includes(status), `${path} ${status}`);
      assert.equal(
        (await get(path, { headers: basic('eve', passwords.eve) })).status,
        status === 200 ? 404 : 400,
      );
    }
  });
});

describe('the names of one registry', () => {
  /** Registries that all lead to one place; rules are for one spelling of each. */
  const rule = (match: string) => `[[access.rule]]\nwho = ["ann"]\nmatch = "${match}"\nmay = ["pull"]\n`;
  const routing = '[routing]\nnames = { "five" = "reg.test:5000" }\nhosts = { "hub.corp" = "docker.io" }\n';

  async function start(t: Parameters<typeof startGuarded>[0], ...matches: string[]) {
    const registry = await startRegistry(t);
    for (const name of ['library/alpine', 'team/app']) registry.putImage(name, '1', publicImage);
    const { folder, writeAccounts } = await startGuarded(t);
    writeAccounts(['ann']);
    const toml = `[access]\nanonymous = []\nhtpasswd = "${join(folder, 'htpasswd')}"\n${matches.map(rule).join('')}${routing}`;
    const registries = ['docker.io', 'reg.test', 'reg.test:5000']
      .map((prefix) => entry(prefix, { source: registry.host }))
      .join('\n');
    const { url } = await startApp(t, { registries, toml });
    return async (path: string, host = 'h') =>
      (await get(`${url}/v2/${path}/manifests/1`, { headers: { ...basic('ann', passwords.ann), host } }))
        .status;
  }
  const hubNames = ['docker.io', 'index.docker.io', 'registry-1.docker.io'];

  it('of Docker Hub are one: the rule for docker.io/library counts for each, with and without library/', async (t) => {
    const ask = await start(t, 'docker.io/library/*');
    for (const hub of hubNames) {
      assert.equal(await ask(`${hub}/library/alpine`), 200, hub);
      assert.equal(await ask(`${hub}/alpine`), 200, hub);
      assert.equal(await ask(`${hub}/team/app`), 404, hub);
    }
    assert.equal(await ask('alpine'), 200);
    assert.equal(await ask('alpine', 'hub.corp'), 200);
    assert.equal(await ask('team/app', 'hub.corp'), 404);
  });

  it('of Docker Hub give nothing to a rule for another repository, or for an alias', async (t) => {
    const ask = await start(
      t,
      'docker.io/team/**',
      'index.docker.io/**',
      'docker.io/alpine',
      'library/alpine',
    );
    for (const name of [...hubNames.flatMap((hub) => [`${hub}/alpine`, `${hub}/library/alpine`]), 'alpine'])
      assert.equal(await ask(name), 404, name);
    for (const hub of hubNames) assert.equal(await ask(`${hub}/team/app`), 200, hub);
  });

  it('with and without a port are two', async (t) => {
    const ask = await start(t, 'reg.test/**');
    assert.equal(await ask('reg.test/team/app'), 200);
    assert.equal(await ask('reg.test:5000/team/app'), 404);
    assert.equal(await ask('five/team/app'), 404);
    const other = await start(t, 'reg.test:5000/**', 'five/**');
    assert.equal(await other('reg.test/team/app'), 404);
    assert.equal(await other('reg.test:5000/team/app'), 200);
    assert.equal(await other('five/team/app'), 200);
  });
});

describe('a forged token', () => {
  it('of this server is refused, whatever its header says of keys', async (t) => {
    const { proxy, get, folder } = await startGuarded(t);
    const { token } = await getToken(proxy.url, [pullSecret], { headers: basic('ann', passwords.ann) });
    const [header = '', payload = ''] = token.split('.');
    const read = (text: string) => JSON.parse(Buffer.from(text, 'base64url').toString());
    const { kid } = read(header);
    const claims = { ...read(payload), scope: [{ match: '**', form: 'glob', may: ['pull', 'push'] }] };
    const own = newKeys();
    const jwk = await exportJWK(own.publicKey);
    const { subtle } = globalThis.crypto;
    /** Signed by the attacker's own key, under any header. */
    const bySelf = async (fields: object) => {
      const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
      const text = `${encode({ alg: 'ES256', typ: 'entrepot-access+jwt', ...fields })}.${encode(claims)}`;
      const pkcs8 = own.privateKey.export({ type: 'pkcs8', format: 'der' });
      const key = await subtle.importKey('pkcs8', pkcs8, { name: 'ECDSA', namedCurve: 'P-256' }, false, [
        'sign',
      ]);
      const signature = await subtle.sign({ name: 'ECDSA', hash: 'SHA-256' }, key, Buffer.from(text));
      return `${text}.${Buffer.from(signature).toString('base64url')}`;
    };
    const keyFile = join(folder, 'data/access/token-keys.json');
    for (const fields of [
      { kid },
      { kid, jwk },
      { jwk },
      { kid, jku: `${proxy.url}/keys` },
      { kid, x5u: `${proxy.url}/keys` },
      { kid: '../../../../dev/null' },
      { kid: keyFile },
      { kid: '__proto__' },
      { kid: '' },
      { kid: 7 },
      { kid: [kid] },
      { kid: `${kid}\u0000` },
      { kid, crit: ['exp'], exp: 1 },
      { kid, b64: false, crit: ['b64'] },
      { kid, alg: 'ES384' },
      { kid, alg: 'none' },
      { kid, typ: 'JWT' },
    ])
      assert.equal(
        (await get(secret, { headers: bearer(await bySelf(fields)) })).status,
        401,
        JSON.stringify(fields),
      );
    const zero = `${header}.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.${Buffer.alloc(64).toString('base64url')}`;
    assert.equal(
      (await get(secret, { headers: bearer(zero) })).status,
      401,
      'the signature of CVE-2022-21449',
    );
    for (const secretOfHmac of ['', kid, JSON.stringify(jwk), readFileSync(keyFile, 'utf8')])
      for (const alg of ['HS256', 'HS384', 'none'])
        assert.equal(
          (
            await get(secret, {
              headers: bearer(forged({ alg, kid, typ: 'entrepot-access+jwt' }, claims, secretOfHmac)),
            })
          ).status,
          401,
        );
  });

  it('with an HMAC under the public half of an RSA key is refused', async (t) => {
    const { proxy, folder, toml } = await startGuarded(t);
    const pair = generateKeyPairSync('rsa', { modulusLength: 2048 });
    writeFileSync(join(folder, 'key.pem'), pair.privateKey.export({ type: 'pkcs8', format: 'pem' }));
    await proxy.reload({
      toml: toml.replace('anonymous = []', `anonymous = []\ntoken_key = "${folder}/key.pem"`),
    });
    const { token } = await getToken(proxy.url, [pullSecret], { headers: basic('ann', passwords.ann) });
    const read = (part: number) =>
      JSON.parse(Buffer.from(token.split('.')[part] ?? '', 'base64url').toString());
    assert.equal(read(0).alg, 'RS256');
    assert.equal((await get(proxy.url + secret, { headers: bearer(token) })).status, 200);
    for (const format of ['pem', 'der'] as const) {
      const text = pair.publicKey.export({ type: 'spki', format } as never) as string | Buffer;
      const one = forged({ ...read(0), alg: 'HS256' }, read(1), text as string);
      assert.equal((await get(proxy.url + secret, { headers: bearer(one) })).status, 401);
    }
  });

  it('in the query or in a cookie is not looked at', async (t) => {
    const { proxy, get } = await startGuarded(t);
    const { token } = await getToken(proxy.url, [pullSecret], { headers: basic('ann', passwords.ann) });
    assert.equal((await get(`${secret}?access_token=${token}&token=${token}`)).status, 401);
    assert.equal(
      (await get(secret, { headers: { cookie: `token=${token}`, 'x-auth-token': token } })).status,
      401,
    );
    assert.ok(!JSON.stringify(proxy.log).includes(token.slice(-40)));
  });
});

describe('a flood', () => {
  it('of tokens with unknown keys asks their issuer once in 30 s', async (t) => {
    const clock = createManualClock(Date.now());
    const keys = newKeys();
    let asked = 0;
    const server = createServer((request, response) => {
      asked += 1;
      const isDiscovery = request.url?.endsWith('openid-configuration');
      void exportJWK(keys.publicKey).then((jwk) =>
        response.end(
          JSON.stringify(
            isDiscovery ? { issuer, jwks_uri: `${issuer}/jwks` } : { keys: [{ ...jwk, kid: 'k' }] },
          ),
        ),
      );
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    t.after(() => {
      server.close();
      server.closeAllConnections();
    });
    const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const more = `[[access.oidc]]\nissuer = "${issuer}"\naudience = "entrepot"\n`;
    const { get } = await startGuarded(t, { more }, { clock });
    const other = newKeys();
    const flood = (from: number) =>
      Promise.all(
        Array.from({ length: 40 }, async (_, n) => {
          const kid = `unknown-${from + n}`;
          const token = await signed(other.privateKey, {
            kid,
            issuer,
            audience: 'entrepot',
            subject: 'x',
            expires: 1e10,
          });
          return (await get(secret, { headers: bearer(token) })).status;
        }),
      );
    assert.deepEqual(new Set(await flood(0)), new Set([401]));
    const first = asked;
    assert.ok(first <= 4, `${first} requests`);
    assert.deepEqual(new Set(await flood(100)), new Set([401]));
    assert.equal(asked, first);
    await clock.advance(30_000);
    await flood(200);
    assert.equal(asked, first + 2);
  });

  it('of long names and of headers in a row gets an answer each, and no login', async (t) => {
    const { proxy, get } = await startGuarded(t, {
      top: 'trusted_proxies = ["127.0.0.1"]',
      access: 'anonymous = ["pull"]\nhtpasswd = "htpasswd"',
    });
    const logins = [
      ['u'.repeat(15_000), 'x'],
      ['ann', 'p'.repeat(15_000)],
      ['ann\u0000', passwords.ann],
      ['ann ', passwords.ann],
      ['Ann', passwords.ann],
      ['', passwords.ann],
      ['ann', ''],
      ['ann', `${passwords.ann}\n`],
      ['anonymous', ''],
      ['cn=node', 'x'],
      ['group:platform', 'x'],
      ['__proto__', 'x'],
      ['constructor', 'x'],
    ] as const;
    for (const [n, [name, password]] of logins.entries()) {
      // Each from an address of its own, so that none waits.
      const headers = { 'x-forwarded-for': `203.0.113.${n}`, ...basic(name, password) };
      assert.equal((await get('/v2/', { headers })).status, 401, name.slice(0, 20));
    }
    const right = basic('ann', passwords.ann).authorization;
    const wrong = basic('eve', 'wrong').authorization;
    const twice = (one: string | undefined, other: string | undefined) =>
      raw(
        proxy.url,
        `GET ${secret} HTTP/1.1\r\nHost: h\r\nConnection: close\r\nAuthorization: ${one}\r\nAuthorization: ${other}\r\n\r\n`,
      );
    assert.match(await twice(wrong, right), /^HTTP\/1\.1 40[01] /);
    for (const framing of [
      `Transfer-Encoding: chunked\r\nContent-Length: 4`,
      `Content-Length: 4\r\nContent-Length: 5`,
      `Transfer-Encoding: xchunked`,
      `Transfer-Encoding : chunked`,
      `Content-Length: +4`,
    ]) {
      const answer = await raw(
        proxy.url,
        `POST /v2/images.local/a/blobs/uploads/ HTTP/1.1\r\nHost: h\r\nAuthorization: ${right}\r\n${framing}\r\n\r\n0\r\n\r\nGET ${secret} HTTP/1.1\r\nHost: h\r\nAuthorization: ${right}\r\nConnection: close\r\n\r\n`,
      );
      assert.match(answer, /^HTTP\/1\.1 400 /, framing);
      assert.ok(!answer.includes(secretImage.digest), 'what follows is no request');
    }
  });
});
