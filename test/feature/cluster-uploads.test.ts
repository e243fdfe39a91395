/** Pushes through a load balancer that sends each request to another replica: an upload is passed on to the replica that began it. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { createServer, type RequestListener, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { peerAt } from '../../src/cluster/peer.ts';
import { createPeerProof, ownerHeader, peerHeader } from '../../src/cluster/peer-proof.ts';
import { homeMark } from '../../src/cluster/upload-home.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { basic, passwordLine } from '../support/access.ts';
import { createManualClock } from '../support/clock.ts';
import { clusterSecret, type Replica, startCluster } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { get } from '../support/http-client.ts';
import { codesOf, pusher, sha256, withQuery } from '../support/pusher.ts';
import { startRoundRobin } from '../support/round-robin.ts';
import { usedMemory } from '../support/used-memory.ts';

const image = 'images.local/team/app';
const toml = `
[limits]
stop_grace = "10ms"
[access]
anonymous = []
htpasswd = "users"
[[access.rule]]
who = ["ci", "eve"]
match = "images.local/**"
may = ["pull", "push"]
[[push]]
match = "images.local/**"
mode = "local"
`;
const accounts = { ci: basic('ci', 'a password'), eve: basic('eve', 'another one') };

async function replicas(t: TestContext, files: Partial<Parameters<typeof startCluster>[1]> = {}) {
  const prepare = (folder: string): void => {
    const users = join(folder, 'users');
    writeFileSync(users, passwordLine('ci', 'a password') + passwordLine('eve', 'another one'));
  };
  const { replicas: all } = await startCluster(t, { registries: '', toml, size: 3, prepare, ...files });
  const balancer = await startRoundRobin(
    t,
    all.map(({ url }) => url),
  );
  return { all, balancer, client: pusher(balancer.url, image, accounts.ci) };
}

const idOf = (location: string): string => new URL(location, 'http://any').pathname.split('/').at(-1) ?? '';

describe('an upload through a load balancer', () => {
  it('goes on at the replica that began it, whichever gets the request', async (t) => {
    const { all, balancer, client } = await replicas(t);
    const bytes = randomBytes(3_000_000);
    const location = await client.begin();
    const headers = { 'content-range': '0-999999' };
    const first = await client.send('PATCH', location, bytes.subarray(0, 1_000_000), headers);
    assert.deepEqual([first.status, first.headers.range], [202, '0-999999'], first.body.toString());
    assert.equal(first.headers.location, location);
    assert.equal(first.headers['docker-upload-uuid'], idOf(location));
    const asked = await client.send('GET', location);
    assert.deepEqual([asked.status, asked.headers.range], [204, '0-999999']);
    const early = await client.send('PATCH', location, 'x', { 'content-range': '5-5' });
    assert.deepEqual([early.status, codesOf(early)], [416, ['RANGE_INVALID']]);
    assert.deepEqual([early.headers.range, early.headers.location], ['0-999999', location]);
    const short = await client.send('PATCH', location, 'abc', { 'content-range': '1000000-1000009' });
    assert.deepEqual([short.status, codesOf(short)], [400, ['SIZE_INVALID']]);
    const second = await client.send('PATCH', location, bytes.subarray(1_000_000), {
      'content-range': '1000000-2999999',
    });
    assert.deepEqual([second.status, second.headers.range], [202, '0-2999999']);
    const nameless = await client.send('PUT', location, '');
    assert.deepEqual([nameless.status, codesOf(nameless)], [400, ['DIGEST_INVALID']]);
    const digest = sha256(bytes);
    const done = await client.send('PUT', withQuery(location, `digest=${digest}`), '');
    assert.equal(done.status, 201, done.body.toString());
    assert.equal(done.headers.location, `/v2/${image}/blobs/${digest}`);
    assert.equal(done.headers['docker-content-digest'], digest);
    assert.equal(done.headers[peerHeader], undefined);
    const used = new Set(balancer.passed.map((line) => / -> (\d)/.exec(line)?.[1]));
    assert.equal(used.size, all.length);
    const [home] = all;
    const stored = await get(`${home!.url}/v2/${image}/blobs/${digest}`, { headers: accounts.ci });
    assert.ok(stored.body.equals(bytes));
  });

  it('takes a body of unknown length, and answers below the name and the ns that the client used', async (t) => {
    const { all } = await replicas(t);
    const [home, other] = all;
    const begun = await get(`${home!.url}/v2/team/app/blobs/uploads/?ns=images.local`, {
      method: 'POST',
      headers: { ...accounts.ci, 'content-length': '0' },
    });
    const location = String(begun.headers.location);
    const chunked = { ...accounts.ci, 'transfer-encoding': 'chunked' };
    const sent = await get(`${other!.url}${location}`, {
      method: 'PATCH',
      headers: chunked,
      body: 'a layer',
    });
    assert.deepEqual([sent.status, sent.headers.range], [202, '0-6'], sent.body.toString());
    assert.equal(sent.headers.location, location);
    assert.match(location, /^\/v2\/team\/app\/blobs\/uploads\/[\w-]{32}\?ns=images\.local$/);
    const digest = sha256('a layer');
    const done = await get(`${other!.url}${location}&digest=${digest}`, {
      method: 'PUT',
      headers: { ...accounts.ci, 'content-length': '0' },
    });
    assert.deepEqual(
      [done.status, done.headers.location],
      [201, `/v2/team/app/blobs/${digest}?ns=images.local`],
    );
  });

  it('of other bytes is refused, and is over', async (t) => {
    const { client } = await replicas(t);
    const location = await client.begin();
    const wrong = sha256('other');
    const refused = await client.send('PUT', withQuery(location, `digest=${wrong}`), 'bytes');
    assert.deepEqual([refused.status, codesOf(refused)], [400, ['DIGEST_INVALID']]);
    assert.match(refused.body.toString(), new RegExp(sha256('bytes')));
    assert.equal((await client.send('GET', location)).status, 404);
  });

  it('is cancelled from another replica, also while a third one still passes bytes on', async (t) => {
    const { all, client } = await replicas(t);
    const location = await client.begin();
    const [, second, third] = all;
    const sending = open(second!, location, 'PATCH', { 'content-length': '1000000' });
    sending.request.write('some bytes');
    await eventually('it is being written', () => isBusy(third!, location));
    const cancelled = await get(`${third!.url}${location}`, { method: 'DELETE', headers: accounts.ci });
    assert.equal(cancelled.status, 204, cancelled.body.toString());
    assert.deepEqual(await sending.answer, [404, 'BLOB_UPLOAD_UNKNOWN']);
  });

  it('keeps what has come when the client of the other replica leaves', async (t) => {
    const { all, client } = await replicas(t);
    const location = await client.begin();
    const [, second, third] = all;
    const sending = open(second!, location, 'PATCH', { 'content-length': '1000000' });
    sending.request.write('some bytes');
    await eventually('it is being written', () => isBusy(third!, location));
    sending.request.destroy();
    await eventually('the session is free again', async () => {
      const more = await pusher(third!.url, image, accounts.ci).send('PATCH', location, '!');
      return more.status === 202 && more.headers.range === '0-10';
    });
  });
});

/** Begins a request and leaves its body to the test. */
function open({ url }: Replica, location: string, method: string, headers: Record<string, string>) {
  const sent = request(`${url}${location}`, {
    method,
    headers: { ...accounts.ci, ...headers },
    agent: false,
  });
  const answer = new Promise<[number, string | undefined]>((resolve, reject) => {
    sent.on('error', reject);
    sent.on('response', (incoming) => {
      const parts: Buffer[] = [];
      incoming.on('data', (part: Buffer) => parts.push(part));
      incoming.on('error', reject);
      incoming.on('end', () => {
        const [code] = /[A-Z_]{5,}/.exec(Buffer.concat(parts).toString()) ?? [];
        resolve([incoming.statusCode ?? 0, code]);
      });
    });
  });
  answer.catch(() => {});
  return { request: sent, answer };
}

/** Only one request at a time writes to an upload. */
async function isBusy({ url }: Replica, location: string): Promise<boolean> {
  return (await pusher(url, image, accounts.ci).send('PATCH', location, '')).status === 416;
}

describe('the replica that began an upload', () => {
  it('that dies in the middle of a body: 404, and the client begins anew', async (t) => {
    const { all, balancer, client } = await replicas(t);
    const location = await client.begin();
    const [home, second] = all;
    const sending = open(second!, location, 'PATCH', { 'content-length': '1000000' });
    sending.request.write('some bytes');
    await eventually('it is being written', () => isBusy(second!, location));
    await home!.app.stop();
    sending.request.end(randomBytes(999_990));
    assert.deepEqual(await sending.answer, [404, 'BLOB_UPLOAD_UNKNOWN']);
    const after = await get(`${second!.url}${location}`, { headers: accounts.ci });
    assert.equal(after.status, 404);
    balancer.next(1);
    assert.equal((await client.begin()).length > 0, true);
    const line = second!.log.find(({ path, status }) => status === 404 && String(path).startsWith(location));
    assert.match(String(line?.reason), /connection/);
    assert.equal(line?.endpoint, home!.id);
  });

  it('takes a large body in at its own pace: the replica in between holds some MiB of it at most', async (t) => {
    const { all, client } = await replicas(t);
    const location = await client.begin();
    const size = 256 * 1024 * 1024;
    const chunk = randomBytes(1024 * 1024);
    const [, second] = all;
    const before = usedMemory().arrayBuffers;
    const sending = open(second!, location, 'PATCH', { 'content-length': String(size) });
    let most = 0;
    for (let sent = 0; sent < size; sent += chunk.length) {
      if (!sending.request.write(chunk)) await new Promise((go) => sending.request.once('drain', go));
      if (sent % (8 * chunk.length) === 0) most = Math.max(most, usedMemory().arrayBuffers - before);
    }
    sending.request.end();
    assert.equal((await sending.answer)[0], 202);
    assert.ok(most < 128 * 1024 * 1024, `${most} bytes were held`);
  });
});

describe('a member that says nothing', () => {
  it('is given up after stall_timeout: 404, and the client begins anew', async (t) => {
    const silent = createServer(() => {});
    await new Promise<void>((done) => silent.listen(0, '127.0.0.1', done));
    t.after(() => {
      silent.closeAllConnections();
      silent.close();
    });
    const { port } = silent.address() as AddressInfo;
    const clock = createManualClock();
    const { all } = await replicas(t, {
      size: 1,
      also: [`http://127.0.0.1:${port}`],
      of: () => ({ deps: { clock } }),
      toml: `${toml}[upstream]\nstall_timeout = "17s"\n`,
    });
    const path = `/v2/${image}/blobs/uploads/${'a'.repeat(24)}${homeMark({ id: `127.0.0.1:${port}` })}`;
    const sending = pusher(all[0]!.url, image, accounts.ci).send('PATCH', path, 'bytes');
    await clock.armed(17_000);
    await clock.advance(17_000);
    const answer = await sending;
    assert.deepEqual([answer.status, codesOf(answer)], [404, ['BLOB_UPLOAD_UNKNOWN']]);
    const line = all[0]!.log.find(({ status }) => status === 404);
    assert.equal(line?.reason, 'no word within 17 s');
  });
});

describe('a client that makes up an id', () => {
  it('gets 404 for what is no upload of its own, and no host is dialled for it', async (t) => {
    const { all, client } = await replicas(t);
    let dialled = 0;
    const stranger = createServer(() => {}).on('connection', () => {
      dialled += 1;
    });
    await new Promise<void>((done) => stranger.listen(0, '127.0.0.1', done));
    t.after(() => stranger.close());
    const { port } = stranger.address() as AddressInfo;
    const marks = [homeMark({ id: `127.0.0.1:${port}` }), homeMark(all[1]!), '', 'AAAAAAAA', 'A'.repeat(200)];
    for (const mark of marks) {
      const id = `${randomBytes(18).toString('base64url')}${mark}`;
      for (const method of ['GET', 'PATCH', 'PUT', 'DELETE']) {
        const path = `/v2/${image}/blobs/uploads/${id}?digest=${sha256('x')}`;
        const answer = await pusher(all[0]!.url, image, accounts.ci).send(method, path, 'x');
        assert.equal(answer.status, 404, `${method} ${mark} ${answer.body}`);
      }
    }
    assert.equal(dialled, 0);
    const location = await client.begin();
    const eve = await get(`${all[1]!.url}${location}`, { headers: accounts.eve });
    assert.equal(eve.status, 404, 'the upload of another principal');
    const elsewhere = await get(`${all[1]!.url}${location.replace('team/app', 'team/other')}`, {
      headers: accounts.ci,
    });
    assert.equal(elsewhere.status, 404, 'for another image');
    assert.equal((await get(`${all[1]!.url}${location}`)).status, 401);
    assert.equal((await get(`${all[1]!.url}${location}`, { headers: accounts.ci })).status, 204);
  });

  it('is an ordinary client without the proof of a peer, whatever owner it names', async (t) => {
    const { all, client } = await replicas(t);
    const location = await client.begin();
    const [home, other] = all;
    const proofWith = (secret: string) =>
      createPeerProof({
        clock: systemClock,
        secret: () => secret,
        self: () => peerAt(other!.url),
        members: () => [],
        onRefused: () => assert.fail(),
      });
    const path = `${location.replace('/v2/images.local/', '/v2/')}?ns=images.local`;
    const send = (headers: Readonly<Record<string, string>>, method = 'GET', to = path) =>
      get(`${home!.url}${to}`, { method, headers });
    const right = proofWith(clusterSecret).headersFor(home!, 'GET', path, 'account:ci');
    assert.equal((await send(right)).status, 204, 'what a peer sends');
    const others: readonly Readonly<Record<string, string>>[] = [
      { [ownerHeader]: 'account:ci' },
      proofWith('a secret of my own choice').headersFor(home!, 'GET', path, 'account:ci'),
      { ...right, [ownerHeader]: 'account%3Aeve' },
      { [peerHeader]: right[peerHeader] ?? '' },
    ];
    for (const headers of others) assert.equal((await send(headers)).status, 401);
    assert.equal((await send(right, 'DELETE')).status, 401, 'signed for another method');
    const proof = proofWith(clusterSecret);
    for (const [method, to] of [
      ['POST', '/v2/team/app/blobs/uploads/?ns=images.local'],
      ['PUT', '/v2/team/app/manifests/1?ns=images.local'],
      ['DELETE', '/v2/team/app/manifests/1?ns=images.local'],
    ] as const) {
      const refused = await send(proof.headersFor(home!, method, to, 'account:ci'), method, to);
      assert.equal(refused.status, 401, `${method} is none of a peer`);
    }
    assert.equal((await send(right)).status, 204, 'the upload is still there');
  });
});

describe('a member that answers nonsense', () => {
  const mark = { [peerHeader]: 'stranger' };
  const wrong: Readonly<Record<string, RequestListener>> = {
    'no member at all': (_, outgoing) => outgoing.writeHead(202, { range: '0-9' }).end(),
    'a page': (_, outgoing) => outgoing.writeHead(200, mark).end('<html>hello</html>'),
    'another digest': (_, outgoing) =>
      outgoing.writeHead(201, { ...mark, 'docker-content-digest': sha256('other') }).end(),
    'a range that is none': (_, outgoing) => outgoing.writeHead(202, { ...mark, range: '9-0' }).end(),
    'a redirect': (_, outgoing) => outgoing.writeHead(307, { ...mark, location: 'http://192.0.2.1/' }).end(),
    'an endless body': (_, outgoing) => {
      outgoing.writeHead(202, { ...mark, range: '0-9' });
      const more = (): void => {
        if (!outgoing.destroyed) outgoing.write('x'.repeat(65_536), more);
      };
      more();
    },
    'no HTTP': ({ socket }) => socket.end('nonsense\r\n\r\n'),
  };

  for (const [name, listener] of Object.entries(wrong))
    it(`is taken for gone: ${name}`, async (t) => {
      const server = createServer(listener);
      await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
      t.after(() => {
        server.closeAllConnections();
        server.close();
      });
      const { port } = server.address() as AddressInfo;
      const { all } = await replicas(t, { size: 1, also: [`http://127.0.0.1:${port}`] });
      const id = `${'a'.repeat(24)}${homeMark({ id: `127.0.0.1:${port}` })}`;
      const path = `/v2/${image}/blobs/uploads/${id}`;
      const client = pusher(all[0]!.url, image, accounts.ci);
      for (const answer of [
        await client.send('PUT', `${path}?digest=${sha256('bytes')}`, 'bytes'),
        await client.send('PATCH', path, 'bytes'),
      ])
        assert.deepEqual([answer.status, codesOf(answer)], [404, ['BLOB_UPLOAD_UNKNOWN']]);
    });

  it('is passed on with its status alone where its error has no form', async (t) => {
    const server = createServer((_, outgoing) =>
      outgoing.writeHead(503, { ...mark, 'retry-after': '30', 'set-cookie': 'a=b' }).end('<html>busy</html>'),
    );
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    t.after(() => server.close());
    const { port } = server.address() as AddressInfo;
    const { all } = await replicas(t, { size: 1, also: [`http://127.0.0.1:${port}`] });
    const path = `/v2/${image}/blobs/uploads/${'a'.repeat(24)}${homeMark({ id: `127.0.0.1:${port}` })}`;
    const { status, headers, body } = await pusher(all[0]!.url, image, accounts.ci).send('GET', path);
    assert.deepEqual([status, headers['retry-after'], headers['set-cookie']], [503, '30', undefined]);
    assert.deepEqual(JSON.parse(body.toString()).errors[0].code, 'UNKNOWN');
  });
});
