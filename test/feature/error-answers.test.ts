/**
 * What a client is told when nothing worked: every endpoint, in order, with an outcome and a reason to act on. 404 only when all
 * endpoints said so; 502 when one of them could not say; 503 when waiting helps.
 */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { startApp } from '../support/app.ts';
import { createCertificateAuthority, expired, selfSigned } from '../support/certificates.ts';
import { createManualClock } from '../support/clock.ts';
import { entry, names, type ReadError, readError, startRegistry } from '../support/endpoints.ts';
import type { FakeRegistryOptions } from '../support/fake-registry.ts';
import {
  type Fault,
  hangUp,
  htmlPage,
  hugeHeaders,
  otherBody,
  rateLimited,
  rawAnswer,
  redirect,
  status,
  withHeaders,
} from '../support/fake-registry-faults.ts';
import { get } from '../support/http-client.ts';
import { buildImage } from '../support/images.ts';

const image = buildImage();
const digest = image.layers[0]?.digest;

/** Asks for a tag of which the one registry has nothing good to say. */
async function askOne(
  t: TestContext,
  how: { fault?: Fault; options?: FakeRegistryOptions; secure?: boolean; gone?: boolean; host?: string },
): Promise<ReadError & { host: string }> {
  const registry = await startRegistry(t, how.options);
  registry.putImage('team/app', '1', image);
  if (how.fault) registry.on({ kind: 'manifest' }, how.fault);
  if (how.gone) await registry.stop();
  const host = how.host ? `${how.host}:${registry.port}` : registry.host;
  const registries = entry('ex.test', { source: host, secure: how.secure ? [host] : [] });
  const resolve = names({ 'registry.test': ['127.0.0.1'] });
  const proxy = await startApp(t, { registries, authJson: '{}' }, { resolve });
  const read = readError(await get(`${proxy.url}/v2/ex.test/team/app/manifests/1`));
  return { ...read, host };
}

const yesterday = new Date(Date.now() - 24 * 60 * 60 * 1000).toISOString().slice(0, 10);
const authority = createCertificateAuthority();

const failures: [string, Parameters<typeof askOne>[1], string, RegExp][] = [
  ['refuses connections', { gone: true }, 'unreachable', /^connection refused$/],
  ['has no address', { host: 'nowhere.test', secure: true }, 'unreachable', /^DNS name not found$/],
  [
    'has an expired certificate',
    { options: { tls: authority.issue(expired()) }, secure: true },
    'unreachable',
    new RegExp(`^certificate expired on ${yesterday}$`),
  ],
  [
    'vouches for itself',
    { options: { tls: selfSigned() }, secure: true },
    'unreachable',
    /^self-signed certificate: put its CA into certs\.d\/127\.0\.0\.1:\d+, or mark the endpoint insecure$/,
  ],
  [
    'has a certificate of an unknown CA',
    { options: { tls: authority.issue() }, secure: true },
    'unreachable',
    /^certificate of an unknown CA: put its CA into certs\.d\/127\.0\.0\.1:\d+$/,
  ],
  [
    'speaks no TLS',
    { secure: true },
    'unreachable',
    /^connection closed in the TLS handshake: if it speaks plain HTTP, mark the endpoint insecure$/,
  ],
  ['speaks no HTTP', { fault: rawAnswer('SSH-2.0-x\r\n') }, 'unreachable', /^sent no valid HTTP$/],
  ['hangs up', { fault: hangUp() }, 'unreachable', /^connection closed before the answer was complete$/],
  ['is overloaded', { fault: status(503) }, 'unreachable', /^HTTP 503 \(UNKNOWN: HTTP 503\)$/],
  [
    'forbids it in its own words',
    { fault: status(403, {}, JSON.stringify({ errors: [{ code: 'DENIED', message: 'no licence' }] })) },
    'denied',
    /^HTTP 403/,
  ],
  ['is a captive portal', { fault: htmlPage() }, 'invalid', /^sent a web page \(text\/html\)$/],
  [
    'sends something else',
    { fault: otherBody('{}') },
    'invalid',
    /^manifest has not the digest sha256:[0-9a-f]{64} that its header tells$/,
  ],
  ['redirects to nowhere', { fault: redirect('http://127.0.0.1:1/x') }, 'unreachable', /^redirected to /],
  ['has too much to say', { fault: hugeHeaders(80_000) }, 'unreachable', /^headers larger than 64 KiB$/],
  [
    'limits requests, in its own words',
    { fault: rateLimited(90) },
    'rateLimited',
    /^HTTP 429 until 20\d\d-\d\d-\d\dT.+Z \(TOOMANYREQUESTS: too many requests\)$/,
  ],
  [
    'wants a password',
    { options: { auth: { kind: 'basic', username: 'joe', password: 'x' } } },
    'unauthorized',
    /^no credentials in \/.+\/auth\.json for 127\.0\.0\.1:\d+\/team\/app$/,
  ],
  [
    'wants something that no client has',
    { fault: status(401, { 'www-authenticate': 'Negotiate' }) },
    'unauthorized',
    /^asks for negotiate authentication only$/,
  ],
  [
    'sends it packed',
    { fault: withHeaders({ 'content-encoding': 'br' }) },
    'invalid',
    /^sent the body encoded \(br\), though asked not to$/,
  ],
  ['has none', { fault: status(404) }, 'notFound', /^HTTP 404/],
];

describe('an image that its only registry cannot give because it', () => {
  for (const [what, how, outcome, reason] of failures) {
    it(`${what} is answered with that`, async (t) => {
      const answer = await askOne(t, how);
      const expected = outcome === 'notFound' ? 404 : outcome === 'rateLimited' ? 503 : 502;
      assert.equal(answer.status, expected);
      assert.deepEqual(answer.outline, [`${answer.host} ${outcome}`]);
      assert.match(answer.trail[0]?.reason ?? '', reason);
      assert.ok(answer.message.includes(answer.trail[0]?.reason ?? '?'), 'the message has it, too');
    });
  }
});

describe('what', () => {
  async function setUp(t: TestContext) {
    const [mirror, source] = [await startRegistry(t), await startRegistry(t)];
    const registries = entry('ex.test', { mirrors: [mirror.host], source: source.host });
    const clock = createManualClock();
    const proxy = await startApp(t, { registries }, { clock });
    const ask = async (path: string) => readError(await get(`${proxy.url}/v2/ex.test/team/app/${path}`));
    return { mirror, source, ask, proxy, clock };
  }
  const questions = [
    ['manifests/1', 'MANIFEST_UNKNOWN'],
    [`manifests/${image.digest}`, 'MANIFEST_UNKNOWN'],
    [`blobs/${digest}`, 'BLOB_UNKNOWN'],
    ['tags/list', 'NAME_UNKNOWN', 404],
  ] as const;

  for (const [path, code, later = 502] of questions) {
    const isStale = later === 404;
    it(`no endpoint has is a 404 for ${path.replace(/sha256:.*/, 'DIGEST')}, a ${isStale ? 'stale 404' : '502'} when one cannot say`, async (t) => {
      const { mirror, source, ask, clock } = await setUp(t);
      const missing = await ask(path);
      assert.deepEqual([missing.status, missing.code], [404, code]);
      assert.deepEqual(missing.outline, [`${mirror.host} notFound`, `${source.host} notFound`]);

      mirror.on({}, status(500));
      await clock.advance(10_000);
      const unknown = await ask(path);
      assert.deepEqual([unknown.status, unknown.code], [later, isStale ? code : 'UNAVAILABLE']);
      assert.deepEqual(unknown.outline, [`${mirror.host} unreachable`, `${source.host} notFound`]);
    });
  }

  it('a limited registry may have is a 503 that says until when', async (t) => {
    const { mirror, source, ask } = await setUp(t);
    mirror.on({ kind: 'manifest' }, rateLimited(30));
    const answer = await ask('manifests/1');
    assert.deepEqual([answer.status, answer.code], [503, 'TOOMANYREQUESTS']);
    assert.deepEqual(answer.outline, [`${mirror.host} rateLimited`, `${source.host} notFound`]);
    assert.match(answer.message, /limits requests until 20\d\d-/);
  });

  it('no endpoint may be asked for is a 503 that says so, and asks none', async (t) => {
    const { proxy, ask, mirror, source } = await setUp(t);
    await proxy.reload({ toml: '[upstream]\noffline = true\n' });
    const answer = await ask('manifests/1');
    assert.deepEqual([answer.status, answer.code], [503, 'UNAVAILABLE']);
    assert.match(answer.message, /upstream\.offline/);
    assert.deepEqual(answer.outline, [`${mirror.host} skipped`, `${source.host} skipped`]);
    assert.equal(mirror.count() + source.count(), 0);
  });

  it('is blocked by registries.conf is told by the entry that blocks it', async (t) => {
    const registry = await startRegistry(t);
    const registries = `${entry('ex.test', { source: registry.host })}blocked = true\n`;
    const proxy = await startApp(t, { registries });
    const answer = readError(await get(`${proxy.url}/v2/ex.test/team/app/manifests/1`));
    assert.deepEqual(answer.outline, [`${registry.host} blocked`]);
    assert.match(answer.trail[0]?.reason ?? '', /^blocked by the entry for ex\.test$/);
    assert.equal(answer.status, 502);
    assert.equal(registry.count(), 0);
  });
});

describe('a path with a second /v2, as containerd asks without override_path', () => {
  it('is told the way out', async (t) => {
    const registry = await startRegistry(t);
    const proxy = await startApp(t, { registries: entry('ex.test', { source: registry.host }) });
    for (const path of ['v2/', 'v2', 'v2/team/app/manifests/1', 'v2/team/app/tags/list']) {
      const { status, message } = readError(await get(`${proxy.url}/v2/ex.test/${path}`));
      assert.equal(status, 404, path);
      assert.match(message, /override_path = true/, path);
    }
    const other = readError(await get(`${proxy.url}/v2/ex.test/team/app/manifests/1`));
    assert.doesNotMatch(other.message, /override_path/);
  });
});
