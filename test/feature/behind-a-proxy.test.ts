/** Proxies and load balancers in front: whose address counts, health checks of HTTP/1.0, and bodies that are announced first. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { basic, passwords, postToken, startGuarded } from '../support/access.ts';
import { type RunningApp, startApp } from '../support/app.ts';
import { createManualClock } from '../support/clock.ts';
import { eventually } from '../support/eventually.ts';
import { get } from '../support/http-client.ts';
import { imageManifest, pusher, sha256 } from '../support/pusher.ts';
import { raw } from '../support/raw-http.ts';
import { image, startWithSink } from '../support/sink-app.ts';
import { tempFolder } from '../support/temp-folder.ts';

const trusted = { top: 'trusted_proxies = ["127.0.0.1"]' };
const from = (address: string, password: string, name = 'ann') => ({
  headers: { 'x-forwarded-for': address, ...basic(name, password) },
});

describe('a client behind a trusted proxy', () => {
  it('is slowed by its own failed logins alone', async (t) => {
    const clock = createManualClock();
    const { get } = await startGuarded(t, trusted, { clock });
    for (let n = 0; n < 4; n++) assert.equal((await get('/v2/', from('203.0.113.7', `a${n}`))).status, 401);
    const slowed = get('/v2/', from('203.0.113.7:4711', 'a5'));
    await clock.armed(500);
    assert.equal((await get('/v2/', from('203.0.113.8', 'a6'))).status, 401, 'another client');
    assert.equal((await get('/v2/', { headers: basic('ann', 'a7') })).status, 401, 'the proxy itself');
    await clock.advance(500);
    assert.equal((await slowed).status, 401);
    const spoofed = get('/v2/', from('198.51.100.1, 203.0.113.7', 'a8'));
    await clock.armed(1000);
    await clock.advance(1000);
    assert.equal((await spoofed).status, 401);
  });

  it('is the client of log lines, of failed logins and of tokens', async (t) => {
    const { get, proxy } = await startGuarded(t, trusted);
    await get('/v2/', from('198.51.100.1, 203.0.113.7', 'wrong'));
    await get('/token', from('203.0.113.7', passwords.ann));
    await get('/v2/', { headers: { forwarded: 'for="[2001:db8::7]:4711"' } });
    const told = proxy.log.flatMap(({ event, client }) =>
      client === undefined ? [] : [`${event} ${client}`],
    );
    assert.deepEqual(told, [
      'access.loginFailed 203.0.113.7',
      'http.request 203.0.113.7',
      'access.tokenIssued 203.0.113.7',
      'http.request 2001:db8::7',
    ]);
  });

  it('is slowed alone where it guesses the secret of a sender of events', async (t) => {
    const clock = createManualClock();
    const { get, folder, proxy, toml } = await startGuarded(t, trusted, { clock });
    const secret = join(folder, 'secret');
    writeFileSync(secret, 'right-secret\n', { mode: 0o600 });
    const sender = `[[events.in]]\nname = "hub"\nformat = "distribution"\nsecret_file = "${secret}"\nregistry = "ex.test"\n`;
    await proxy.reload({ toml: `${toml}\n${sender}` });
    const send = (address: string, authorization: string) =>
      get('/events/hub', {
        method: 'POST',
        headers: { 'x-forwarded-for': address, authorization },
        body: '{"events":[]}',
      });
    for (let n = 0; n < 4; n++) assert.equal((await send('203.0.113.7', `guess-${n}`)).status, 401);
    const slowed = send('203.0.113.7', 'guess-5');
    await clock.armed(500);
    assert.equal((await send('203.0.113.8', 'guess')).status, 401, 'another client');
    assert.equal((await send('203.0.113.8', 'right-secret')).status, 202);
    await clock.advance(500);
    assert.equal((await slowed).status, 401);
    const refused = proxy.log.filter(({ event }) => event === 'events.refused');
    assert.deepEqual(new Set(refused.map(({ client }) => client)), new Set(['203.0.113.7', '203.0.113.8']));
  });

  it('is the client of events that go out', async (t) => {
    const { receiver, app } = await startWithSink(t, {
      sink: 'format = "distribution"',
      top: trusted.top,
    });
    const client = pusher(app.url, image, { 'x-forwarded-for': '203.0.113.7' });
    await client.blob('config');
    await client.manifest('1', imageManifest(['config']));
    const [{ event } = assert.fail()] = await receiver.took(1);
    assert.equal((event.request as { addr: string }).addr, '203.0.113.7');
  });

  it('is trusted, or not any more, from a reload on', async (t) => {
    const { get, proxy, toml } = await startGuarded(t);
    const ask = () => get('/v2/', from('203.0.113.7', passwords.ann));
    await ask();
    await proxy.reload({ toml: `${trusted.top}\n${toml}` });
    await ask();
    await proxy.reload({ toml });
    await ask();
    assert.deepEqual(
      proxy.log.filter(({ event }) => event === 'http.request').map(({ client }) => client),
      ['127.0.0.1', '203.0.113.7', '127.0.0.1'],
    );
  });
});

describe('a client that no proxy vouches for', () => {
  it('cannot choose its address', async (t) => {
    const clock = createManualClock();
    const { get, proxy } = await startGuarded(t, { top: 'trusted_proxies = ["10.0.0.0/8"]' }, { clock });
    for (let n = 0; n < 4; n++) await get('/v2/', from(`203.0.113.${n}`, `a${n}`));
    const slowed = get('/v2/', from('203.0.113.99', 'a5'));
    await clock.armed(500);
    await clock.advance(500);
    assert.equal((await slowed).status, 401);
    assert.ok(!JSON.stringify(proxy.log).includes('203.0.113'));
  });

  it('shares its address with others: those that logged in lately are not slowed by its guesses', async (t) => {
    const clock = createManualClock();
    const { get, proxy } = await startGuarded(t, {}, { clock });
    const login = (name: 'ann' | 'bob') => get('/v2/', { headers: basic(name, passwords[name]) });
    assert.equal((await login('ann')).status, 200);
    await clock.advance(24 * 3_600_000);
    const guess = (password: string) => get('/v2/', { headers: basic('eve', password) });
    for (let n = 0; n < 4; n++) await guess(`a${n}`);
    const fifth = guess('a5');
    await clock.armed(500);
    await clock.advance(500);
    await fifth;
    const guesses = Array.from({ length: 17 }, (_, n) => guess(`b${n}`));
    assert.equal((await Promise.race(guesses)).status, 429, 'the seventeenth at a time');
    const failed = () => proxy.log.filter(({ event }) => event === 'access.loginFailed').length;
    await eventually('all others wait', () => failed() === 5 + 16);
    assert.equal((await login('ann')).status, 200);
    const form = { grant_type: 'password', username: 'ann', password: passwords.ann };
    assert.equal((await postToken(proxy.url, form)).status, 200);
    assert.equal((await login('bob')).status, 429, 'a first login cannot be told from a guess');
    await clock.advance(4000);
    await Promise.all(guesses);
    assert.equal((await login('bob')).status, 200);
  });
});

describe('a health check of HTTP/1.0 without a Host header', () => {
  const statusOf = (answer: string) => answer.slice(0, answer.indexOf('\r\n'));

  it('gets 200, by GET and by HEAD', async (t) => {
    const { url } = await startApp(t, { registries: '' });
    for (const path of ['/v2/', '/v2', '/healthz', '/readyz', '/metrics'])
      for (const method of ['GET', 'HEAD'])
        assert.equal(statusOf(await raw(url, `${method} ${path} HTTP/1.0\r\n\r\n`)), 'HTTP/1.1 200 OK', path);
    assert.match(await raw(url, 'GET /readyz HTTP/1.0\r\n\r\n'), /\r\nready\n$/);
    assert.equal(
      statusOf(await raw(url, 'GET /healthz HTTP/1.1\r\nHost:\r\nConnection: close\r\n\r\n')),
      'HTTP/1.1 200 OK',
      'and an empty one',
    );
    assert.match(await raw(url, 'GET /healthz HTTP/1.1\r\n\r\n'), /^HTTP\/1\.1 400 /, 'HTTP/1.1 needs one');
  });

  it('is asked to log in at /v2/ where accounts exist, and not at /readyz', async (t) => {
    const { proxy } = await startGuarded(t);
    assert.match(await raw(proxy.url, 'GET /v2/ HTTP/1.0\r\n\r\n'), /^HTTP\/1\.1 401 /);
    assert.match(await raw(proxy.url, 'GET /readyz HTTP/1.0\r\n\r\n'), /^HTTP\/1\.1 200 /);
    const credentials = Buffer.from(`ann:${passwords.ann}`).toString('base64');
    const token = await raw(proxy.url, `GET /token HTTP/1.0\r\nAuthorization: Basic ${credentials}\r\n\r\n`);
    assert.match(token, /^HTTP\/1\.1 200 [\s\S]*"token":"ey/);
  });
});

describe('a body that is announced by Expect: 100-continue', () => {
  const open =
    '[access]\nanonymous = ["pull", "push"]\n[[push]]\nmatch = "images.local/**"\nmode = "local"\n';

  /** Sends the head, waits for 100, then sends the body. Gives all that came. */
  async function announced(url: string, line: string, body: string, more = ''): Promise<string> {
    const head = `${line} HTTP/1.1\r\nHost: h\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: ${Buffer.byteLength(body)}\r\n${more}\r\n`;
    return await raw(url, head, /\r\n\r\n/, body);
  }
  const continued = /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 (\d{3})/;
  const upload = async ({ url }: RunningApp) => {
    const begun = await get(`${url}/v2/images.local/a/blobs/uploads/`, { method: 'POST' });
    return String(begun.headers.location);
  };

  it('of a form for /token is asked for', async (t) => {
    const { proxy } = await startGuarded(t);
    const form = new URLSearchParams({ grant_type: 'password', username: 'ann', password: passwords.ann });
    const answer = await announced(proxy.url, 'POST /token', form.toString());
    assert.equal(continued.exec(answer)?.[1], '200');
    assert.match(answer, /"token":"ey/);
    const old = await raw(
      proxy.url,
      `POST /token HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: ${form.toString().length}\r\n\r\n${form}`,
    );
    assert.match(old, /^HTTP\/1\.1 200 /, 'HTTP/1.0 knows no 100');
  });

  it('of a push is asked for by each request that takes one', async (t) => {
    const app = await startApp(t, { registries: '', toml: open });
    const digest = sha256('blob');
    const type = 'Content-Type: application/vnd.oci.image.index.v1+json\r\n';
    const index = JSON.stringify({ schemaVersion: 2, manifests: [] });
    for (const [line, body, status, more] of [
      [`POST /v2/images.local/a/blobs/uploads/?digest=${digest}`, 'blob', '201', ''],
      [`PATCH ${await upload(app)}`, 'blob', '202', ''],
      [`PUT ${await upload(app)}?digest=${digest}`, 'blob', '201', ''],
      ['PUT /v2/images.local/a/manifests/1', index, '201', type],
    ] as const)
      assert.equal(continued.exec(await announced(app.url, line, body, more))?.[1], status, line);
  });

  it('of events is asked for once the secret was right', async (t) => {
    const folder = tempFolder(t);
    writeFileSync(join(folder, 'secret'), 'right-secret\n', { mode: 0o600 });
    const toml = `[[events.in]]\nname = "hub"\nformat = "distribution"\nsecret_file = "secret"\nregistry = "ex.test"\n`;
    const { url } = await startApp(t, { registries: '', toml, folder });
    const send = (secret: string) =>
      announced(url, 'POST /events/hub', '{"events":[]}', `Authorization: ${secret}\r\n`);
    assert.equal(continued.exec(await send('right-secret'))?.[1], '202');
    assert.match(await send('wrong'), /^HTTP\/1\.1 401 /);
  });

  it('of a push that is refused is not asked for', async (t) => {
    const { proxy } = await startGuarded(t);
    for (const [line, status] of [
      ['POST /v2/images.local/a/blobs/uploads/', 401],
      ['PUT /v2/images.local/a/manifests/1', 401],
      ['PATCH /v2/ex.test/public/app/blobs/uploads/x', 405],
    ] as const)
      assert.match(await announced(proxy.url, line, 'body'), new RegExp(`^HTTP/1\\.1 ${status} `), line);
  });
});
