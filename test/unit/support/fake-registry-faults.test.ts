import assert from 'node:assert/strict';
import { Agent } from 'node:http';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { generateBlob } from '../../support/byte-source.ts';
import { createCertificateAuthority } from '../../support/certificates.ts';
import { startFakeRegistry } from '../../support/fake-registry.ts';
import * as faults from '../../support/fake-registry-faults.ts';
import { gate } from '../../support/gate.ts';
import { get, json, open } from '../../support/http-client.ts';
import { raw } from '../../support/raw-http.ts';
import type { Cleanup } from '../../support/temp-folder.ts';

const blob = generateBlob(100_000);

async function start(t: Cleanup, ...given: faults.Fault[]) {
  const registry = await startFakeRegistry();
  t.after(registry.stop);
  registry.putBlob(blob);
  registry.on({ kind: 'blob' }, ...given);
  return { registry, url: `${registry.url}/v2/a/blobs/${blob.digest}` };
}

test('a status replaces the answer', async (t) => {
  const { url } = await start(t, faults.status(503, { 'retry-after': '7' }));
  const answer = await get(url);
  assert.deepEqual([answer.status, answer.headers['retry-after']], [503, '7']);
  assert.deepEqual(json(answer), { errors: [{ code: 'UNKNOWN', message: 'HTTP 503' }] });
});

test('a rate limit tells when to come back', async (t) => {
  const { url } = await start(t, faults.rateLimited(30, { 'ratelimit-remaining': '0;w=21600' }));
  const answer = await get(url);
  assert.equal(answer.status, 429);
  assert.equal(answer.headers['retry-after'], '30');
  assert.equal(answer.headers['ratelimit-remaining'], '0;w=21600');
});

test('a page of a captive portal looks like success', async (t) => {
  const { url } = await start(t, faults.htmlPage());
  const answer = await get(url);
  assert.equal(answer.status, 200);
  assert.match(String(answer.headers['content-type']), /^text\/html/);
});

test('a redirect names another place', async (t) => {
  const { url } = await start(
    t,
    faults.redirect((request) => `http://cdn.test/${request.digest}`),
  );
  const answer = await get(url);
  assert.deepEqual([answer.status, answer.headers.location], [307, `http://cdn.test/${blob.digest}`]);
});

test('headers are added, replaced and removed', async (t) => {
  const { url } = await start(t, faults.withHeaders({ 'x-a': '1', 'docker-content-digest': undefined }));
  const answer = await get(url);
  assert.equal(answer.headers['x-a'], '1');
  assert.equal(answer.headers['docker-content-digest'], undefined);
  assert.equal(answer.body.length, blob.size);
});

test('headers are huge', async (t) => {
  const { url } = await start(t, faults.hugeHeaders(100_000));
  await assert.rejects(get(url), { code: 'HPE_HEADER_OVERFLOW' });
});

test('an answer is held until the gate opens', async (t) => {
  const hold = gate();
  const { url, registry } = await start(t, faults.holdHeaders(hold));
  const answers = [get(url), get(url)];
  await hold.arrivals(2);
  assert.deepEqual(
    registry.requests.map((one) => one.status),
    [undefined, undefined],
  );
  hold.release();
  for (const answer of await Promise.all(answers)) assert.equal(answer.body.length, blob.size);
});

test('no answer ever comes', async (t) => {
  const { url, registry } = await start(t, faults.neverAnswer());
  const leaving = new AbortController();
  const answer = get(url, { signal: leaving.signal });
  const seen = await registry.seen();
  leaving.abort();
  await assert.rejects(answer, { name: 'AbortError' });
  assert.equal(await seen.ended, 'cut');
  assert.equal(seen.status, undefined);
});

test('a pace is kept by each answer alone, or by all together', async (t) => {
  const { url } = await start(t, faults.rate(400_000));
  const timed = async (count: number) => {
    const began = performance.now();
    await Promise.all(Array.from({ length: count }, () => get(url)));
    return performance.now() - began;
  };
  const one = await timed(1);
  assert.ok(one > 200, `${one} ms for 100 kB at 400 kB/s`);
  const shared = await start(t, faults.sharedRate(400_000));
  const began = performance.now();
  await Promise.all([get(shared.url), get(shared.url), get(shared.url)]);
  const three = performance.now() - began;
  assert.ok(three > 600, `${three} ms for three times 100 kB at 400 kB/s together`);
});

test('a reset cuts the body', async (t) => {
  const { url, registry } = await start(t, faults.cutAfter(40_000));
  const answer = await get(url);
  assert.equal(answer.status, 200);
  assert.equal(answer.complete, false);
  assert.ok(answer.body.length <= 40_000);
  assert.equal(await registry.requests[0]?.ended, 'cut');
  assert.equal(registry.bodyBytes(), 40_000);
});

test('a short end delivers each byte before it, and no more', async (t) => {
  const { url } = await start(t, faults.endShort(40_000));
  const answer = await get(url);
  assert.equal(answer.headers['content-length'], '100000');
  assert.equal(answer.complete, false);
  assert.deepEqual(answer.body, blob.bytes(0, 40_000));
});

test('a short end closes a connection that the client wanted to keep', async (t) => {
  const { url } = await start(t, faults.endShort(40_000));
  const agent = new Agent({ keepAlive: true });
  t.after(() => agent.destroy());
  const answer = await get(url, { agent });
  assert.deepEqual([answer.body.length, answer.complete], [40_000, false]);
});

test('a short end without a length looks complete', async (t) => {
  const { url } = await start(t, faults.noContentLength(), faults.endShort(40_000));
  const answer = await get(url);
  assert.equal(answer.headers['content-length'], undefined);
  assert.equal(answer.complete, true);
  assert.equal(answer.body.length, 40_000);
});

test('a stall goes on when the gate opens', async (t) => {
  const hold = gate();
  const { url, registry } = await start(t, faults.stallAfter(40_000, hold));
  const answer = await open(url);
  assert.deepEqual(await answer.read(40_000), blob.bytes(0, 40_000));
  await hold.arrived;
  assert.equal(registry.bodyBytes(), 40_000);
  hold.release();
  const rest = await answer.rest();
  assert.deepEqual([rest.body.equals(blob.bytes(40_000)), rest.complete], [true, true]);
});

test('a corrupt byte lies at one offset of the blob, whatever range is asked', async (t) => {
  const { url } = await start(t, faults.corruptAt(50_000));
  const wrong = blob.bytes();
  wrong[50_000] = (wrong[50_000] ?? 0) ^ 0xff;
  assert.deepEqual((await get(url)).body, wrong);
  const ranged = (range: string) => get(url, { headers: { range: `bytes=${range}` } });
  assert.deepEqual((await ranged('49999-50001')).body, wrong.subarray(49_999, 50_002));
  assert.deepEqual((await ranged('50001-')).body, blob.bytes(50_001));
});

test('too much, another body, another length', async (t) => {
  const long = await get((await start(t, faults.tooMuch(10))).url);
  assert.deepEqual([long.headers['content-length'], long.body.length], ['100010', 100_010]);
  assert.equal((await get((await start(t, faults.otherBody('nonsense'))).url)).body.toString(), 'nonsense');
  const short = await get((await start(t, faults.wrongContentLength(100_007), faults.endShort(100_000))).url);
  assert.deepEqual([short.headers['content-length'], short.complete], ['100007', false]);
});

test('an unasked gzip, a range ignored, a range of another place', async (t) => {
  const zipped = await get((await start(t, faults.gzipped())).url);
  assert.equal(zipped.headers['content-encoding'], 'gzip');
  assert.deepEqual(gunzipSync(zipped.body), blob.bytes());
  const headers = { range: 'bytes=10-19' };
  const ignored = await get((await start(t, faults.ignoreRange())).url, { headers });
  assert.deepEqual([ignored.status, ignored.body.length], [200, 100_000]);
  const misplaced = await get((await start(t, faults.wrongContentRange('bytes 0-9/100000'))).url, {
    headers,
  });
  assert.deepEqual([misplaced.status, misplaced.headers['content-range']], [206, 'bytes 0-9/100000']);
  assert.deepEqual(misplaced.body, blob.bytes(10, 20));
});

test('headers come byte by byte, or only half', async (t) => {
  const slow = await get((await start(t, faults.otherBody('body'), faults.slowHeaders(0.1))).url);
  assert.deepEqual([slow.status, slow.body.toString(), slow.complete], [200, 'body', true]);
  const { registry, url } = await start(t, faults.slowHeaders());
  const half = raw(url, `GET ${new URL(url).pathname} HTTP/1.1\r\nHost: x\r\n\r\n`, /HTTP\/1.1 200 OK\r\n/);
  assert.doesNotMatch(await half, /\r\n\r\n/);
  assert.equal(await (await registry.seen()).ended, 'cut');
});

test('the first rule that matches decides; nth and times count what matches', async (t) => {
  const registry = await startFakeRegistry();
  t.after(registry.stop);
  registry.putBlob(blob);
  const url = `${registry.url}/v2/a/blobs/${blob.digest}`;
  const second = registry.on({ kind: 'blob', method: 'GET', nth: 2 }, faults.status(500));
  const early = registry.on({ kind: 'blob', times: 2 }, faults.status(501));
  registry.on({ path: /blobs/, method: 'HEAD' }, faults.status(405));
  const statuses = [];
  for (const method of ['GET', 'GET', 'GET', 'GET', 'HEAD'])
    statuses.push((await get(url, { method })).status);
  assert.deepEqual(statuses, [501, 500, 501, 200, 405]);
  assert.deepEqual([second.hits, early.hits], [1, 2]);
  registry.heal();
  assert.equal((await get(url, { method: 'HEAD' })).status, 200);
});

test('faults work over TLS too', async (t) => {
  const authority = createCertificateAuthority();
  const registry = await startFakeRegistry({ tls: authority.issue() });
  t.after(registry.stop);
  registry.putBlob(blob);
  const url = `${registry.url}/v2/a/blobs/${blob.digest}`;
  registry.on({ nth: 1 }, faults.cutAfter(1000));
  registry.on({ nth: 1 }, faults.endShort(1000));
  const ca = authority.cert;
  assert.equal((await get(url, { ca })).complete, false);
  assert.deepEqual((await get(url, { ca })).body, blob.bytes(0, 1000));
  assert.deepEqual((await get(url, { ca })).body, blob.bytes());
});

test('a hang-up gives nothing at all, a raw answer gives just its bytes', async (t) => {
  const { url } = await start(t, faults.hangUp());
  await assert.rejects(get(url), { code: 'ECONNRESET' });
  const garbage = await start(t, faults.rawAnswer('SSH-2.0-OpenSSH\r\n'));
  await assert.rejects(get(garbage.url), { code: 'HPE_INVALID_CONSTANT' });
});

test('a budget runs out after so many requests', async (t) => {
  const registry = await startFakeRegistry();
  t.after(registry.stop);
  registry.on({ kind: 'ping', after: 2 }, faults.rateLimited(1));
  const statuses = [];
  for (let n = 0; n < 4; n++) statuses.push((await get(`${registry.url}/v2/`)).status);
  assert.deepEqual(statuses, [200, 200, 429, 429]);
});

test('a rule that is early reaches requests without credentials; others do not count them', async (t) => {
  const registry = await startFakeRegistry({ auth: { kind: 'basic', username: 'u', password: 'p' } });
  t.after(registry.stop);
  const rule = registry.on({ kind: 'ping', nth: 1 }, faults.status(503));
  assert.equal((await get(`${registry.url}/v2/`)).status, 401);
  const headers = { authorization: `Basic ${Buffer.from('u:p').toString('base64')}` };
  assert.equal((await get(`${registry.url}/v2/`, { headers })).status, 503);
  assert.equal(rule.hits, 1);
  registry.on({ early: true }, faults.status(502));
  assert.equal((await get(`${registry.url}/v2/`)).status, 502);
});
