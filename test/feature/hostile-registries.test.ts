/**
 * What a hostile or broken registry can try: to be given a password that is not for it, to send this server where it must not
 * go, and to have bytes kept that are not what they are called.
 */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { mediaTypes } from '../../src/oci/media-types.ts';
import { startApp } from '../support/app.ts';
import { blobOf } from '../support/byte-source.ts';
import { createCertificateAuthority } from '../support/certificates.ts';
import { certsFor, entry, names, readError, startRegistry } from '../support/endpoints.ts';
import { eventually } from '../support/eventually.ts';
import { jsonAnswer } from '../support/fake-registry-content.ts';
import {
  corruptAt,
  endShort,
  type Fault,
  gzipped,
  htmlPage,
  hugeHeaders,
  noContentLength,
  otherBody,
  rawAnswer,
  redirect,
  slowHeaders,
  status,
  tooMuch,
  withHeaders,
} from '../support/fake-registry-faults.ts';
import type { SeenRequest } from '../support/fake-registry-journal.ts';
import { get } from '../support/http-client.ts';
import { buildImage, buildIndex } from '../support/images.ts';
import { tempFolder } from '../support/temp-folder.ts';

const image = buildImage({ layers: [100_000] });
const layer = image.layers[0]?.digest ?? '';
const addresses = {
  'hub.test': ['127.0.0.1'],
  'evil.test': ['127.0.0.1'],
  'hub.test.evil.test': ['127.0.0.1'],
  'joe.github.io': ['127.0.0.1'],
  'eve.github.io': ['127.0.0.1'],
  'inside.test': ['169.254.169.254'],
  'both.test': ['127.0.0.1', 'fe80::1'],
};

/** A registry called `name` for which joe's password is kept, and a place that notes what comes to it. */
async function setUp(t: TestContext, name = 'hub.test', toml = '') {
  const [registry, evil] = [await startRegistry(t), await startRegistry(t)];
  registry.putImage('team/app', '1', image);
  const host = `${name}:${registry.port}`;
  const authJson = JSON.stringify({
    auths: { [host]: { auth: Buffer.from('joe:right').toString('base64') } },
  });
  const registries = entry('ex.test', { source: host });
  const proxy = await startApp(t, { registries, authJson, toml }, { resolve: names(addresses) });
  const ask = (path = 'manifests/1') => get(`${proxy.url}/v2/ex.test/team/app/${path}`);
  const kept = () => readdirSync(join(proxy.data, 'content-v1'), { recursive: true, encoding: 'utf8' });
  return { registry, evil, ask, proxy, kept, host };
}

const passwordsIn = (requests: readonly SeenRequest[]) =>
  requests.filter(({ headers }) => headers.authorization !== undefined).length;

describe('a registry that wants a password sent elsewhere, and names as its token server', () => {
  const realms: [what: string, realm: string, name?: string][] = [
    ['another host', 'http://evil.test:PORT/token'],
    ['a host whose name begins like its own', 'http://hub.test.evil.test:PORT/token'],
    ['a neighbour under a domain that strangers share', 'http://eve.github.io:PORT/token', 'joe.github.io'],
    ['a URL with its own name as the user', 'http://hub.test@evil.test:PORT/token'],
    ['a URL with its own name behind a hash', 'http://evil.test:PORT/token#hub.test'],
    ['a URL of another scheme', 'ftp://evil.test:PORT/token'],
    ['nothing that is a URL', '//evil.test:PORT/token'],
    ['the metadata service', 'http://169.254.169.254/latest/meta-data'],
    ['the metadata service in IPv6 notation', 'http://[::ffff:169.254.169.254]/latest/meta-data'],
    ['the metadata service in one number', 'http://2852039166/latest/meta-data'],
    ['a name that leads to the metadata service', 'http://inside.test/latest/meta-data'],
  ];
  for (const [what, realm, name] of realms) {
    it(`${what}, does not get it`, async (t) => {
      const { registry, evil, ask } = await setUp(t, name);
      const challenge = `Bearer realm="${realm.replace('PORT', `${evil.port}`)}",service="x"`;
      registry.on({ kind: 'manifest' }, status(401, { 'www-authenticate': challenge }));
      const answer = readError(await ask());
      assert.equal(answer.status, 502);
      assert.equal(answer.trail[0]?.outcome, 'unauthorized', JSON.stringify(answer.trail));
      assert.equal(passwordsIn(evil.requests), 0);
      assert.equal(passwordsIn(registry.requests), 0);
    });
  }

  it('one that sends the token request on to another host, does not get it', async (t) => {
    const { registry, evil, ask, host } = await setUp(t);
    registry.on({ path: /^\/token/ }, redirect(`http://evil.test:${evil.port}/token`));
    const challenge = `Bearer realm="http://${host}/token",service="x"`;
    registry.on({ kind: 'manifest' }, status(401, { 'www-authenticate': challenge }));
    assert.equal((await ask()).status, 502);
    assert.equal(passwordsIn(evil.requests), 0);
    assert.ok(evil.requests.every(({ query }) => !query.has('account')));
  });

  it('itself, but asks for the right to push, is not asked for such a token', async (t) => {
    const { registry, ask, host } = await setUp(t);
    registry.on({ path: /^\/token/ }, status(200, { 'content-type': 'application/json' }, '{"token":"x"}'));
    const push = 'repository:team/app:pull,push registry:catalog:*';
    const challenge = `Bearer realm="http://${host}/token?scope=${push}",scope="${push}"`;
    registry.on({ kind: 'manifest' }, status(401, { 'www-authenticate': challenge }));
    assert.equal((await ask()).status, 502);
    const scopes = registry.matching({ path: /^\/token/ }).flatMap(({ query }) => query.getAll('scope'));
    assert.deepEqual(new Set(scopes), new Set(['repository:team/app:pull']));
  });

  for (const [what, body, reason] of [
    [
      'too large',
      JSON.stringify({ token: 'x'.repeat(2 * 1024 * 1024) }),
      /: body larger than 1048576 bytes$/,
    ],
    [
      'split over two header lines',
      JSON.stringify({ token: 'x\r\nX-Evil: 1' }),
      /: the answer holds no token$/,
    ],
    ['no token', '[]', /: the answer holds no token$/],
  ] as const) {
    it(`itself, and sends a token that is ${what}, gets no request with it`, async (t) => {
      const { registry, ask, host } = await setUp(t);
      registry.on({ path: /^\/token/ }, status(200, { 'content-type': 'application/json' }, body));
      const challenge = `Bearer realm="http://${host}/token"`;
      registry.on({ kind: 'manifest' }, status(401, { 'www-authenticate': challenge }));
      assert.match(readError(await ask()).trail[0]?.reason ?? '', reason);
      assert.equal(registry.count({ kind: 'manifest' }), 1);
    });
  }

  it('nobody, but tells the client to authenticate elsewhere, does not reach the client', async (t) => {
    const { registry, ask } = await setUp(t);
    const challenge = 'Basic realm="http://evil.test"';
    registry.on({}, status(401, { 'www-authenticate': challenge, 'set-cookie': 'a=b' }));
    const answer = await ask();
    assert.equal(answer.status, 502);
    assert.equal(answer.headers['www-authenticate'], undefined);
    assert.equal(answer.headers['set-cookie'], undefined);
  });
});

describe('a registry that redirects', () => {
  const targets: [what: string, location: string, reason: RegExp][] = [
    ['to the metadata service', 'http://169.254.169.254/latest', /link-local address, which it may not/],
    ['to a link-local IPv6 address', 'http://[fe80::1]/latest', /link-local address, which it may not/],
    ['to the metadata service as one number', 'http://2852039166/latest', /link-local address/],
    ['to the metadata service in octal', 'http://0251.0376.0251.0376/latest', /link-local address/],
    ['to the wire server of a cloud', 'http://168.63.129.16/machine', /link-local address, which it may not/],
    ['to a name that leads there', 'http://inside.test/latest', /inside\.test, a link-local address/],
    ['to a name that also leads there', 'http://both.test/latest', /both\.test, a link-local address/],
    ['to a URL with a password in it', 'http://joe:x@evil.test/', /^redirects to a URL with credentials/],
    ['to a file', 'file:///etc/passwd', /^redirects to a file: URL$/],
    ['to another protocol', 'gopher://evil.test/', /^redirects to a gopher: URL$/],
    ['without saying where', '', /^redirects without a usable Location$/],
    ['to itself for ever', '/v2/team/app/manifests/1', /^redirects more than 10 times$/],
  ];
  for (const [what, location, reason] of targets) {
    it(`${what} is not followed there`, async (t) => {
      const { registry, ask } = await setUp(t);
      registry.on({ kind: 'manifest' }, redirect(location));
      const answer = readError(await ask());
      assert.deepEqual([answer.status, answer.trail[0]?.outcome], [502, 'invalid']);
      assert.match(answer.trail[0]?.reason ?? '', reason);
      assert.ok(registry.count({ kind: 'manifest' }) <= 11);
    });
  }

  it('from HTTPS to plain HTTP is not followed, though the plain host would answer', async (t) => {
    const authority = createCertificateAuthority();
    const registry = await startRegistry(t, { tls: authority.issue() });
    const plain = await startRegistry(t);
    registry.on({ kind: 'manifest' }, redirect(`${plain.url}/v2/team/app/manifests/1`));
    const folder = tempFolder(t);
    certsFor(folder, registry.host, { 'ca.crt': authority.cert });
    const registries = entry('ex.test', { source: registry.host, secure: [registry.host] });
    const proxy = await startApp(t, { registries, folder });
    const answer = readError(await get(`${proxy.url}/v2/ex.test/team/app/manifests/1`));
    assert.match(answer.trail[0]?.reason ?? '', /^redirects from HTTPS to plain HTTP/);
    assert.equal(plain.count(), 0);
  });

  it('to a name that changes its address in between is looked at when it is connected to', async (t) => {
    const { registry, evil } = await setUp(t);
    registry.on({ kind: 'blob' }, redirect(`http://rebind.test:${evil.port}/layer`));
    evil.putFile('/layer', image.layers[0] ?? '');
    let address = '127.0.0.1';
    const proxy = await startApp(
      t,
      { registries: entry('ex.test', { source: registry.host }) },
      { resolve: (hostname, ...rest) => names({ 'rebind.test': [address] })(hostname, ...rest) },
    );
    address = '169.254.169.254';
    const answer = readError(await get(`${proxy.url}/v2/ex.test/team/app/blobs/${layer}`));
    assert.match(answer.trail[0]?.reason ?? '', /rebind\.test, a link-local address/);
    assert.equal(evil.count(), 0);
  });
});

describe('a registry that sends as a manifest', () => {
  const json = (value: unknown) => JSON.stringify(value);
  const manifest = JSON.parse(image.bytes.toString()) as Record<string, unknown>;
  const asManifest = (body: string, type: string = mediaTypes.ociManifest): Fault[] => [
    otherBody(body),
    withHeaders({ 'content-type': type, 'docker-content-digest': undefined, etag: undefined }),
  ];
  const lies: [what: string, faults: Fault[], reason: RegExp][] = [
    ['a web page', [htmlPage()], /^sent a web page/],
    ['a web page called a manifest', asManifest('<!doctype html>'), /^manifest is no JSON/],
    [
      'an object called text',
      asManifest(json({ name: 'guest', layers: [] }), 'text/plain'),
      /no manifest type/,
    ],
    ['an index called a manifest', asManifest(buildIndex().bytes.toString()), /^manifest says it is/],
    [
      'a type that splits the header',
      asManifest(json({ ...manifest, mediaType: 'a/b\r\nX-Evil: 1' }), ''),
      /no manifest type/,
    ],
    [
      'a digest that climbs',
      asManifest(json({ ...manifest, config: { digest: 'sha256:../..', size: 1 } })),
      /descriptor/,
    ],
    [
      'a size below nothing',
      asManifest(json({ ...manifest, config: { digest: layer, size: -1 } })),
      /descriptor/,
    ],
    [
      'five MiB of spaces',
      asManifest(json(manifest) + ' '.repeat(5 * 1024 * 1024)),
      /^body larger than 4194304 bytes$/,
    ],
    [
      'the same without a length',
      [...asManifest(json(manifest) + ' '.repeat(5 * 1024 * 1024)), noContentLength()],
      /^body larger than 4194304 bytes$/,
    ],
    ['a gzip bomb', [...asManifest(' '.repeat(4_000_000)), gzipped()], /^sent the body encoded \(gzip\)/],
    ['another than its digest header tells', [corruptAt(3)], /has not the digest/],
    ['half of it, chunked', [endShort(100), noContentLength()], /has not the digest/],
    ['headers without end', [hugeHeaders(100_000)], /^headers larger than 64 KiB$/],
  ];
  for (const [what, faults, reason] of lies) {
    it(`${what} has nothing kept, and nothing passed on`, async (t) => {
      const { registry, ask, kept } = await setUp(t);
      registry.on({ kind: 'manifest' }, ...faults);
      const answer = await ask();
      const error = readError(answer);
      assert.equal(error.status, 502);
      assert.match(error.trail[0]?.reason ?? '', reason);
      assert.equal(answer.headers['x-evil'], undefined);
      assert.deepEqual(
        kept().filter((name) => /[0-9a-f]{64}$/.test(name)),
        [],
      );
    });
  }

  it('one of another digest than was asked for has nothing kept', async (t) => {
    const { registry, ask } = await setUp(t);
    const other = buildImage({ seed: 'other' });
    registry.on({ kind: 'manifest' }, ...asManifest(other.bytes.toString()));
    const answer = readError(await ask(`manifests/${image.digest}`));
    assert.match(answer.trail[0]?.reason ?? '', /^manifest has not the digest/);
  });

  for (const [what, ...faults] of [
    ['a web page', htmlPage()],
    [
      'another digest than the one that was asked for',
      withHeaders({ 'docker-content-digest': `sha256:${'b'.repeat(64)}` }),
    ],
  ] as const) {
    it(`${what}, when only its head is asked for, is not believed`, async (t) => {
      const { registry, ask } = await setUp(t, 'hub.test', '[freshness]\ntag = "0s"\n');
      assert.equal((await ask()).status, 200);
      registry.on({ kind: 'manifest' }, ...faults);
      const answer = await ask();
      assert.deepEqual([answer.status, answer.headers['x-entrepot-cache']], [200, 'stale']);
      assert.deepEqual(answer.body, image.bytes);
    });
  }

  it('its headers byte by byte is given up for the next after a second, and in the end', async (t) => {
    const { registry, ask } = await setUp(t, 'hub.test', '[upstream]\ntotal_timeout = "300ms"\n');
    registry.on({ kind: 'manifest' }, slowHeaders());
    assert.match(readError(await ask()).trail[0]?.reason ?? '', /^no answer within 0\.3 s$/);
  });

  it('a header of its own beside the image does not reach the client', async (t) => {
    const { registry, ask } = await setUp(t);
    const own = { 'set-cookie': 'a=b', 'x-evil': '1', location: 'http://evil.test' };
    registry.on({ kind: 'manifest' }, withHeaders(own));
    const answer = await ask();
    assert.equal(answer.status, 200);
    for (const name of Object.keys(own)) assert.equal(answer.headers[name], undefined, name);
    registry.on({ kind: 'blob' }, withHeaders(own));
    const blob = await ask(`blobs/${layer}`);
    for (const name of Object.keys(own)) assert.equal(blob.headers[name], undefined, name);
  });

  it('two answers in one does not have the second one taken for another’s', async (t) => {
    const { registry, ask } = await setUp(t);
    const body = image.bytes.toString();
    const one = (text: string) =>
      `HTTP/1.1 200 OK\r\nContent-Type: ${mediaTypes.ociManifest}\r\nContent-Length: ${text.length}\r\n\r\n${text}`;
    registry.on({ kind: 'manifest', times: 1 }, rawAnswer(one(body) + one('{"evil":true}')));
    assert.equal((await ask()).status, 200);
    const second = await ask(`manifests/${buildImage({ seed: 'x' }).digest}`);
    assert.equal(second.status, 404);
  });
});

describe('a registry that sends as a blob', () => {
  const lies: [what: string, ...faults: Fault[]][] = [
    ['a web page', htmlPage()],
    ['another type of page, with the same length', otherBody('x'.repeat(100_000))],
    ['one wrong byte', corruptAt(50_000)],
    ['too few bytes, chunked', endShort(60_000), noContentLength()],
    ['no bytes', endShort(0)],
    ['too many bytes', tooMuch(10)],
    ['packed bytes', gzipped()],
  ];
  for (const [what, ...faults] of lies) {
    it(`${what} has no client end well, and keeps nothing`, async (t) => {
      const { registry, ask, kept } = await setUp(t);
      registry.on({ kind: 'blob' }, ...faults);
      const answer = await ask(`blobs/${layer}`).catch(() => undefined);
      assert.ok(!answer || answer.status === 502 || !answer.complete, `${answer?.status}`);
      assert.equal(
        kept().some((name) => name.includes(layer.slice(7))),
        false,
      );
      registry.heal();
      // Whoever comes while the wrong one is still being given up shares its end.
      const again = await eventually('the right one is taken after that', async () => {
        const answer = await ask(`blobs/${layer}`);
        return answer.status === 200 && answer.complete && answer;
      });
      assert.deepEqual(again.body, Buffer.from(image.layers[0]?.bytes() ?? ''));
    });
  }

  it('one that another registry has under the same repository name is asked for at its own', async (t) => {
    const [one, two] = [await startRegistry(t), await startRegistry(t)];
    const other = buildImage({ seed: 'evil' });
    one.putImage('team/app', '1', image);
    two.putImage('team/app', '1', other);
    const registries = entry('one.test', { source: one.host }) + entry('two.test', { source: two.host });
    const proxy = await startApp(t, { registries });
    const ask = (registry: string, path: string) => get(`${proxy.url}/v2/${registry}/team/app/${path}`);
    assert.deepEqual((await ask('two.test', 'manifests/1')).body, other.bytes);
    assert.deepEqual((await ask('one.test', 'manifests/1')).body, image.bytes);
    assert.equal((await ask('one.test', `blobs/${layer}`)).status, 200);
    assert.equal((await ask('two.test', `blobs/${layer}`)).status, 404);
    assert.equal((await ask('two.test', `manifests/${image.digest}`)).status, 404);
  });

  it('nothing, though its manifest names the blob of somebody else, has nothing made up', async (t) => {
    const { registry, ask } = await setUp(t);
    const foreign = blobOf('somebody else’s');
    registry.putManifest('team/app', 'naming', buildImage({ layers: [foreign] }));
    assert.equal((await ask('manifests/naming')).status, 200);
    assert.equal((await ask(`blobs/${foreign.digest}`)).status, 404);
  });
});

describe('a registry that sends as a tag list', () => {
  const list = (tags: unknown) => otherBody(JSON.stringify({ name: 'team/app', tags }));
  it('names that are none has them left out', async (t) => {
    const { registry, ask } = await setUp(t);
    registry.on({ kind: 'tags' }, list(['1', '../../etc', 'a\r\nX: y', 7, null, '<script>', 'ok']));
    assert.deepEqual(JSON.parse((await ask('tags/list')).body.toString()).tags, ['1', 'ok']);
  });

  it('more than anybody has tags is refused', async (t) => {
    const { registry, ask } = await setUp(t);
    registry.on({ kind: 'tags' }, list(['x'.repeat(33 * 1024 * 1024)]));
    const answer = readError(await ask('tags/list'));
    assert.match(answer.trail[0]?.reason ?? '', /^body larger than \d+ bytes$/);
  });

  it('pages without end is refused', async (t) => {
    const { registry, ask } = await setUp(t);
    let page = 0;
    const fresh = {
      answer: () => jsonAnswer(200, { tags: [] }, { link: `</v2/x?page=${++page}>; rel="next"` }),
    };
    registry.on({ kind: 'tags', nth: 1 }, list(['1']), withHeaders({ link: '</v2/x?page=0>; rel="next"' }));
    registry.on({ path: /./ }, fresh);
    assert.match(
      readError(await ask('tags/list')).trail[0]?.reason ?? '',
      /^sent more than 1000 pages of tags$/,
    );
  });

  it('a next page on its own host whose path begins with the name of another, is not asked there', async (t) => {
    const { registry, evil, ask, host } = await setUp(t);
    const basic = status(401, { 'www-authenticate': 'Basic realm="x"' });
    registry.on({ kind: 'tags', when: ({ headers }) => headers.authorization === undefined }, basic);
    const link = `<http://${host}//evil.test:${evil.port}/v2/x/tags/list>; rel="next"`;
    registry.on({ kind: 'tags' }, withHeaders({ link }));
    await ask('tags/list');
    assert.equal(
      passwordsIn(registry.matching({ kind: 'tags' })),
      2,
      'the first page, and the one after its last tag',
    );
    assert.equal(evil.count(), 0);
  });
});
